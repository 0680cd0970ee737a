from __future__ import annotations

import os

import pytest

from jupyter_containerize.runtimes import integrity


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "unpacked"
    (place / "d").mkdir(parents=True)
    for name in ("a", "d/b", "d/with space"):
        (place / name).write_text(name)
        os.utime(place / name, ns=(1, 1_000_000_007))
    (place / "link").symlink_to("a")
    (place / "broken").symlink_to("absent")
    integrity.record(str(place))
    return place


def test_what_nobody_touched_stays(folder):
    assert integrity.restore(str(folder)) == 0


def test_modes_times_and_attributes_come_back(folder):
    (folder / "a").chmod(0)
    os.utime(folder / "d" / "b")
    os.setxattr(folder / "d" / "with space", "user.mark", b"x")
    assert integrity.restore(str(folder)) == 3
    assert integrity.restore(str(folder)) == 0
    assert (folder / "a").stat().st_mode & 0o777 == 0o644
    assert (folder / "d" / "b").stat().st_mtime_ns == 1_000_000_007
    assert os.listxattr(folder / "d" / "with space") == []


def test_the_first_facts_stay_the_facts(folder):
    (folder / "a").chmod(0o777)
    integrity.record(str(folder))
    assert integrity.restore(str(folder)) == 1


def test_a_file_that_is_gone_is_passed_over(folder):
    (folder / "a").unlink()
    assert integrity.restore(str(folder)) == 0
