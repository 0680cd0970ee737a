from __future__ import annotations

import json
import os
import stat
import threading
import time

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import Run, RunSpec, RunState
from jupyter_containerize.runtimes import run_folder
from jupyter_containerize.runtimes.records import Records


@pytest.fixture
def records(tmp_path):
    return Records(str(tmp_path / "runs"))


def create(records, state=RunState.RUNNING, **fields):
    def record(run_id, _):
        return Run(
            id=run_id,
            spec=RunSpec(image="sha256:0", environment={"TOKEN": "hunter2"}),
            runtime="sandbox",
            state=state,
            **fields,
        )

    return records.create(record)


def test_a_run_is_read_as_it_was_written_but_for_secrets(records):
    run, folder, lock = create(records)
    found = records.read(run.id)
    assert found.spec.environment == {"TOKEN": "…"}
    assert found.state is RunState.RUNNING
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{folder}/run.json").st_mode) == 0o600
    with open(f"{folder}/run.json") as file:
        assert "hunter2" not in file.read()
    os.close(lock)


def test_a_free_lock_without_an_end_means_lost(records):
    run, folder, lock = create(records)
    os.close(lock)
    found = records.read(run.id)
    assert found.state is RunState.LOST
    assert "gone" in found.reason
    assert run_folder.read_record(folder)["state"] == "running"


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.STOPPED])
def test_a_free_lock_with_an_end_is_that_end(records, state):
    run, _, lock = create(records, state, exit_code=0)
    os.close(lock)
    assert records.read(run.id).state is state


def test_a_beginning_of_the_id_is_enough_if_only_one_has_it(records):
    run, _, lock = create(records)
    os.mkdir(os.path.join(records.folder, "zz1"))
    os.mkdir(os.path.join(records.folder, "zz2"))
    assert records.read(run.id[:5]).id == run.id
    for wrong in ("zz", "", "nothing", "../runs"):
        with pytest.raises(ContainerizeError) as caught:
            records.read(wrong)
        assert caught.value.code == "no-such-run"
    os.close(lock)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"version": "x"}', '{"version": 1}', '{"version": 99}', "\0"]
)
def test_a_record_that_cannot_be_read_is_reported_and_hides_no_other(records, text):
    good, _, lock = create(records)
    bad, folder, other = create(records)
    with open(f"{folder}/run.json", "w") as file:
        file.write(text)
    with pytest.raises(ContainerizeError) as caught:
        records.read(bad.id)
    assert caught.value.code == "bad-run-record"
    assert [run.id for run in records.all()] == [good.id]
    assert [problem.code for problem in records.problems()] == ["bad-run-record"]
    os.close(lock)
    os.close(other)
    records.remove(bad.id)
    assert records.problems() == ()


def test_a_newer_record_names_both_versions(records):
    run, folder, lock = create(records)
    data = run_folder.read_record(folder)
    run_folder.write_record(folder, {**data, "version": 7})
    with pytest.raises(ContainerizeError) as caught:
        records.read(run.id)
    assert "7" in caught.value.what
    assert "1" in caught.value.why
    os.close(lock)


def test_newest_runs_come_first(records):
    runs = [create(records, started_at=float(n)) for n in (2, 3, 1)]
    assert [run.started_at for run in records.all()] == [3.0, 2.0, 1.0]
    assert Records(records.folder, "docker").all() == ()
    for _, _, lock in runs:
        os.close(lock)


def test_readers_never_see_half_a_record(records):
    run, folder, lock = create(records)
    done = threading.Event()

    def rewrite():
        data = run_folder.read_record(folder)
        while not done.is_set():
            run_folder.write_record(folder, {**data, "reason": "x" * 100_000})
            run_folder.write_record(folder, data)

    writer = threading.Thread(target=rewrite)
    writer.start()
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        assert records.read(run.id).id == run.id
    done.set()
    writer.join()
    os.close(lock)


def test_removing_waits_for_the_supervisor_to_tidy_up(records):
    run, folder, lock = create(records, RunState.SUCCEEDED)
    threading.Timer(0.2, os.close, [lock]).start()
    records.remove(run.id)
    assert not os.path.exists(folder)


def test_removing_copes_with_folders_that_nobody_may_enter(records):
    run, folder, lock = create(records, RunState.SUCCEEDED)
    os.makedirs(f"{folder}/outputs/a/b/c")
    os.chmod(f"{folder}/outputs/a/b", 0)
    os.chmod(f"{folder}/outputs/a", 0o500)
    os.close(lock)
    records.remove(run.id)
    assert not os.path.exists(folder)


def test_a_store_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(ContainerizeError) as caught:
        create(Records(str(tmp_path / "runs")))
    assert caught.value.code == "store-not-writable"


def test_no_store_means_no_runs(records):
    assert records.all() == ()


def test_half_made_runs_are_not_listed(records):
    os.makedirs(os.path.join(records.folder, ".half"))
    assert records.all() == ()
    assert records.problems() == ()


def test_waiting_ends_at_the_timeout(records):
    run, _, lock = create(records)
    started = time.monotonic()
    assert records.wait(run.id, timeout_s=0.1).state is RunState.RUNNING
    assert time.monotonic() - started < 5
    os.close(lock)


def test_nobody_listens_to_an_ended_run(records):
    _, folder, lock = create(records)
    assert run_folder.send(folder, "stop 1") is False
    os.close(lock)


def test_the_record_is_plain_json(records):
    _, folder, lock = create(records)
    with open(f"{folder}/run.json") as file:
        assert json.load(file)["version"] == 1
    os.close(lock)
