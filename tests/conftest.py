"""Fixtures for all tests."""

from __future__ import annotations

import os

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
