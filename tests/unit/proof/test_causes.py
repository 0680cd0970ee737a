from __future__ import annotations

import pytest

from jupyter_containerize.proof.causes import Evidence, likely_cause


def of_error(name, value, traceback="", **sides):
    error = {"ename": name, "evalue": value, "traceback": [traceback]}
    executed = f"[error] {name}: {value}"
    return likely_cause(Evidence(error=error, **{"executed": executed, **sides}))


@pytest.mark.parametrize(
    ("error", "cause", "fix"),
    [
        (("FileNotFoundError", "[Errno 2] No such file or directory: 'data/x.csv'"),
         "data/x.csv is not in", "--include data/x.csv"),
        (("OSError", "Unable to open file (unable to open file: name = 'm.h5', errno = 2)"),
         "m.h5", "--mount HOST:m.h5"),
        (("OSError", "../x.npy not found."), "../x.npy", "--include ../x.npy"),
        (("FileNotFoundError", "[Errno 2] No such file or directory: 'ffmpeg'",
          "File /usr/lib/python3.11/subprocess.py:1953, in Popen._execute_child"),
         "program ffmpeg", "!ffmpeg"),
        (("KeyError", "'API_URL'", "File <frozen os>:679, in _Environ.__getitem__\nos.environ['API_URL']"),
         "variable API_URL", "--env API_URL"),
        (("ModuleNotFoundError", "No module named 'torch'"), "torch", "import torch"),
        (("URLError", "<urlopen error [Errno -3] Temporary failure in name resolution>"),
         "network", "--network"),
        (("ConnectionError", "HTTPSConnectionPool(host='x'): Max retries exceeded"),
         "network", "--include"),
        (("PermissionError", "[Errno 13] Permission denied: '/data'"), "writes where", "/outputs"),
        (("MemoryError", ""), "memory", "--memory"),
        (("StdinNotImplementedError", "raw_input was called"), "input", "-p name=value"),
        (("NameError", "name 'x' is not defined"), "order", "Restart"),
    ],
)  # fmt: skip
def test_errors(error, cause, fix):
    found = of_error(*error)
    assert cause in found[0]
    assert fix in found[1]


def test_an_unknown_error_has_no_made_up_cause():
    assert of_error("ValueError", "bad") == ("", "")
    assert of_error("KeyError", "'column'", "df['column']") == ("", "")


@pytest.mark.parametrize(
    ("recorded", "executed", "source", "cause", "fix"),
    [
        ("0.1 0.2", "0.3 0.4", "np.random.rand(2)", "no seed", "np.random.seed(0)"),
        (
            "0.1 0.2",
            "0.3 0.4",
            "np.random.seed(0); np.random.rand(2)",
            "although a seed",
            "Restart",
        ),
        ("[ 1.5, 12.25]", "[-10.5,  1.2 ]", "np.random.rand(2)", "no seed", "seed(0)"),
        ("red", "blue", "print(random.choice(colours))", "at random", "seed(0)"),
        ("0.1", "0.3", "f()", "more than the tolerance", "--rtol"),
        ("a\nb", "b\na", "for x in s: print(x)", "another order", "PYTHONHASHSEED"),
        ("now 5", "now 6", "print(time.time())", "the time", "nondeterministic"),
        ("now 5", "now 6", "print(datetime.now())", "the time", "nondeterministic"),
        ("2 s", "3 s", "%time f()", "the time", "nondeterministic"),
        ("Fri", "Sat", "!date", "the time", "nondeterministic"),
        (
            "0.1",
            "0.3",
            "time = df['date']; print(today, f(time))",
            "more than the tolerance",
            "--rtol",
        ),
        ("at /home/ann/nb", "at /home/bob/nb", "print(p)", "path or user", "relative"),
        ("dense_3 (Dense)", "dense (Dense)", "model.summary()", "counter", "Restart"),
        ("x_1 5.1", "x_1 5.9", "print(fit)", "tolerance", "--rtol"),
        ("ok", "/bin/sh: 1: dot: not found", "!dot -V", "program dot", "!dot"),
        ("ok", "bash: line 1: jq: command not found", "!jq", "program jq", "!jq"),
        (
            "x",
            "cat: data/a.txt: No such file or directory",
            "!cat data/a.txt",
            "data/a.txt",
            "--include",
        ),
        ("ok", "curl: (6) Could not resolve host: x.org", "!curl x.org", "network", "--network"),
        ("ok", "touch: cannot touch '/x': Permission denied", "!touch /x", "writes where", "/tmp"),
        ("a.txt b.txt", "a.txt", "!ls data", "lists a folder", "--include"),
        ("['a', 'b']", "['a']", "sorted(os.listdir())", "lists a folder", "--include"),
        ("pip 24", "", "!pip list | head -3", "what is installed", "nondeterministic"),
        ("a", "b", "print(x)", "", ""),
    ],
)
def test_texts(recorded, executed, source, cause, fix):
    found = likely_cause(
        Evidence(sources=(source,), source=source, recorded=recorded, executed=executed)
    )
    assert cause in found[0]
    assert fix in found[1]
    assert bool(cause) == bool(found[0])
