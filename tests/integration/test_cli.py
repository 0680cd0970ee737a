"""The command line as a user has it: a real kernel, a real image, a real run."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

CELLS = [
    ("n = 3\nlabel = 'plain'", ["parameters"]),
    ("import statistics\nimport shop\nprint(shop.double(n), label)", []),
    ("with open('data/x.csv') as file:\n    rows = file.read().split()\nlen(rows)", []),
    ("open('made.txt', 'w').write('made')", []),
]

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


def notebook(cells):
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {"tags": tags},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for number, (source, tags) in enumerate(cells, 1)
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


class Shell:
    """Runs `jupyter containerize …` in a folder, with a store of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {
            **os.environ,
            "HOME": str(folder / "home"),  # what other tests do in ours would be seen
            "JUPYTER_CONTAINERIZE_STORE": str(folder / "store"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
        }

    def command(self, line):
        return [sys.executable, "-m", "jupyter_containerize", *line.split(" ")]

    def __call__(self, line, code=0, **keywords):
        return self.run(*line.split(" "), code=code, **keywords)

    def run(self, *words, code=0, **keywords):
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_containerize", *words],
            cwd=self.folder,
            env={**self.environment, **keywords},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback (most recent call last)" not in done.stderr
        assert "\x1b" not in done.stderr
        return done

    def json(self, line, code=0):
        """Run with --json; return the last event, after a look at all of them."""
        events = [json.loads(text) for text in self(f"{line} --json", code).stdout.splitlines()]
        assert [event["is"] in ("result", "failed") for event in events][:-1].count(True) == 0
        return events[-1]


@pytest.fixture(scope="module")
def shell():
    # Not pytest's folder: a notebook below /tmp must find its files in the container too.
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        yield _shell(Path(place) / "my work")


def _shell(folder):
    (folder / "data").mkdir(parents=True)
    (folder / "home").mkdir()
    (folder / "data" / "x.csv").write_text("1\n2\n3\n")
    (folder / "shop.py").write_text("def double(x):\n    return 2 * x\n")
    (folder / "Sales 2024.ipynb").write_text(json.dumps(notebook(CELLS)))
    edited = [*CELLS[:3], ("print('another cell')", [])]
    (folder / "edited.ipynb").write_text(json.dumps(notebook(edited)))
    return Shell(folder)


@pytest.fixture(scope="module")
def built(shell):
    """The first build, run and verified."""
    command = shell.command("build NOTEBOOK --run --verify --json")
    command[command.index("NOTEBOOK")] = "Sales 2024.ipynb"
    done = subprocess.run(
        command,
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout + done.stderr
    return events


def test_build_run_and_verify_in_one_command(built):
    steps = [event["step"] for event in built if event["is"] == "step-finished"]
    assert steps == ["execute", "capture", "plan", "build", "run", "verify"]
    data = built[-1]["data"]
    assert data["image"]["names"] == ["sales-2024:latest"]
    assert data["image"]["verdict"] == "verified"
    assert data["verdict"]["state"] == "verified"
    assert data["run"]["state"] == "succeeded"
    assert os.path.isfile(f"{data['run']['outputs']}/executed.ipynb")
    with open(f"{data['run']['outputs']}/files/made.txt") as file:
        assert file.read() == "made"
    assert not [event for event in built if event["is"] == "finding"]


def test_ls_shows_the_verdict(shell, built):
    del built
    assert re.search(
        r"sales-2024:latest +\w{12} +training +.* MB +.* +verified", shell("ls").stdout
    )


def test_inspect_tells_what_and_why(shell, built):
    del built
    data = shell.json("inspect sales-2024")["data"]
    ipython = next(item for item in data["packages"] if item["name"] == "ipython")
    assert "required by the guest" in ipython["reasons"]
    assert ipython["layer"]
    files = {item["path"].rpartition("/")[2]: item for item in data["files"]}
    assert files["x.csv"]["reasons"] == ["opened by cell 3"]
    assert files["x.csv"]["layer"] == "data files"
    assert files["shop"]["what"] == "code"
    assert [item["name"] for item in data["parameters"]] == ["n", "label"]
    text = shell("inspect sales-2024").stdout
    for part in ("imported by cell 2", "opened by cell 3", "libc.so.6", "parameters", "verified"):
        assert part in text.lower()


def test_inspect_gives_the_snapshot_by_its_schema(shell, built):
    del built
    document = json.loads(shell("inspect sales-2024 --snapshot").stdout)
    assert document["version"] == 1
    assert document["notebook"]["name"] == "Sales 2024"


def test_a_run_takes_parameters_and_gives_its_exit_code(shell, built):
    del built
    done = shell("run sales-2024 -p n=21 -p label=new")
    assert "42 new" in done.stdout
    failed = shell("run sales-2024 -p nn=21", code=2)
    assert "label" in failed.stdout, "the known parameters are listed"
    assert shell("run sales-2024 -- python -c raise(SystemExit(7))", code=7).stdout


def test_detached_runs_can_be_listed_followed_stopped_and_removed(shell, built):
    del built
    command = [*shell.command("run sales-2024 --detach --json -- python -c"), SLEEPER]
    done = subprocess.run(
        command, cwd=shell.folder, env=shell.environment, capture_output=True, text=True, check=True
    )
    run = json.loads(done.stdout.splitlines()[-1])["data"]["run"]
    end = time.monotonic() + 20
    while "up" not in shell(f"logs {run['id']}").stdout and time.monotonic() < end:
        time.sleep(0.1)
    assert f"{run['id']}  sales-2024:latest  running" in shell("runs").stdout
    assert "still running" in shell(f"rm {run['id']}", code=1).stderr.lower().replace("is", "still")
    stopped = shell.json(f"stop {run['id'][:6]} --grace 1")["data"]["run"]
    assert stopped["state"] == "stopped"
    assert "up" in shell(f"logs {run['id']} -f").stdout
    shell(f"rm {run['id']}")
    assert run["id"] not in shell("runs").stdout


def test_tag_diff_and_rm(shell, built):
    first = built[-1]["data"]["image"]["digest"]
    (shell.folder / "data" / "x.csv").write_text("1\n2\n3\n4\n")
    second = shell.json("build edited.ipynb -t sales:2")["data"]
    fresh = [layer["kind"] for layer in second["layers"] if not layer["reused"]]
    assert set(fresh) == {"data", "notebook"}, "only what changed is written"
    data = shell.json(f"diff {first} sales:2")["data"]
    assert [cell["number"] for cell in data["cells"]] == [4]
    assert [item["name"].rpartition("/")[2] for item in data["files"]] == ["x.csv"]
    assert data["packages"] == []
    assert 0 < data["new_bytes"] < 100_000
    assert "+print('another cell')" in shell(f"diff {first} sales:2").stdout
    shell("tag sales:2 sales:best")
    assert "sales:2, sales:best" in shell("ls").stdout
    failed = shell("rm sales:2 sales:best no-such", code=1)
    assert "no-such" in failed.stderr
    assert "Removed: image sales:2, image sales:best" in failed.stderr
    assert "Freed" in shell("gc").stdout
    assert "sales-2024:latest" in shell("ls").stdout


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_an_image_is_written_out_for_other_programs(shell, built, kind, require):
    require(shutil.which("skopeo"), "skopeo")
    digest = built[-1]["data"]["image"]["digest"]
    (shell.folder / "data" / "x.csv").write_text("1\n2\n3\n")
    path = shell.folder / "out" / f"{kind} image"
    path.parent.mkdir(exist_ok=True)
    shell.run("build", "Sales 2024.ipynb", "--output", f"{kind}:out/{path.name}")
    seen = subprocess.run(
        ["skopeo", "inspect", f"{kind}:{path}"], capture_output=True, text=True, check=True
    )
    found = json.loads(seen.stdout)
    assert found["Os"] == "linux"
    assert found["Labels"]["org.opencontainers.image.title"] == "Sales 2024"
    if kind != "docker-archive":
        assert found["Digest"] == digest, "the same notebook gives the same image"
        assert "is what its digests say" in shell.run("validate", f"{kind}:{path}").stdout


def test_validate_finds_what_was_damaged(shell, built):
    del built
    digest = shell.json("inspect sales-2024")["data"]["layers"][-1]["digest"]
    path = shell.folder / "store" / "blobs" / "sha256" / digest.partition(":")[2]
    assert "is what its digests say" in shell("validate sales-2024").stdout
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:-1] + b"x")
    error = shell.json("validate sales-2024", code=1)["error"]
    assert error["code"] == "image-damaged"
    assert digest in error["why"]
    path.write_bytes(data)
    shell("validate sales-2024")


def test_plan_writes_nothing_and_says_what_is_there(shell, built):
    del built
    before = shell("ls").stdout
    data = shell.json("plan edited.ipynb")["data"]
    assert shell("ls").stdout.split()[:8] == before.split()[:8]
    states = {layer["kind"]: layer["reused"] for layer in data["layers"]}
    assert states["base"]
    text = shell("plan edited.ipynb").stdout
    assert "must be written" in text
    assert "opened by cell 3" in text


def test_doctor_names_what_works(shell):
    done = shell("doctor")
    assert "builder to use  daemonless" in done.stdout
    assert "runtime to use" in done.stdout


def test_doctor_looks_at_a_notebook_s_kernel(shell):
    path = shell.folder / "julia.ipynb"
    document = notebook(CELLS)
    document["metadata"]["kernelspec"] = {"name": "julia-1.9", "display_name": "Julia"}
    path.write_text(json.dumps(document))
    assert "no kernel 'julia-1.9'" in shell("doctor julia.ipynb").stdout


@pytest.mark.parametrize(
    ("line", "code", "problem"),
    [
        ("build nothing.ipynb", 1, "no-such-notebook"),
        ("build shop.py", 1, "not-a-notebook"),
        ("build failing.ipynb", 1, "cell-failed"),
        ("build secret.ipynb", 1, "secret-"),
        ("run nothing", 1, "image-not-found"),
        ("logs nothing", 1, "no-such-run"),
        ("verify static", 1, "static-image"),
        ("build failing.ipynb --tag UPPER", 2, "invalid-reference"),
        ("build failing.ipynb --base localhost:1/debian:12", 1, "registry-unreachable"),
        ("build failing.ipynb --builder kaniko", 1, "unknown-builder"),
        ("build --verfy", 2, "usage"),
        ("ls --store /proc/store", 1, "write-failed"),
    ],
)
def test_what_goes_wrong_has_a_code_an_exit_code_and_a_way_out(shell, line, code, problem):
    (shell.folder / "failing.ipynb").write_text(json.dumps(notebook([("1 / 0", [])])))
    (shell.folder / "secret.ipynb").write_text(
        json.dumps(notebook([(f"token = 'ghp_{'a1B2' * 9}'", [])]))
    )
    if line == "verify static":
        (shell.folder / "static.ipynb").write_text(json.dumps(notebook([("print('not run')", [])])))
        assert shell.json("build static.ipynb --no-execute")["data"]["image"]["verdict"] == "static"
    error = shell.json(line, code)["error"]
    assert error["code"].startswith(problem)
    assert error["what"]
    assert error["fix"]
    assert "a1B2a1B2" not in json.dumps(error)


def test_an_error_is_text_on_standard_error(shell):
    done = shell("run nothing", 1)
    assert done.stderr.startswith("✗ There is no image 'nothing' in the store. [image-not-found]")
    assert "  fix: `jupyter containerize ls`" in done.stderr
    assert not done.stdout


def test_allow_errors_builds_all_the_same(shell):
    (shell.folder / "failing.ipynb").write_text(json.dumps(notebook([("1 / 0", [])])))
    done = shell("build failing.ipynb --allow-errors --verify", code=1)
    assert "Not verified" in done.stdout


def test_a_config_file_sets_defaults(shell):
    folder = shell.folder / "other config"
    folder.mkdir()
    (folder / "jupyter_containerize_config.json").write_text(
        json.dumps({"Containerize": {"store": str(shell.folder / "other store")}})
    )
    done = shell("ls", JUPYTER_CONFIG_DIR=str(folder))
    assert "no image yet" in done.stdout
    assert (shell.folder / "other store").is_dir()


def test_a_date_for_reproducible_builds(shell):
    done = shell("plan edited.ipynb --json", SOURCE_DATE_EPOCH="86400")
    labels = json.loads(done.stdout.splitlines()[-1])["data"]["config"]["labels"]
    assert labels["org.opencontainers.image.created"] == "1970-01-02T00:00:00Z"
    failed = shell("plan edited.ipynb", code=1, SOURCE_DATE_EPOCH="yesterday")
    assert "bad-source-date-epoch" in failed.stderr


def test_ctrl_c_stops_a_build(shell):
    (shell.folder / "slow.ipynb").write_text(
        json.dumps(notebook([("import time; time.sleep(600)", [])]))
    )
    with subprocess.Popen(
        shell.command("build slow.ipynb"),
        cwd=shell.folder,
        env=shell.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert "Running the notebook" in process.stderr.readline()
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "[interrupted]" in said
    assert "Traceback" not in said


def test_ctrl_c_stops_the_run_that_is_followed(shell, built):
    del built
    command = [*shell.command("run sales-2024 -- python -c"), SLEEPER]
    with subprocess.Popen(
        command, cwd=shell.folder, env=shell.environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert shell.json("runs")["data"]["runs"][0]["state"] == "stopped"


def test_a_terminal_gets_a_bar_and_colours(shell, built):
    del built
    master, slave = pty.openpty()
    done = subprocess.run(
        shell.command("build edited.ipynb"),
        cwd=shell.folder,
        env={**shell.environment, "TERM": "xterm", "COLUMNS": "80", "NO_COLOR": ""},
        stdout=subprocess.DEVNULL,
        stderr=slave,
        check=True,
    )
    os.close(slave)
    said = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        said += part
    os.close(master)
    assert done.returncode == 0
    assert "\r\x1b[K" in said.decode()
    assert "\x1b[32m✓\x1b[0m" in said.decode()
