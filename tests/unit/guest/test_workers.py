from __future__ import annotations

import io
import json
import os
import tarfile

import pytest

from jupyter_containerize.guest import keeping, workers
from jupyter_containerize.guest.problem import CannotStart


def test_a_worker_is_told_who_it_is_in_every_dialect():
    told = workers.environment(1, ["a:29500", "b:29500", "c:29500"])
    assert (told["WORKER_INDEX"], told["WORKER_COUNT"]) == ("1", "3")
    config = json.loads(told["TF_CONFIG"])
    assert config["cluster"]["worker"][config["task"]["index"]] == "b:29500"
    assert (told["RANK"], told["WORLD_SIZE"], told["LOCAL_RANK"]) == ("1", "3", "0")
    assert (told["MASTER_ADDR"], told["MASTER_PORT"]) == ("a", "29501")


def test_peers_that_do_not_appear_are_named(monkeypatch):
    monkeypatch.setattr(workers, "_PEERS_S", 0.0)
    monkeypatch.setenv(workers.HOSTS, "no-such-host-{index}.invalid")
    monkeypatch.setenv(workers.COUNT, "2")
    with pytest.raises(CannotStart, match=r"2 of 2 workers did not appear .*no-such-host-0"):
        workers.join()


@pytest.mark.parametrize("offset", [0, 1, 511, 512, 513, 3000, 5119, 5120, 6000])
def test_the_archive_is_the_same_from_any_byte_on(tmp_path, capfdbinary, offset):
    outputs, control = tmp_path / "outputs", tmp_path / "control"
    (outputs / "deep").mkdir(parents=True)
    control.mkdir()
    (outputs / "deep" / "a.bin").write_bytes(os.urandom(3000))
    (outputs / "empty").write_bytes(b"")
    (outputs / "link").symlink_to("deep/a.bin")
    places = [str(control), str(outputs)]
    keeping.listing(places)
    listed = {one["path"]: one for one in json.loads(capfdbinary.readouterr().out)["files"]}
    assert listed["deep/a.bin"]["size"] == 3000
    keeping.send([*places, "0"])
    whole = capfdbinary.readouterr().out
    keeping.send([*places, str(offset)])
    assert capfdbinary.readouterr().out == whole[offset:]
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert {member.name for member in tar} == set(listed)
        assert tar.extractfile("deep/a.bin").read() == (outputs / "deep/a.bin").read_bytes()
