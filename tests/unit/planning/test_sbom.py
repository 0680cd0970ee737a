"""The SBOM is valid CycloneDX, and a function of the packages alone."""

from __future__ import annotations

import dataclasses
import json

import pytest

from jupyter_containerize.model.snapshot import (
    NativeLibrary,
    Origin,
    OriginKind,
    SystemPackage,
)
from jupyter_containerize.planning.sbom import sbom_text

SITE = "/home/anna/work/.venv/lib/python3.11/site-packages"


@pytest.fixture
def full(small, make):
    """A snapshot with every kind of component."""
    origins = {
        "vcs": Origin(OriginKind.VCS, "https://git.internal/a/vcs.git", "0f" * 20),
        "conda-one": Origin(OriginKind.CONDA, package="conda-one 1.0 py311_0"),
        "debian": Origin(OriginKind.SYSTEM, package="python3-debian 1.0-1"),
        "own": Origin(OriginKind.LOCAL, "file:///home/anna/own"),
        "edit": Origin(OriginKind.EDITABLE, "file:///home/anna/edit"),
        "unknown": Origin(OriginKind.UNKNOWN),
    }
    more = tuple(
        make.distribution(name, SITE, origin=origin, license="MIT OR Apache-2.0", summary="It is.")
        for name, origin in origins.items()
    )
    snapshot = small(more=(*more, make.distribution("Odd_Näme", SITE, version="1.0+local.1")))
    return dataclasses.replace(
        snapshot,
        system_packages=(
            SystemPackage("dpkg", "libstdc++6", "12.2.0-14+deb12u1", "amd64", distro="debian-12"),
            SystemPackage("rpm", "zlib", "1:1.2.11-40.el9", "x86_64", distro="rocky-9.3"),
            SystemPackage("dpkg", "libc6", "2.36-9", "amd64"),
        ),
        libraries=(*snapshot.libraries, NativeLibrary("libown.so.1", "/home/anna/libown.so.1", ())),
    )


def purls(text):
    return {c["name"]: c.get("purl") for c in json.loads(text)["components"]}


def test_it_is_valid_by_the_official_schema(full):
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - only with the extra

    validator = validation.JsonStrictValidator(SchemaVersion.V1_5)
    assert validator.validate_str(sbom_text(full)) is None
    broken = json.loads(sbom_text(full))
    broken["components"][0].pop("name")
    assert validator.validate_str(json.dumps(broken)) is not None


def test_package_urls_name_what_is_really_there(full):
    found = purls(sbom_text(full))
    assert found["alpha"] == "pkg:pypi/alpha@1.0"
    assert found["vcs"].startswith("pkg:pypi/vcs@1.0?vcs_url=git%2Bhttps:%2F%2Fgit.internal%2Fa")
    assert found["conda-one"] == "pkg:conda/conda-one@1.0"
    assert found["debian"] is None
    assert found["own"] == "pkg:generic/own@1.0"
    assert found["Odd_Näme"].endswith("@1.0%2Blocal.1")
    assert found["libstdc++6"] == (
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12"
    )
    assert found["zlib"] == "pkg:rpm/rocky/zlib@1:1.2.11-40.el9?arch=x86_64&distro=rocky-9.3"
    assert found["python"] == "pkg:generic/python@3.11.7"


def test_package_urls_parse(full):
    packageurl = pytest.importorskip("packageurl")
    for purl in filter(None, purls(sbom_text(full)).values()):
        parsed = packageurl.PackageURL.from_string(purl)
        assert parsed.version


def test_it_changes_with_packages_and_nothing_else(full, small):
    text = sbom_text(full)
    moved = dataclasses.replace(full, cwd="/elsewhere", created_at="2031", host="h")
    assert sbom_text(moved) == text
    fewer = dataclasses.replace(full, distributions=full.distributions[:-1])
    assert json.loads(sbom_text(fewer))["serialNumber"] != json.loads(text)["serialNumber"]
    assert "anna" not in sbom_text(small("anna"))


def test_dependencies_are_those_of_the_snapshot(full):
    edges = {e["ref"]: e["dependsOn"] for e in json.loads(sbom_text(full))["dependencies"]}
    assert edges["distribution:beta@1.0"] == ["distribution:alpha@1.0"]
