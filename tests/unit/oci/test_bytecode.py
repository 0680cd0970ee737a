"""Canonical bytecode, made by every Python that is here."""

from __future__ import annotations

import json
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.plan import BytecodeContent, FileContent
from jupyter_containerize.oci.bytecode import bytecode_for

#: What compilers and marshal treat differently from one process to another.
SOURCE = '''
"""A docstring with spaces."""
import os.path as path
SEPARATORS = ("-", ".", " ", "\\n", "", "ü", "é")
MODES = {"auto", "brute", "kd_tree", "with space", 1, 2.5}
LATER = {"auto", "brute", "kd_tree", "with space", 1, 2.5}
def outer(mode, alpha=1000, beta=1000, gamma=10**30):
    class Inner:
        "Another docstring with spaces."
        def method(self, *, mode=mode) -> "a forward reference":
            if mode in {"auto", "brute", "kd_tree", "with space", 1, 2.5}:
                return f"{self!r}: {mode:>10} {alpha}", (1, (2, 3.0), "nested text here")
            return [name for name in (yield) if name in ("auto", "brute")]
    return Inner, "outer.<locals>.Inner", "outer.<locals>.Inner.method", 1_000_000, b"bytes"
EMPTY = {None, ..., "a", "b"}
def missing(x): return x in {None, ..., "a", "b"} or x in {None, (None, 1), "c"}
größe = lambda x: x if x in {True, 1.0, "a"} else {1, True}
'''

#: Compiles into the files named on standard input, after filling the process with strings.
COMPILE = """
import json, py_compile, random, sys
if sys.argv[1] == "full":
    import argparse, asyncio, ast, decimal, logging.config, unittest, xml.dom.minidom
    kept = [sys.intern(name) for module in list(sys.modules.values()) for name in dir(module)]
    kept += [sys.intern(chr(number)) for number in range(256)]
jobs = json.load(sys.stdin)
if sys.argv[1] == "full":
    for source, _ in jobs:
        tree = ast.parse(open(source, "rb").read())
        kept += [sys.intern(node.value) for node in ast.walk(tree)
                 if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        kept += [sys.intern("outer.<locals>.Inner"), sys.intern("outer.<locals>.Inner.method")]
    random.Random(1).shuffle(jobs)
for source, target in jobs:
    py_compile.compile(source, target, dfile=sys.argv[2] + source, doraise=True)
"""


def _interpreters():
    found = {sys.version_info[:2]: sys.executable}
    beside = Path(sys.base_prefix).parent.glob("*/bin/python3")
    named = (shutil.which(f"python3.{minor}") for minor in range(10, 14))
    for candidate in [*map(str, beside), *filter(None, named)]:
        code = "import sys; print(*sys.version_info[:2])"
        asked = subprocess.run([candidate, "-S", "-c", code], capture_output=True, check=False)
        if asked.returncode == 0:
            version = tuple(map(int, asked.stdout.split()))
            if (3, 10) <= version <= (3, 13):
                found.setdefault(version, candidate)
    return [pytest.param(path, id=".".join(map(str, key))) for key, path in sorted(found.items())]


INTERPRETERS = _interpreters()
every_python = pytest.mark.parametrize("python", INTERPRETERS)


def compiled(python, state, seed, sources, folder):
    """Compile `sources` into `folder` in a process of the given state."""
    folder.mkdir()
    targets = [str(folder / f"{number}.pyc") for number in range(len(sources))]
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("PYTHON")}
    subprocess.run(
        [python, "-W", "ignore", "-c", COMPILE, state, f"/{state}"],
        input=json.dumps(list(zip(map(str, sources), targets, strict=True))).encode(),
        env={**environment, "PYTHONHASHSEED": seed},
        check=True,
    )
    return targets


def content(source, pyc=None, filename="/image/module.py"):
    status = os.stat(source)
    plan = FileContent(str(source), status.st_size, status.st_mtime_ns)
    return BytecodeContent(plan, filename, None if pyc is None else FileContent(str(pyc), 0))


def made(python, contents, processes=1):
    with bytecode_for(contents, interpreter=python, processes=processes) as results:
        return list(results)


@pytest.fixture
def sources(python, tmp_path):
    """Our sample, and a few modules of the interpreter's own library."""
    sample = tmp_path / "sample.py"
    sample.write_text(SOURCE)
    code = "import os; print(os.path.dirname(os.__file__))"
    asked = subprocess.run([python, "-S", "-c", code], capture_output=True, text=True, check=True)
    names = ("enum.py", "functools.py", "dataclasses.py", "typing.py", "ctypes/__init__.py")
    return [sample, *(Path(asked.stdout.strip(), name) for name in names)]


@every_python
def test_bytes_do_not_depend_on_who_compiled_when_and_where(python, sources, tmp_path):
    plain = compiled(python, "plain", "1", sources, tmp_path / "plain")
    full = compiled(python, "full", "4321", sources, tmp_path / "full")

    from_plain = made(python, [content(*pair) for pair in zip(sources, plain, strict=True)])
    backwards = list(zip(sources, full, strict=True))[::-1]
    from_full = made(python, [content(*pair) for pair in backwards], processes=2)[::-1]
    anew = made(python, [content(source) for source in sources])

    assert [one.data for one in from_plain] == [one.data for one in from_full]
    assert [one.data for one in from_plain] == [one.data for one in anew]
    assert not any(one.compiled for one in from_plain + from_full)
    assert all(one.compiled for one in anew)
    # The test would be worth nothing if the compilers had agreed.
    raw = [Path(one).read_bytes().replace(b"/plain/", b"/full/") for one in plain]
    assert raw[0] != Path(full[0]).read_bytes()


#: Whether the bytecode in the first file is what the second file compiles to.
SAME_CODE = """
import marshal, sys
data, source = (open(path, "rb").read() for path in sys.argv[1:3])
code = marshal.loads(data[16:])
print(code == compile(source, "other", "exec"), code.co_filename, code.co_consts[0])
"""


@every_python
def test_it_is_the_same_code(python, sources, tmp_path):
    for number, one in enumerate(made(python, [content(source) for source in sources])):
        pyc = tmp_path / f"{number}.pyc"
        pyc.write_bytes(one.data)
        ran = subprocess.run(
            [python, "-W", "ignore", "-c", SAME_CODE, str(pyc), str(sources[number])],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.stdout.startswith("True /image/module.py"), (sources[number], ran)


@every_python
def test_the_interpreter_takes_it_and_looks_at_no_source(python, tmp_path):
    source = tmp_path / "module.py"
    source.write_text(SOURCE)
    [one] = made(python, [content(source)])
    asked = subprocess.run(
        [python, "-c", "import sys; print(sys.implementation.cache_tag)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / f"__pycache__/module.{asked.stdout.strip()}.pyc").write_bytes(one.data)
    source.write_text("raise SystemExit('the source was read')")

    code = "from module import missing; print([missing(x) for x in (None, ..., 'c', 'd')])"
    ran = subprocess.run(
        [python, "-B", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert ran.stdout == "[True, True, True, False]\n", ran.stderr


@pytest.mark.parametrize(
    "mode",
    [
        py_compile.PycInvalidationMode.TIMESTAMP,
        py_compile.PycInvalidationMode.CHECKED_HASH,
        py_compile.PycInvalidationMode.UNCHECKED_HASH,
    ],
)
def test_valid_bytecode_is_used_and_stale_is_not(tmp_path, mode):
    source, pyc = tmp_path / "m.py", tmp_path / "m.pyc"
    source.write_text("x = 1\n")
    py_compile.compile(str(source), str(pyc), invalidation_mode=mode)
    [first] = made(sys.executable, [content(source, pyc)])
    source.write_text("x = 2\n")
    os.utime(source, (1, 1))
    [second] = made(sys.executable, [content(source, pyc)])

    assert (first.compiled, second.compiled) == (False, True)
    assert first.data[4:8] == b"\1\0\0\0"
    assert first.data[8:16] != second.data[8:16]


@pytest.mark.parametrize("data", [b"", b"x" * 100, None, "garbage", "not code"])
def test_broken_bytecode_is_compiled_anew(tmp_path, data):
    source, pyc = tmp_path / "m.py", tmp_path / "m.pyc"
    source.write_text("x = 1\n")
    py_compile.compile(str(source), str(pyc))
    if data is None:
        pyc.unlink()
        os.mkfifo(pyc)
    elif isinstance(data, bytes):
        pyc.write_bytes(data)
    else:
        pyc.write_bytes(pyc.read_bytes()[:16] + {"garbage": b"\xe3garbage", "not code": b"N"}[data])

    [one] = made(sys.executable, [content(source, pyc)])

    assert one == made(sys.executable, [content(source)])[0]
    assert one.compiled


@pytest.mark.parametrize(
    "source", [b"print 1\n", b"x = '\0'\n", b"{% template %}", b"\xff = 1", b"(" * 2000]
)
def test_sources_that_do_not_compile_are_left_out(tmp_path, source):
    path = tmp_path / "m.py"
    path.write_bytes(source)
    good = tmp_path / "good.py"
    good.write_bytes(b"x = 1")

    bad, fine = made(sys.executable, [content(path), content(good)])

    assert bad.data is None
    assert fine.data


def test_names_of_all_kinds(tmp_path):
    path = tmp_path / "new\nline ü.py"
    path.write_bytes("größe = 1".encode())
    undecodable = os.fsencode(tmp_path) + b"/\xff.py"
    with open(undecodable, "wb") as file:
        file.write(b"x = 1")
    contents = [content(path, filename="/i/ü\n.py"), content(os.fsdecode(undecodable))]
    assert all(one.data for one in made(sys.executable, contents))


def test_a_source_that_changed_or_is_gone(tmp_path):
    path = tmp_path / "m.py"
    path.write_bytes(b"x = 1")
    planned = content(path)
    path.write_bytes(b"x = 12")
    with pytest.raises(ContainerizeError) as caught:
        made(sys.executable, [planned])
    assert caught.value.code == "file-changed"
    path.unlink()
    with pytest.raises(ContainerizeError) as caught:
        made(sys.executable, [planned])
    assert caught.value.code == "file-vanished"
    os.mkfifo(path)
    with pytest.raises(ContainerizeError) as caught:
        made(sys.executable, [planned])
    assert caught.value.code == "not-a-file"


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/true"])
def test_an_interpreter_that_does_not_work(tmp_path, python):
    path = tmp_path / "m.py"
    path.write_bytes(b"x = 1")
    with pytest.raises(ContainerizeError) as caught:
        made(python, [content(path)])
    assert caught.value.code == "interpreter-failed"
    assert python in caught.value.what


def test_stopping_early_leaves_no_process(tmp_path):
    path = tmp_path / "m.py"
    path.write_bytes(b"x = 1\n" * 1000)
    before = set(_children())
    with bytecode_for([content(path)] * 500, interpreter=sys.executable, processes=2) as results:
        next(results)
        assert len(set(_children()) - before) == 2
    assert set(_children()) == before


def test_nothing_of_the_environment_matters(tmp_path, monkeypatch):
    path = tmp_path / "m.py"
    path.write_bytes(b"assert 1, 'text'\nx = {'a', 'b', 'c', None}\n")
    expected = made(sys.executable, [content(path)])
    (tmp_path / "marshal.py").write_text("raise SystemExit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("PYTHONHASHSEED", "99")
    monkeypatch.chdir(tmp_path)
    assert made(sys.executable, [content(path)]) == expected


def _children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()
