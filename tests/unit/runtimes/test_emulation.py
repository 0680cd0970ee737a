from __future__ import annotations

import platform

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.runtimes import emulation


def test_this_machines_own_platform_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(emulation, "_BINFMT", str(tmp_path / "none"))
    emulation.check(Platform.of_machine("linux", platform.machine()))


def test_another_platform_needs_an_emulator(monkeypatch, tmp_path):
    monkeypatch.setattr(emulation, "_BINFMT", str(tmp_path))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(ContainerizeError) as caught:
        emulation.check(Platform("linux", "arm64"))
    assert caught.value.code == "platform-not-runnable"
    assert "qemu-user-static" in caught.value.fix
    (tmp_path / "qemu-aarch64").touch()
    emulation.check(Platform("linux", "arm64"))
