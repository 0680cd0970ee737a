"""Outputs that go to a URL, data that come from one: the real guest, as a pod runs it, with fsspec."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_containerize import guest

POD = str(Path(guest.__file__).parent / "pod.py")


def step(*words, wait=True, **environment):
    process = subprocess.Popen(
        [sys.executable, POD, *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if not wait:
        return process
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


@pytest.fixture
def pod(tmp_path):
    """Folders of a pod whose training has ended: its control folder, its outputs, and a place elsewhere."""
    control, outputs = tmp_path / "control", tmp_path / "outputs"
    control.mkdir()
    (control / "running").touch()
    (outputs / "files").mkdir(parents=True)
    (outputs / "files" / "model.bin").write_bytes(bytes(range(256)))
    (outputs / "executed.ipynb").write_text("{}")
    return control, outputs, tmp_path / "elsewhere"


def found(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_outputs_are_copied_to_a_url(pod):
    control, outputs, elsewhere = pod
    code, told = step("upload", str(control), str(outputs), elsewhere.as_uri() + "/")
    assert (code, told) == (0, f"The outputs are at {elsewhere.as_uri()}.\n")
    assert found(elsewhere) == {"files/model.bin", "executed.ipynb"}
    assert (elsewhere / "files" / "model.bin").read_bytes() == bytes(range(256))


def test_each_run_of_a_sweep_has_a_folder_there(pod):
    control, outputs, elsewhere = pod
    words = ("upload", str(control), str(outputs), elsewhere.as_uri(), "--by-index")
    assert step(*words, JOB_COMPLETION_INDEX="3")[0] == 0
    assert found(elsewhere) == {"3/files/model.bin", "3/executed.ipynb"}


def test_of_workers_the_chief_alone_copies(pod):
    control, outputs, elsewhere = pod
    words = ("upload", str(control), str(outputs), elsewhere.as_uri(), "--by-index", "--chief-only")
    assert step(*words, JOB_COMPLETION_INDEX="1") == (0, "")
    assert not elsewhere.exists()
    assert step(*words, JOB_COMPLETION_INDEX="0")[0] == 0
    assert "executed.ipynb" in found(elsewhere)


def test_nothing_is_copied_before_the_training_has_ended(pod):
    control, outputs, elsewhere = pod
    with open(control / "running", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = ("upload", str(control), str(outputs), elsewhere.as_uri())
        process = step(*words, wait=False)
        time.sleep(1.5)  # longer than it needs between two looks
        assert process.poll() is None
        assert not elsewhere.exists()
        (outputs / "last.txt").write_text("written at the end")
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert "last.txt" in found(elsewhere)


def test_what_cannot_be_copied_fails_the_step(pod):
    control, outputs, elsewhere = pod
    elsewhere.write_text("a file is in the way")
    code, told = step("upload", str(control), str(outputs), f"{elsewhere.as_uri()}/folder")
    assert code == 1
    assert f"The outputs could not be copied to {elsewhere.as_uri()}/folder" in told


def test_data_are_fetched_from_files_and_folders(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep").mkdir(parents=True)
    (source / "table.csv").write_text("a,b\n")
    (source / "deep" / "part").write_text("1")
    code, told = step(
        "fetch",
        f"{(source / 'table.csv').as_uri()}={target}/0",
        f"{source.as_uri()}={target}/1",
    )
    assert (code, told) == (0, "")
    assert (target / "0" / "data").read_text() == "a,b\n"
    assert (target / "1" / "data" / "deep" / "part").read_text() == "1"


def test_data_that_are_not_there_are_named(tmp_path):
    url = (tmp_path / "nothing").as_uri()
    code, told = step("fetch", f"{url}={tmp_path}/0")
    assert code == 1
    assert f"{url} could not be fetched" in told


def test_an_image_without_fsspec_says_what_to_do(tmp_path):
    (tmp_path / "fsspec").mkdir()
    (tmp_path / "fsspec" / "__init__.py").write_text("raise ImportError('no fsspec')")
    code, told = step("fetch", f"s3://bucket/x={tmp_path}/0", PYTHONPATH=str(tmp_path))
    assert code == 1
    assert "fsspec is not in the image. Import it" in told


def test_one_container_trains_and_keeps_its_outputs_until_they_are_fetched(pod):
    control, outputs, _ = pod
    (outputs / "executed.ipynb").unlink()
    train = "import pathlib, sys; pathlib.Path(sys.argv[1], 'executed.ipynb').write_text('done'); sys.exit(3)"
    words = ("hold", str(control), "--keep", "300", "--", sys.executable, "-c", train, str(outputs))
    held = step(*words, wait=False)
    until = time.monotonic() + 120
    while not step("ended", str(control))[1].strip():
        assert time.monotonic() < until
    assert step("ended", str(control)) == (0, "3\n")
    assert held.poll() is None  # it goes on for its outputs
    assert "executed.ipynb" in step("list", str(control), str(outputs))[1]
    step("release", str(control))
    held.communicate(timeout=120)
    assert held.returncode == 3
    # Other workers have nothing to keep.
    (control / "fetched").unlink()
    assert step(*words, JOB_COMPLETION_INDEX="1")[0] == 3
