from __future__ import annotations

import os

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.runtimes.identity import default_environment, user_ids
from jupyter_containerize.runtimes.rootfs import Rootfs, mount_point


@pytest.fixture
def rootfs(tmp_path):
    low, top = tmp_path / "low", tmp_path / "top"
    (low / "etc").mkdir(parents=True)
    (low / "etc" / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nme:x:1000:100::/home/me:\nbad\n"
    )
    (low / "etc" / "group").write_text("users:x:100:\nstaff:x:50:me\n")
    (low / "home").symlink_to("/var/home")
    (low / "var" / "home" / "me").mkdir(parents=True)
    (low / "var" / "home" / "me" / "file").write_text("low")
    (low / "loop").symlink_to("loop")
    (low / "over").mkdir()
    (top / "var" / "home" / "me").mkdir(parents=True)
    (top / "var" / "home" / "me" / "file").write_text("top")
    (top / "up").symlink_to("../../../etc/./passwd")
    (top / "over").write_text("a file now")
    return Rootfs([str(low), str(top)])


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/home/me", "/var/home/me"),
        ("/home/me/new/x", "/var/home/me/new/x"),
        ("/up", "/etc/passwd"),
        ("/", "/"),
        ("//a/../home//me/.", "/var/home/me"),
        ("/absent/../../x", "/x"),
    ],
)
def test_links_are_followed_inside_the_image(rootfs, path, real):
    assert rootfs.resolve(path) == real


def test_a_loop_of_links_is_an_error(rootfs):
    with pytest.raises(ContainerizeError) as caught:
        rootfs.resolve("/loop/x")
    assert caught.value.code == "bad-path"


def test_the_topmost_file_is_found(rootfs):
    with open(rootfs.find("/var/home/me/file")) as file:
        assert file.read() == "top"
    assert rootfs.find("/absent") is None
    assert rootfs.find("/over/x") is None
    assert len(rootfs.folders("/var/home/me")) == 2
    assert rootfs.folders("/over") == []


@pytest.mark.parametrize("link", [True, False])
def test_a_tree_of_all_layers(rootfs, tmp_path, link):
    target = str(tmp_path / "tree")
    rootfs.assemble(target, link=link, mode_mask=0o7555 if not link else 0o7777)
    with open(f"{target}/var/home/me/file") as file:
        assert file.read() == "top"
    assert os.path.isfile(f"{target}/over")
    assert os.readlink(f"{target}/home") == "/var/home"
    original = os.stat(rootfs.find("/etc/passwd"))
    copy = os.stat(f"{target}/etc/passwd")
    assert (copy.st_ino == original.st_ino) is link
    assert copy.st_mtime_ns == original.st_mtime_ns
    assert bool(copy.st_mode & 0o222) is link


def test_mount_points_change_no_modes(tmp_path):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a").chmod(0o555)
    mount_point(str(root), "/a/b/c", folder=True)
    mount_point(str(root), "/a/file", folder=False)
    mount_point(str(root), "/a/file", folder=False)
    assert (root / "a" / "b" / "c").is_dir()
    assert (root / "a" / "file").is_file()
    assert root.joinpath("a").stat().st_mode & 0o777 == 0o555


@pytest.mark.parametrize(
    ("user", "ids"),
    [
        ("1000:0", (1000, 0)),
        ("1000", (1000, 100)),
        ("4711", (4711, 0)),
        ("me", (1000, 100)),
        ("me:staff", (1000, 50)),
        ("", (0, 0)),
    ],
)
def test_users_by_number_and_name(rootfs, user, ids):
    assert user_ids(user, rootfs) == ids


@pytest.mark.parametrize("user", ["nobody", "me:nogroup", "bad"])
def test_unknown_users_are_an_error(rootfs, user):
    with pytest.raises(ContainerizeError) as caught:
        user_ids(user, rootfs)
    assert caught.value.code == "unknown-user"


def test_home_is_the_users(rootfs):
    assert default_environment("me", rootfs)["HOME"] == "/home/me"
    assert default_environment("4711:0", rootfs)["HOME"] == "/"
