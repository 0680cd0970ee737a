from __future__ import annotations

import json
import os

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.surfaces.config import CONFIG_NAME, settings


@pytest.fixture
def folder():
    path = os.environ["JUPYTER_CONFIG_DIR"]
    os.makedirs(path, exist_ok=True)
    return path


def test_defaults_without_a_file():
    assert settings().base == "host"
    assert settings().store == ""


def test_a_python_file_and_a_json_file(folder):
    with open(f"{folder}/{CONFIG_NAME}.py", "w") as file:
        file.write("c.Containerize.store = '/one'\nc.Containerize.memory = '4G'\n")
    assert settings().store == "/one"
    with open(f"{folder}/{CONFIG_NAME}.json", "w") as file:
        json.dump({"Containerize": {"store": "/two"}}, file)
    assert settings().store == "/two"
    assert settings().memory == "4G"


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("py", "c.Containerize.store = = 1"),
        ("py", "raise RuntimeError('no')"),
        ("py", "c.Containerize.store = 5"),
        ("json", "{"),
        ("json", '{"Containerize": {"verify": "maybe"}}'),
    ],
)
def test_a_broken_file_is_named(folder, ending, text):
    with open(f"{folder}/{CONFIG_NAME}.{ending}", "w") as file:
        file.write(text)
    with pytest.raises(ContainerizeError) as caught:
        settings()
    assert caught.value.code == "bad-config"
    assert CONFIG_NAME in str(caught.value)
