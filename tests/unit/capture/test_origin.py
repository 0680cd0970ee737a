import json

import pytest

from jupyter_containerize.capture.installed import Environment
from jupyter_containerize.capture.origin import editable_folder, origin_of, without_credentials
from jupyter_containerize.model.snapshot import OriginKind


@pytest.fixture
def origin(world):
    def of(direct_url="", installer="pip"):
        text = direct_url if isinstance(direct_url, str) else json.dumps(direct_url)
        world.install("thing", {"thing.py": ""}, direct_url=text, installer=installer)
        return origin_of(Environment(world.sys_path).by_key["thing"])

    return of


def test_from_an_index(origin):
    assert origin().kind is OriginKind.INDEX


def test_from_version_control_with_its_commit_and_without_credentials(origin):
    found = origin(
        {
            "url": "https://user:token@git.example/team/thing.git",
            "vcs_info": {"vcs": "git", "commit_id": "4f42c7f", "requested_revision": "main"},
        }
    )
    assert found.kind is OriginKind.VCS
    assert found.url == "git+https://git.example/team/thing.git"
    assert found.commit == "4f42c7f"


def test_from_a_folder_of_this_machine(origin):
    assert origin({"url": "file:///srv/thing", "dir_info": {}}).kind is OriginKind.LOCAL


def test_editable(origin, world):
    found = origin({"url": "file:///srv/my%20thing", "dir_info": {"editable": True}})
    assert found.kind is OriginKind.EDITABLE
    assert editable_folder(Environment(world.sys_path).by_key["thing"]) == "/srv/my thing"


def test_from_an_archive_somewhere(origin):
    found = origin(
        {"url": "https://files.example/thing-1.0.tar.gz?sig=abc#egg", "archive_info": {}}
    )
    assert (found.kind, found.url) == (OriginKind.INDEX, "https://files.example/thing-1.0.tar.gz")


@pytest.mark.parametrize("text", ["{broken", "[]", '"text"', '{"url": 3}', '{"url": ""}'])
def test_a_broken_direct_url_is_no_crash(origin, text):
    assert origin(text).kind in (OriginKind.INDEX, OriginKind.LOCAL)


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://u:p@host:8443/x", "https://host:8443/x"),
        ("ssh://git@host/x.git", "ssh://git@host/x.git"),
        ("ssh://git:password@host/x.git", "ssh://host/x.git"),
        ("https://host/simple?token=abc", "https://host/simple"),
        ("https://[broken", ""),
    ],
)
def test_no_credentials_in_urls(url, clean):
    assert without_credentials(url) == clean
