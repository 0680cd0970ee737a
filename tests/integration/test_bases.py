"""Images on bases from a registry and a layout: built, run, pushed, and refused with a reason."""

from __future__ import annotations

import ctypes.util
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.event import LayerDone, ignore
from jupyter_containerize.model.options import CaptureOptions
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.model.request import (
    BuildRequest,
    ExportRequest,
    ImageRequest,
    PushRequest,
    RunRequest,
)
from jupyter_containerize.oci import bases
from jupyter_containerize.oci.layout_source import LayoutSource
from jupyter_containerize.oci.registry import client
from jupyter_containerize.oci.registry.source import RegistrySource
from jupyter_containerize.oci.store import Store
from jupyter_containerize.workflow import bases as workflow_bases
from jupyter_containerize.workflow import perform
from jupyter_containerize.workflow.records import snapshot_of

pytestmark = [pytest.mark.timeout(300), pytest.mark.needs_root]
AMD64 = Platform("linux", "amd64")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    cells = ["import psutil, sys", "print(psutil.Process().name() != '', sys.version_info[:2])"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    nbformat.write(notebook, folder / "small.ipynb")
    return folder


def build(place, environment, **more):
    return BuildRequest(
        notebook=str(place / "small.ipynb"),
        capture=CaptureOptions(kernel=environment("bare")),
        store=str(place / "store"),
        **more,
    )


@pytest.fixture(scope="module")
def on_bookworm(place, environment, bookworm):
    """The result of a build on the registry's base, verified."""
    return perform(
        "build",
        build(place, environment, base=bookworm[0], verify=True, name="small:1"),
        emit=ignore,
    )


def test_an_image_on_a_registrys_base_does_what_the_notebook_did(on_bookworm, place, bookworm):
    assert on_bookworm["verdict"]["state"] == "verified"
    image = Store.open(str(place / "store")).resolve("small:1")
    labels = image.config.labels
    assert labels["org.opencontainers.image.base.name"] == bookworm[0]
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")
    assert image.layers[0].kind == "base image"
    assert not any("standard library" in one["title"] for one in on_bookworm["layers"])
    assert not any("libraries" in one["title"] for one in on_bookworm["layers"]), "it lacks none"


@pytest.mark.usefixtures("on_bookworm")
def test_the_bases_python_finds_the_packages(place):
    """`python` on the image's PATH, started as anybody would, without our guest."""
    code = "import psutil, sys; print(psutil.__file__, sys.prefix, sys.base_prefix)"
    seen = []
    done = perform(
        "run",
        RunRequest("small:1", entrypoint=("python", "-c", code), store=str(place / "store")),
        emit=seen.append,
    )
    assert done["run"]["exit_code"] == 0, seen
    text = "".join(getattr(one, "text", "") for one in seen)
    assert "/opt/jupyter-containerize/env/lib/python3.11/site-packages/psutil" in text
    assert text.split()[-1] == "/usr", "its standard library is the base's"


@pytest.mark.usefixtures("on_bookworm")
def test_scripts_of_packages_run_by_the_bases_python(place):
    """Their first lines name the kernel's Python, whose path leads to the environment."""
    seen = []
    request = RunRequest("small:1", entrypoint=("ipython", "--version"), store=str(place / "store"))
    done = perform("run", request, emit=seen.append)
    assert done["run"]["exit_code"] == 0, seen


def test_libraries_that_the_base_lacks_come_along(place, environment, bookworm, require):
    """Opened by name, and what that needs in turn; this machine has them for podman."""
    require(ctypes.util.find_library("gpgme"), "libgpgme (Debian: libgpgme11, which podman needs)")
    cells = [
        "import ctypes",
        "gpgme = ctypes.CDLL('libgpgme.so.11')",
        "gpgme.gpgme_check_version.restype = ctypes.c_char_p",
        "print(gpgme.gpgme_check_version(None).decode())",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    nbformat.write(notebook, place / "native.ipynb")
    request = build(place, environment, base=bookworm[0], verify=True, name="native:1")
    made = perform("build", replace(request, notebook=str(place / "native.ipynb")), emit=ignore)
    assert made["verdict"]["state"] == "verified", made
    (layer,) = [one for one in made["layers"] if one["title"].startswith("shared libraries")]
    assert layer["size_bytes"] < 5_000_000, "those alone that the base lacks"
    (told,) = [one for one in made["findings"] if one["code"] == "libraries-brought"]
    assert "libgpgme.so.11" in told["what"]
    assert "libassuan.so.0" in told["what"], "it needs this one"
    assert "libc.so.6" not in told["what"]

    # A base with an older glibc than this machine's libraries were built for is told of them.
    store = Store.open(str(place / "store"))
    snapshot = snapshot_of(store, store.resolve("native:1"))
    chosen = workflow_bases.choose(bookworm[0], refresh=False, store=store, emit=ignore)
    older = replace(chosen, image=replace(chosen.image, glibc="2.30"))
    fitted = workflow_bases.fitted(snapshot, older, store=store, emit=ignore)
    assert "libgpgme.so.11" not in {one.soname for one in fitted.libraries}
    (told,) = [one for one in fitted.findings if one.code == "library-not-in-base"]
    assert "libgpgme.so.11 (for the kernel)" in told.what


@pytest.mark.usefixtures("on_bookworm")
def test_a_push_beside_the_base_mounts_the_bases_layers(place, registry):
    done = []
    perform(
        "push",
        PushRequest(f"{registry.url}/me/small:1", "small:1", store=str(place / "store")),
        emit=done.append,
    )
    base = next(one for one in done if isinstance(one, LayerDone) and "base" in one.title)
    assert base.reused, "mounted from the base's repository"


@pytest.mark.usefixtures("on_bookworm")
def test_an_engine_runs_what_was_pushed(place, registry, registries, docker_engine):
    name = f"{registry.url}/me/pulled:1"
    perform("push", PushRequest(name, "small:1", store=str(place / "store")), emit=ignore)
    with registries.relayed(registry, docker_engine) as there:
        pulled = name.replace(registry.url, there)
        docker_engine.docker("pull", "-q", pulled)
    said = docker_engine.docker("run", "--rm", "--network=none", pulled)
    assert "True (3, 11)" in said


@pytest.mark.usefixtures("on_bookworm")
def test_the_registry_tells_of_an_image_without_its_layers(place, registry):
    name = f"{registry.url}/me/told:1"
    perform("push", PushRequest(name, "small:1", store=str(place / "store")), emit=ignore)
    elsewhere = str(place / "empty-store")
    (told,) = perform("inspect", ImageRequest(name, store=elsewhere), emit=ignore)["platforms"]
    assert told["verdict"] == "verified"
    assert any(one.startswith("psutil ") for one in told["sbom"]["packages"])
    assert told["python"].startswith("3.11")
    assert os.listdir(os.path.join(elsewhere, "blobs", "sha256")) == []


@pytest.mark.usefixtures("on_bookworm")
def test_its_dockerfile_builds_on_the_same_base(place, bookworm, tmp_path):
    request = ExportRequest(
        "small:1", str(tmp_path / "out"), dockerfile=True, store=str(place / "store")
    )
    perform("export", request, emit=ignore)
    text = (tmp_path / "out" / "Dockerfile").read_text()
    assert f"ARG BASE={bookworm[0]}@sha256:" in text


def test_a_base_is_pinned_until_it_is_pulled_again(
    place, environment, base_images, registry, tmp_path
):
    name = f"{registry.url}/base/moving:1"

    def publish(number):
        tar = base_images.tar_of("amd64")
        folder = tmp_path / f"layout{number}"
        base_images.layout(folder, {"amd64": tar}, labels={"number": str(number)})
        base_images.push(folder, name)

    def digest(**more):
        perform("plan", build(place, environment, base=name, **more), emit=ignore)
        return bases.known(Store.open(str(place / "store")), name, AMD64).digest

    publish(1)
    first = digest()
    publish(2)
    assert digest() == first
    assert digest(pull=True) != first


def test_a_layout_as_a_base(place, environment, bookworm):
    planned = perform("plan", build(place, environment, base=f"oci:{bookworm[1]}"), emit=ignore)
    assert planned["base"] == f"oci:{bookworm[1]}"
    assert planned["platform"] == "linux/amd64"


# -- bases that do not fit ----------------------------------------------------------------------


def failing(code, action):
    with pytest.raises(ContainerizeError) as caught:
        action()
    codes = [caught.value.code, *(one.code for one in caught.value.also)]
    assert code in codes, str(caught.value)
    return caught.value


def fake_base(base_images, tmp_path, files):
    """A base of a few files; returns what --base takes."""
    tar = base_images.small_tar(tmp_path / "base.tar", files)
    return f"oci:{base_images.layout(tmp_path / 'fake', {'amd64': tar})}"


LIBC = b"\x7fELF GNU C Library (Debian GLIBC 2.19-18) stable release version 2.19, by"


def test_another_minor_version_is_an_error_that_names_both(
    place, environment, base_images, tmp_path
):
    base = fake_base(base_images, tmp_path, {
        "usr/bin/python3.9": b"\x7fELF", "usr/lib/python3.9/os.py": b"",
        "usr/bin/python3": link("python3.9"), "lib/x86_64-linux-gnu/libc.so.6": LIBC,
    })  # fmt: skip
    problem = failing(
        "base-python-differs",
        lambda: perform("plan", build(place, environment, base=base), emit=ignore),
    )
    assert "3.11" in problem.what
    assert "3.9" in problem.what
    assert "python:3.11-slim" in problem.fix


def test_an_older_glibc_is_an_error_that_names_both(place, environment, base_images, tmp_path):
    base = fake_base(base_images, tmp_path, {
        "usr/bin/python3.11": b"\x7fELF", "usr/lib/python3.11/os.py": b"",
        "usr/bin/python3": link("python3.11"),
        "lib/x86_64-linux-gnu/libc.so.6": LIBC.replace(b"2.19", b"2.4"),
    })  # fmt: skip
    problem = failing(
        "base-glibc-too-old",
        lambda: perform("plan", build(place, environment, base=base), emit=ignore),
    )
    assert "glibc 2.4" in problem.what
    assert "slim-bookworm" in problem.fix


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"bin/sh": b"\x7fELF"}, "base-without-python"),
        (
            {"usr/bin/python3.11": b"\x7fELF", "usr/lib/python3.11/os.py": b"",
             "usr/bin/python3": b"\x7fELF", "lib/ld-musl-x86_64.so.1": b"\x7fELF"},
            "base-without-glibc",
        ),
        ({"../../escaped": b"no"}, "bad-layer"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_base(place, environment, base_images, tmp_path, files, code):
    base = fake_base(base_images, tmp_path, files)
    failing(code, lambda: perform("plan", build(place, environment, base=base), emit=ignore))


def test_host_serves_no_other_platform(place, environment):
    problem = failing(
        "base-host-other-platform",
        lambda: perform("plan", build(place, environment, platform="linux/arm64"), emit=ignore),
    )
    assert "linux/arm64" in problem.what


def test_a_platform_that_the_base_lacks(place, environment, bookworm):
    problem = failing(
        "base-platform-missing",
        lambda: perform(
            "plan", build(place, environment, base=bookworm[0], platform="linux/s390x"), emit=ignore
        ),
    )
    assert "linux/arm64" in problem.why


def link(to):
    entry = tarfile.TarInfo("usr/bin/python3")
    entry.type, entry.linkname = tarfile.SYMTYPE, to
    return entry


# -- pulling ---------------------------------------------------------------------------------------


@pytest.fixture
def little(base_images, registry, tmp_path):
    """A small image in the registry: its reference and its tar."""
    tar = base_images.small_tar(tmp_path / "little.tar", {"noise": os.urandom(3 << 20)})
    folder = base_images.layout(tmp_path / "little", {"amd64": tar})
    name = f"{registry.url}/base/little:{tmp_path.name.lower()[:20]}"
    return base_images.push(folder, name), tar


def pull(name, store, emit=ignore):
    source = RegistrySource.open(Reference.parse(name))
    return bases.pull(source, name, AMD64, store=store, emit=emit)


def test_only_layers_that_are_not_here_are_pulled(little, tmp_path, registry, registries):
    store = Store.open(str(tmp_path / "store"))
    with registries.Proxy(registry) as proxy:
        name = little[0].replace(registry.url, proxy.url)
        pull(name, store)
        first = proxy.count("GET", "/blobs/")
        pull(name, store)
        assert first == 2
        assert proxy.count("GET", "/blobs/") == 3, "the config alone"


def test_a_broken_download_goes_on_where_it_broke(
    little, tmp_path, registry, registries, monkeypatch
):
    monkeypatch.setattr(client, "DELAYS_S", (0.05,) * 4)
    store = Store.open(str(tmp_path / "store"))
    with registries.Proxy(registry) as proxy:
        cut = []

        def fault(request):
            if request.method == "GET" and "/blobs/" in request.path:
                cut.append(request.headers.get("Range"))
                if len(cut) == 2:
                    return registries.CutAnswer(1_500_000)
            return None

        proxy.fault = fault
        pulled = pull(little[0].replace(registry.url, proxy.url), store)
    assert cut[2].startswith("bytes=1")
    assert store.has_blob(pulled.layers[0].digest)


def test_a_layer_that_is_not_its_digest_is_never_kept(
    little, tmp_path, registry, registries, monkeypatch
):
    monkeypatch.setattr(client, "DELAYS_S", (0.05,) * 2)
    store = Store.open(str(tmp_path / "store"))
    with registries.Proxy(registry) as proxy:
        proxy.fault = lambda request: (
            (200, {"Content-Type": "application/octet-stream"}, b"other bytes")
            if "/blobs/" in request.path and len(proxy.seen) > 3
            else None
        )
        failing("base-damaged", lambda: pull(little[0].replace(registry.url, proxy.url), store))
    diff_id = hashlib.sha256(little[1].read_bytes()).hexdigest()
    assert not store.has_blob(f"sha256:{diff_id}")


def test_a_wrong_diff_id_is_refused(base_images, tmp_path):
    tar = base_images.small_tar(tmp_path / "one.tar", {"a": b"1"})
    folder = base_images.layout(tmp_path / "layout", {"amd64": tar})
    index = json.loads((folder / "index.json").read_text())
    blobs = folder / "blobs" / "sha256"
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    config = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())
    config["rootfs"]["diff_ids"] = [f"sha256:{'0' * 64}"]
    manifest["config"] = {**manifest["config"], **base_images.put(blobs, config)}
    index["manifests"] = [{**index["manifests"][0], **base_images.put(blobs, manifest)}]
    (folder / "index.json").write_text(json.dumps(index))
    store = Store.open(str(tmp_path / "store"))
    failing(
        "bad-layer",
        lambda: bases.pull(LayoutSource(str(folder)), "x", AMD64, store=store, emit=ignore),
    )


def test_a_full_disk_while_pulling(little, tmp_path, registries):
    disk = tmp_path / "disk"
    registries.full_disk(disk, "4m")
    try:
        store = Store.open(str(disk / "store"))
        failing("no-space", lambda: pull(little[0], store))
        assert bases.known(store, little[0], AMD64) is None
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.usefixtures("on_bookworm")
def test_a_hostile_base_stays_inside_the_sandbox(place, environment, base_images, tmp_path):
    """Links out of the root, a device, a whiteout: over the real base, then run."""
    secret = tmp_path / "outside"
    secret.mkdir()
    hostile = tmp_path / "hostile.tar"
    with tarfile.open(hostile, "w") as tar:
        for name, kind, to in (
            ("evil", tarfile.SYMTYPE, str(secret)),
            ("evil/written", tarfile.REGTYPE, ""),
            ("dev/sda", tarfile.BLKTYPE, ""),
            ("usr/bin/.wh.perl", tarfile.REGTYPE, ""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, to
            data = b"x" if name.endswith("written") else b""
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data) if data else None)
    tars = {"amd64": base_images.tar_of("amd64")}
    folder = base_images.layout(tmp_path / "layout", tars, above=hostile)
    seen = []
    result = perform(
        "build",
        build(place, environment, base=f"oci:{folder}", run=True, name="hostile:1"),
        emit=seen.append,
    )
    assert result["run"]["exit_code"] == 0
    assert list(secret.iterdir()) == [], "nothing was written through the link"
    code = "import os; print([os.path.exists(p) for p in ('/usr/bin/perl', '/dev/sda')])"
    perform(
        "run",
        RunRequest("hostile:1", entrypoint=("python", "-c", code), store=str(place / "store")),
        emit=seen.append,
    )
    assert "[False, False]" in "".join(getattr(one, "text", "") for one in seen)


@pytest.mark.slow
def test_the_keras_example_on_a_base_goes_through_a_registry_into_an_engine(
    tmp_path, environment, bookworm, registry, registries, docker_engine, monkeypatch
):
    """`build --base` and run it here; push; `docker pull`; run it there."""
    # With it set, ipykernel does not record what C code prints.
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    example = Path(__file__).parents[2] / "examples" / "keras_classifier"
    for name in os.listdir(example):
        shutil.copy(example / name, tmp_path)
    store = str(tmp_path / "store")
    request = BuildRequest(
        notebook=str(tmp_path / "keras_classifier.ipynb"),
        capture=CaptureOptions(kernel=environment("keras")),
        base=bookworm[0],
        name="keras:1",
        verify=True,
        store=store,
    )
    assert perform("build", request, emit=ignore)["verdict"]["state"] == "verified"
    name = f"{registry.url}/me/keras:1"
    perform("push", PushRequest(name, "keras:1", store=store), emit=ignore)
    with registries.relayed(registry, docker_engine) as there:
        pulled = name.replace(registry.url, there)
        docker_engine.docker("pull", "-q", pulled, timeout=280)
    said = docker_engine.docker(
        "run", "--rm", "--network=none", pulled, "-p", "epochs=1", timeout=280
    )
    assert "accuracy" in said
    docker_engine.docker("rmi", "-f", pulled, timeout=280)
