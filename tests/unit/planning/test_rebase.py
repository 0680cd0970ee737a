from __future__ import annotations

import dataclasses

import pytest

from jupyter_containerize.model.base import BaseImage
from jupyter_containerize.model.files import FileEntry, FileKind
from jupyter_containerize.model.plan import Base, BaseKind, LinkContent
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.snapshot import NativeLibrary
from jupyter_containerize.planning import plan
from jupyter_containerize.planning.slim import slimmed

ENV = "/opt/jupyter-containerize/env"
LIBRARIES = "/opt/jupyter-containerize/lib"
BASE = BaseImage(
    base=Base(BaseKind.REGISTRY, "registry/python:3.11", f"sha256:{'1' * 64}"),
    platform=Platform("linux", "arm64"),
    python="/usr/local/bin/python3.11",
    python_version="3.11",
    stdlib="/usr/local/lib/python3.11",
    glibc="2.36",
    environment={"PATH": "/usr/local/bin:/usr/bin", "LANG": "C.UTF-8"},
    labels={"vendor": "somebody"},
    passwd="root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/bin/sh\n",
)


@pytest.fixture
def on_base(options):
    return dataclasses.replace(options, base=BASE.base, base_image=BASE)


def entries(image_plan):
    return {entry.target: entry for layer in image_plan.layers for entry in layer.entries}


def test_the_base_brings_the_system(small, on_base):
    result = plan(dataclasses.replace(small(), libraries=()), on_base)
    kinds = {layer.kind.value for layer in result.layers}
    assert "base" not in kinds
    assert "libraries" not in kinds
    assert "/etc/ld.so.cache" not in entries(result)
    assert result.platform == BASE.platform
    assert result.base == BASE.base


def test_libraries_that_it_lacks_are_brought_by_all_their_names(small, on_base):
    real = FileEntry("/usr/lib/here/libx.so.1.2", FileKind.FILE, 10)
    link = FileEntry("/usr/lib/here/libx.so", FileKind.SYMLINK, link="libx.so.1.2")
    library = NativeLibrary("libx.so.1", "/usr/lib/here/libx.so", (link, real))
    result = plan(dataclasses.replace(small(), libraries=(library,)), on_base)
    found = entries(result)
    assert found[f"{LIBRARIES}/libx.so.1"].content.path == real.path
    assert found[f"{LIBRARIES}/libx.so"].content == LinkContent("libx.so.1")
    assert found[f"{LIBRARIES}/libx.so.1.2"].content == LinkContent("libx.so.1")
    assert real.path not in found, "the base's own folders stay as they are"
    assert result.config.environment["LD_LIBRARY_PATH"] == LIBRARIES


def test_an_environment_over_its_python(small, on_base):
    result = plan(small(), on_base)
    found = entries(result)
    assert found[f"{ENV}/bin/python"].content == LinkContent("/usr/local/bin/python3.11")
    assert "home = /usr/local/bin\n" in found[f"{ENV}/pyvenv.cfg"].content.text
    assert result.config.entrypoint[0] == f"{ENV}/bin/python"
    assert result.config.environment["PATH"] == f"{ENV}/bin:/usr/local/bin:/usr/bin"
    assert result.config.environment["LANG"] == "C.UTF-8"
    assert result.config.labels["vendor"] == "somebody"
    assert result.config.labels["org.opencontainers.image.base.name"] == "registry/python:3.11"
    assert result.interpreter == small().interpreter.executable, "it compiles, on this machine"


def test_users_of_the_base_stay(small, on_base):
    passwd = entries(plan(small(), on_base))["/etc/passwd"].content.text
    assert passwd.startswith(BASE.passwd)
    assert ":1000:0:" in passwd


def test_packages_have_the_layers_of_base_host(small, on_base, options):
    host = {layer.title: layer.key() for layer in plan(small(), options).layers}
    here = {layer.title: layer.key() for layer in plan(small(), on_base).layers}
    packages = [title for title in here if "group" in title or "1.0" in title]
    assert packages
    assert all(host[title] == here[title] for title in packages)


def test_packages_of_a_system_python_go_into_the_environment(small, on_base, make):
    site = "/usr/lib/python3/dist-packages"
    snapshot = small(more=(make.distribution("shared", site),))
    found = entries(plan(snapshot, on_base))
    assert f"{ENV}/lib/python3.11/site-packages/shared/__init__.py" in found
    assert not any(target.startswith("/usr/lib/python3") for target in found)
    assert "/usr" not in found, "no link where the base has its own"


def test_slim_leaves_out_what_runs_do_not_need(small, make):
    site = "/home/anna/work/.venv/lib/python3.11/site-packages"
    kept = ("big/__init__.py", "big/testing/__init__.py", "big/data.json", "tests/__init__.py")
    gone = (
        "big/tests/test_a.py",
        "big/core/tests/x.npy",
        "big/a.pyi",
        "big/include/a.h",
        "big/l.a",
    )
    before = small(more=(make.distribution("big", site, *kept, *gone),))
    after = slimmed(before)
    (big,) = [one for one in after.distributions if one.name == "big"]
    inside = {entry.path.removeprefix(f"{site}/") for entry in big.files}
    assert inside.issuperset(kept)
    assert not inside.intersection(gone)
    assert any(path.endswith("RECORD") for path in inside)
    assert after.findings[-1].code == "slimmed"
    assert after.findings[-1].what.startswith("5 files")


def test_compiled_and_pure_packages_share_no_layer(small, options, make):
    site = "/home/anna/work/.venv/lib/python3.11/site-packages"
    pure = [make.distribution(f"pure{n}", site) for n in range(9)]
    compiled = [make.distribution(f"compiled{n}", site, pure=False) for n in range(9)]
    layers = plan(small(more=(*pure, *compiled)), options).layers
    for layer in layers:
        kinds = {name.rstrip("0123456789. ") for name in layer.contains}
        assert not {"pure", "compiled"} <= kinds, layer.title


def test_scripts_of_packages_are_run_by_the_environments_python(small, on_base, make):
    site = "/usr/local/lib/python3.11/site-packages"
    told = make.distribution("told", site)
    script = make.file("/usr/local/bin/told", executable=True)
    snapshot = small(more=(dataclasses.replace(told, files=(*told.files, script)),))
    snapshot = dataclasses.replace(
        snapshot,
        interpreter=dataclasses.replace(
            snapshot.interpreter, prefix="/usr/local", site_packages=(site,)
        ),
    )
    content = entries(plan(snapshot, on_base))[f"{ENV}/bin/told"].content
    assert (content.source.path, content.first_line) == (script.path, f"#!{ENV}/bin/python")
