"""Dockerfiles as a person would write them; that they build is seen in tests/integration."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from jupyter_containerize.model.options import PlanOptions, RecipeOptions
from jupyter_containerize.model.plan import BytecodeContent, FileContent, ImageKind, InlineContent
from jupyter_containerize.model.reasons import Reason, ReasonKind
from jupyter_containerize.model.snapshot import (
    Executable,
    NativeLibrary,
    Origin,
    OriginKind,
    SystemPackage,
    Variable,
)
from jupyter_containerize.planning import plan
from jupyter_containerize.planning.dockerfile import recipe
from jupyter_containerize.planning.requirements import pins

HASHES = {"alpha": ("b" * 64, "a" * 64), "beta": ("c" * 64,), "huge": ("d" * 64,)}


@pytest.fixture
def rendered(options):
    """`rendered(snapshot, **recipe options)`: the recipe, and its files' texts by path."""

    def render(snapshot, *, kind=ImageKind.TRAINING, **fields):
        made = recipe(
            snapshot,
            plan(snapshot, PlanOptions(guest=options.guest, kind=kind)),
            RecipeOptions(**{"hashes": HASHES, **fields}),
        )
        texts = {
            file.path: file.content.text
            if isinstance(file.content, InlineContent)
            else file.content
            for file in made.files
        }
        return made, texts

    return render


def instructions(text):
    return [line.split()[0] for line in text.splitlines() if line[:1].isupper()]


def test_the_order_is_from_what_changes_least_to_what_changes_most(rendered, small):
    _, texts = rendered(small())
    text = texts["Dockerfile"]
    order = ["FROM", "apt-get install", "requirements.txt", "useradd", "COPY --chown=1000:0",
             "/opt/jupyter-containerize/guest/", "notebook.ipynb", "ENV HOME", "USER", "ENTRYPOINT"]  # fmt: skip
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    assert instructions(text)[-1] == "ENTRYPOINT"
    assert "FROM ${BASE}" in text
    assert "ARG BASE=python:3.11-slim-bookworm" in text


def test_pins_have_the_index_s_hashes(rendered, small):
    made, texts = rendered(small())
    assert texts["requirements.txt"] == (
        f"alpha==1.0 \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n"
        f"beta==1.0 \\\n    --hash=sha256:{'c' * 64}\n"
        f"huge==1.0 \\\n    --hash=sha256:{'d' * 64}\n"
    )
    assert "--require-hashes -r /tmp/requirements.txt" in texts["Dockerfile"]
    assert "requirements-without-hashes.txt" not in texts
    assert not [one for one in made.findings if one.code == "requirements-without-hashes"]


def test_without_the_index_there_are_pins_and_a_finding(rendered, small):
    made, texts = rendered(small(), hashes={}, why_no_hashes="Nobody answers.")
    assert texts["requirements-without-hashes.txt"] == "alpha==1.0\nbeta==1.0\nhuge==1.0\n"
    assert "--require-hashes" not in texts["Dockerfile"]
    finding = next(one for one in made.findings if one.code == "requirements-without-hashes")
    assert finding.why == "Nobody answers."


def test_packages_from_elsewhere(rendered, small, make):
    site = "/home/anna/work/.venv/lib/python3.11/site-packages"
    git = make.distribution(
        "gadget", site, origin=Origin(OriginKind.VCS, "https://git.example/g.git", "abc123")
    )
    local = make.distribution("tool", site, origin=Origin(OriginKind.LOCAL, "file:///src/tool"))
    conda = make.distribution("mkl", site, origin=Origin(OriginKind.CONDA, package="mkl"))
    editable = make.distribution("own", site, origin=Origin(OriginKind.EDITABLE))
    snapshot = small(more=(git, local, conda, editable))
    made, texts = rendered(snapshot)
    assert (
        "gadget @ git+https://git.example/g.git@abc123\n"
        in texts["requirements-without-hashes.txt"]
    )
    assert isinstance(texts["packages/tool/__init__.py"], FileContent)
    assert "COPY packages/ /opt/venv/lib/python3.11/site-packages/" in texts["Dockerfile"]
    assert "not-from-the-index" in [one.code for one in made.findings]
    assert "mkl==1.0" in pins(snapshot)
    assert not [pin for pin in pins(snapshot) if pin.startswith(("own", "tool", "gadget"))]


def test_cache_mounts_are_for_buildkit_only(rendered, small):
    _, texts = rendered(small())
    assert texts["Dockerfile"].count("--mount=type=cache") == 3
    _, texts = rendered(small(), buildkit=False)
    assert "--mount" not in texts["Dockerfile"]
    assert "rm -rf /var/lib/apt/lists/*" in texts["Dockerfile"]


def library(soname, package, by):
    reasons = (Reason(ReasonKind.MAPPED, by),)
    return NativeLibrary(soname, f"/usr/lib/{soname}", (), package=package, reasons=reasons)


def package(name, status=""):
    return SystemPackage("dpkg", name, "1", "amd64", status=status, distro="debian-13")


def test_libraries_and_programs_become_debian_packages(rendered, small):
    snapshot = replace(
        small(),
        libraries=(
            library("libssl.so.3", "libssl3", "the interpreter"),
            library("libcrypto.so.3", "libcrypto3", "libssl.so.3"),
            library("libgomp.so.1", "libgomp1", "huge"),
            library("libquadmath.so.0", "libquadmath0", "libgomp.so.1"),
            library("libc.so.6", "libc6", "huge"),
            library("libown.so", "", "huge"),
        ),
        executables=(
            Executable("ffmpeg", "/usr/bin/ffmpeg", (), "ffmpeg"),
            Executable("sh", "/bin/sh", (), "dash"),
        ),
        system_packages=(
            package("libgomp1"), package("ffmpeg"), package("dash", "Package: dash\nEssential: yes"),
        ),
    )  # fmt: skip
    made, texts = rendered(snapshot)
    lines = [line.strip(" \\") for line in texts["Dockerfile"].splitlines()]
    start = lines.index("&& apt-get install -y --no-install-recommends")
    assert lines[start + 1 : start + 4] == ["ffmpeg", "libgomp1", "libquadmath0"]
    assert lines[start + 4] == ""
    assert "ARG BASE=python:3.11-slim-trixie" in lines
    assert "/usr/lib/libown.so" in next(
        one.what for one in made.findings if one.code == "no-package-for-it"
    )


def test_packages_that_come_with_another_one_are_not_named(rendered, small):
    names = ("libgit2", "libcurl", "libssh", "libbrotli", "one", "two")
    snapshot = replace(
        small(),
        libraries=tuple(library(f"{name}.so", name, "huge") for name in names),
        system_packages=(
            package("libgit2", "Package: libgit2\nDepends: libc6 (>= 2), libcurl:any (>= 7)\nPre-Depends: libssh"),
            package("libcurl", "Package: libcurl\nDepends: libbrotli | libother, absent"),
            package("one", "Package: one\nDepends: two"),
            package("two", "Package: two\nDepends: one"),
        ),
    )  # fmt: skip
    _, texts = rendered(snapshot)
    lines = [line.strip(" \\") for line in texts["Dockerfile"].splitlines()]
    start = lines.index("&& apt-get install -y --no-install-recommends")
    # apt might choose libother, and of two that need each other one is enough.
    assert lines[start + 1 : start + 5] == ["libbrotli", "libgit2", "one", ""]


def test_local_code_and_data_are_copied_where_the_kernel_has_them(rendered, small):
    _, texts = rendered(small(folder="/home/anna/my work"))
    assert set(texts) >= {"notebook/helper.py", "notebook/data.csv", ".dockerignore"}
    assert 'COPY --chown=1000:0 ["notebook/", "/home/anna/my work/"]' in texts["Dockerfile"]
    assert "WORKDIR /home/anna/my work" in texts["Dockerfile"]
    assert "-m 0775 /home/anna '/home/anna/my work' /outputs" in texts["Dockerfile"]
    assert not [one for one in texts.values() if isinstance(one, BytecodeContent)]


def test_the_guest_uses_the_base_s_own_search_path(rendered, small):
    _, texts = rendered(small())
    assert json.loads(texts["containerize/guest.json"])["sys_path"] == []
    assert (
        '["/opt/venv/bin/python", "/opt/jupyter-containerize/guest/train.py"]'
        in texts["Dockerfile"]
    )


def test_values_cannot_break_out(rendered, small):
    value = 'a "b" $HOME \\ c'
    snapshot = replace(
        small(), environment=(Variable("ODD", value), Variable("LINES", "one\nRUN rm -rf /"))
    )
    made, texts = rendered(snapshot)
    assert 'ODD="a \\"b\\" \\$HOME \\\\ c"' in texts["Dockerfile"]
    assert "rm -rf /\n" not in texts["Dockerfile"]
    assert "value-of-several-lines" in [one.code for one in made.findings]


def test_a_health_check_is_for_inference_only(rendered, small):
    assert "HEALTHCHECK" not in rendered(small())[1]["Dockerfile"]
    text = rendered(small(), kind=ImageKind.INFERENCE)[1]["Dockerfile"]
    assert "HEALTHCHECK" in text
    assert "/v2/health/ready" in text
    assert "EXPOSE 8080/tcp" in text


def test_a_chosen_base_is_built_on(rendered, small):
    assert "ARG BASE=mine:1\n" in rendered(small(), base="mine:1")[1]["Dockerfile"]


def test_the_same_snapshot_gives_the_same_recipe(rendered, small):
    assert rendered(small())[0] == rendered(small())[0]
