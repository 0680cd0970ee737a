import os

from jupyter_containerize.capture import disk
from jupyter_containerize.capture.hashes import Hashes


def make_old(path, *, seconds=10):
    facts = os.stat(path)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns - seconds * 10**9))


def test_an_unchanged_file_is_not_read_again(tmp_path, monkeypatch):
    path = str(tmp_path / "data")
    with open(path, "w") as file:
        file.write("1")
    monkeypatch.setattr("jupyter_containerize.capture.hashes._SETTLED_NS", 0)
    first = Hashes(str(tmp_path / "cache"))
    entry = first.entry(path)
    first.save()
    monkeypatch.setattr(disk, "hashed", lambda _path: 1 / 0)
    assert Hashes(str(tmp_path / "cache")).entry(path) == entry


def test_a_file_edited_with_its_old_time_and_size_is_read_again(tmp_path, monkeypatch):
    path = str(tmp_path / "data")
    with open(path, "w") as file:
        file.write("1")
    make_old(path)
    monkeypatch.setattr("jupyter_containerize.capture.hashes._SETTLED_NS", 0)
    first = Hashes(str(tmp_path / "cache"))
    before = first.entry(path)
    first.save()
    facts = os.stat(path)
    with open(path, "w") as file:
        file.write("2")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    after = Hashes(str(tmp_path / "cache")).entry(path)
    assert after.mtime_ns == before.mtime_ns
    assert after.sha256 != before.sha256


def test_a_file_written_a_moment_ago_is_not_trusted(tmp_path):
    path = str(tmp_path / "data")
    with open(path, "w") as file:
        file.write("1")
    first = Hashes(str(tmp_path / "cache"))
    first.entry(path)
    first.save()
    assert not (tmp_path / "cache").exists()


def test_a_broken_or_unwritable_cache_costs_only_time(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "hashes-1.json").write_text("{broken")
    path = str(tmp_path / "data")
    with open(path, "w") as file:
        file.write("1")
    assert Hashes(str(cache)).entry(path).sha256
    nowhere = Hashes("/proc/nowhere")
    assert nowhere.entry(path).sha256
    nowhere.save()
