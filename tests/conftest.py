"""Fixtures for all tests."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def require():
    """`require(condition, reason)`: skip without a real part, but fail in CI."""

    def check(condition: object, reason: str) -> None:
        if condition:
            return
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have: {reason}")
        pytest.skip(reason)

    return check


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory, monkeypatch):
    """No test touches the user's store or settings."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("JUPYTER_CONTAINERIZE_STORE", str(folder / "store"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(folder / "jupyter"))


@pytest.fixture(scope="session")
def environment():
    """`environment("science")`: the Python of a kernel's environment of tests/environments.py."""
    source = Path(__file__).parent / "environments.py"
    spec = importlib.util.spec_from_file_location("containerize_test_environments", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda name: str(module.python_of(name))


@pytest.fixture(scope="session")
def tiny_images():
    """The module tests/tiny_images.py: images of busybox and a few files."""
    source = Path(__file__).parent / "tiny_images.py"
    spec = importlib.util.spec_from_file_location("containerize_tiny_images", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
