"""What the package index knows of pins, asked by the real uv: here the index is a folder."""

from __future__ import annotations

import hashlib
import zipfile
from types import SimpleNamespace

import pytest

from jupyter_containerize.workflow import recipes

SNAPSHOT = SimpleNamespace(interpreter=SimpleNamespace(version="3.11.7"))


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index that has two packages; returns the sums of their files."""
    sums = {}
    for name, version in (("alpha", "1.0"), ("beta-two", "2.0")):
        word = name.replace("-", "_")
        page = tmp_path / name / "index.html"
        page.parent.mkdir()
        path = page.with_name(f"{word}-{version}-py3-none-any.whl")
        texts = {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }
        with zipfile.ZipFile(path, "w") as wheel:
            for file, text in texts.items():
                wheel.writestr(f"{word}-{version}.dist-info/{file}", text)
        sums[name] = (hashlib.sha256(path.read_bytes()).hexdigest(),)
        page.write_text(f'<a href="{path.name}#sha256={sums[name][0]}">{path.name}</a>')
    monkeypatch.setenv("UV_DEFAULT_INDEX", tmp_path.as_uri())
    return sums


def asked(monkeypatch, *pins):
    monkeypatch.setattr(recipes, "pins", lambda _: pins)
    return recipes._hashes(SNAPSHOT)


def test_every_pin_has_its_sums(index, monkeypatch):
    assert asked(monkeypatch, "alpha==1.0", "beta-two==2.0") == (index, "")


def test_what_the_index_does_not_have_costs_only_its_own(index, monkeypatch):
    pins = ("absent==1.0", "alpha==1.0", "beta-two==2.0+here", "gone==3")
    found, why = asked(monkeypatch, *pins)
    assert found == {"alpha": index["alpha"]}
    for pin in ("absent==1.0", "beta-two==2.0+here", "gone==3"):
        assert pin in why
    assert "alpha" not in why


def test_an_index_out_of_reach_is_told(monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    found, why = asked(monkeypatch, "alpha==1.0")
    assert found == {}
    assert "did not give them" in why
