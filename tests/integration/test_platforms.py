"""Images for a platform other than the kernel's: wheels from the index, run under qemu."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from jupyter_containerize.capture import assemble, kernel
from jupyter_containerize.capture import notebook as notebook_file
from jupyter_containerize.capture.index import Index
from jupyter_containerize.capture.other_platform import for_platform
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.base import BaseImage
from jupyter_containerize.model.event import ignore
from jupyter_containerize.model.options import CaptureOptions
from jupyter_containerize.model.plan import Base
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.request import BuildRequest, PushRequest, VerifyRequest
from jupyter_containerize.oci.indexes import images_of
from jupyter_containerize.oci.store import Store
from jupyter_containerize.oci.validate import validate_layout
from jupyter_containerize.workflow import loading, perform
from jupyter_containerize.workflow.records import snapshot_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "sklearn_edge" / "sklearn_edge.ipynb"
pytestmark = [pytest.mark.timeout(900), pytest.mark.needs_root]


@pytest.fixture(scope="module")
def both(environment, bookworm, tmp_path_factory, qemu):
    """The example for two platforms, slim, also as an archive; the result and the store's folder."""
    store = str(tmp_path_factory.mktemp("platforms"))
    request = BuildRequest(
        notebook=str(EXAMPLE),
        capture=CaptureOptions(kernel=environment("edge")),
        base=bookworm[0],
        platform="linux/amd64,linux/arm64",
        slim=True,
        name="edge:1",
        output=f"oci-archive:{store}/both.tar",
        store=store,
    )
    return perform("build", request, emit=ignore), store


def test_the_arm64_image_does_what_the_notebook_did_under_qemu(both):
    verdict = perform("verify", VerifyRequest("edge:1-arm64", store=both[1]), emit=ignore)
    assert verdict["verdict"]["state"] == "verified"


def test_the_slim_amd64_image_is_verified_too(both):
    verdict = perform("verify", VerifyRequest("edge:1-amd64", store=both[1]), emit=ignore)
    assert verdict["verdict"]["state"] == "verified"
    (finding,) = [one for one in both[0]["findings"] if one["code"] == "slimmed"]
    assert "MB" in finding["what"]


def test_pure_packages_have_the_same_layers_on_both(both):
    store = Store.open(both[1])
    amd64, arm64 = (
        {layer.title: layer.digest for layer in store.resolve(f"edge:1-{one}").layers}
        for one in ("amd64", "arm64")
    )
    pure = [title for title in amd64 if title.startswith(("packages, ", "IPython"))]
    assert len(pure) >= 2
    assert all(amd64[title] == arm64[title] for title in pure)
    compiled = [title for title in amd64 if title.startswith(("numpy", "scipy"))]
    assert len(compiled) == 2
    assert all(amd64[title] != arm64[title] for title in compiled), "same versions, other files"


def test_hashes_of_the_index_are_recorded(both):
    store = Store.open(both[1])
    image = store.resolve("edge:1-arm64")
    snapshot = store.get_document("snapshots", image.digest)
    assert "sha256:" in json.dumps(snapshot)
    found = {one.key: one for one in snapshot_of(store, image).distributions}
    assert all(one.startswith("sha256:") for one in found["numpy"].origin.hashes)
    assert found["numpy"].origin.hashes
    assert found["joblib"].origin.hashes == (), "pure: the kernel's own files"


def test_two_platforms_are_one_index_in_a_registry(both, registry):
    name = f"{registry.url}/me/edge:1"
    pushed = perform("push", PushRequest(name, store=both[1], image="edge:1"), emit=ignore)
    assert pushed["platforms"] == ["linux/amd64", "linux/arm64"]
    status, body = registry.get(
        "/v2/me/edge/manifests/1", "application/vnd.oci.image.index.v1+json"
    )
    assert status == 200
    places = [one["platform"]["architecture"] for one in json.loads(body)["manifests"]]
    assert places == ["amd64", "arm64"]


def test_two_platforms_are_one_index_in_an_archive(both):
    assert both[0]["index"] == ["linux/amd64", "linux/arm64"]
    assert validate_layout(f"{both[1]}/both.tar") == ()


def test_an_engine_gets_its_own_platform(both, docker_engine, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", docker_engine.socket)
    store = Store.open(both[1])
    images = reversed(images_of(store, "edge:1"))
    loading.load(*images, engine=loading.check(), store=store, emit=ignore)
    found = docker_engine.docker("inspect", "--format", "{{.Architecture}}", "edge:1-amd64")
    assert found.strip() == "amd64"


def test_what_holds_one_platform_only_is_refused_before_any_work(docker_engine, monkeypatch):
    notebook = BuildRequest(notebook="/no/such.ipynb", platform="linux/arm64,linux/s390x")
    with pytest.raises(ContainerizeError) as caught:
        perform("build", replace(notebook, output="docker-archive:x.tar"), emit=ignore)
    assert caught.value.code == "one-platform-only"
    monkeypatch.setenv("DOCKER_HOST", docker_engine.socket)
    with pytest.raises(ContainerizeError) as caught:
        perform("build", replace(notebook, to="docker"), emit=ignore)
    assert caught.value.code == "platform-mismatch"
    assert "--platform linux/amd64" in caught.value.fix


def test_compiled_local_code_is_an_error_that_names_the_file(environment, bookworm, tmp_path):
    (tmp_path / "speedups.cpython-311-x86_64-linux-gnu.so").write_bytes(b"\x7fELF not really")
    cells = [
        "import sys\nsys.modules.pop('x', None)",
        "try:\n    import speedups\nexcept ImportError:\n    pass",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    nbformat.write(notebook, tmp_path / "local.ipynb")
    request = BuildRequest(
        notebook=str(tmp_path / "local.ipynb"),
        capture=CaptureOptions(
            kernel=environment("bare"),
            include=(str(tmp_path / "speedups.cpython-311-x86_64-linux-gnu.so"),),
        ),
        base=bookworm[0],
        platform="linux/arm64",
        store=str(tmp_path / "store"),
    )
    with pytest.raises(ContainerizeError) as caught:
        perform("plan", request, emit=ignore)
    assert caught.value.code == "compiled-code-here-only"
    assert "speedups.cpython-311" in caught.value.what


def test_a_kernel_of_macos_gets_wheels_for_linux(environment, tmp_path):
    """Played on this machine: what tells a kernel of macOS apart are its platform and its markers."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import psutil")])
    nbformat.write(notebook, tmp_path / "small.ipynb")
    options = CaptureOptions(kernel=environment("bare"))
    store = Store.open(str(tmp_path / "store"))
    record = kernel.record(
        notebook_file.given(str(tmp_path / "small.ipynb"), None), options=options, emit=ignore
    )
    snapshot = assemble.snapshot(
        record, notebook=str(tmp_path / "small.ipynb"), options=options, store=store
    )
    markers = {
        **snapshot.interpreter.markers,
        "sys_platform": "darwin",
        "platform_system": "Darwin",
    }
    macos = replace(
        snapshot,
        platform=Platform("darwin", "arm64"),
        interpreter=replace(snapshot.interpreter, markers=markers),
    )
    base = BaseImage(
        base=Base(), platform=Platform("linux", "amd64"), python="/usr/bin/python3",
        python_version="3.11", stdlib="/usr/lib/python3.11", glibc="2.36",
    )  # fmt: skip
    made = for_platform(macos, base, cache=str(tmp_path / "cache"))
    assert made.platform == base.platform
    here = {one.key: one for one in snapshot.distributions}
    found = {one.key: one for one in made.distributions}
    assert found["psutil"].version == here["psutil"].version
    assert found["psutil"].origin.hashes
    assert any("_psutil_linux" in file.path for file in found["psutil"].files)
    assert found["psutil"].location != here["psutil"].location
    assert found["traitlets"] == here["traitlets"], "pure: the kernel's own files"


def test_a_version_without_a_wheel_is_named_with_those_that_have_one():
    index = Index.open(machine="aarch64", glibc="2.36", python="3.11.2", interpreter=sys.executable)
    with pytest.raises(ContainerizeError) as caught:
        index.resolve({"tensorflow-cpu": "2.15.0", "numpy": "1.26.4"}, more=(), known={})
    assert caught.value.code == "no-wheel"
    assert "tensorflow-cpu 2.15.0" in caught.value.what
    assert caught.value.also == (), "numpy has one"


def test_versions_that_have_a_wheel_are_listed():
    index = Index.open(machine="aarch64", glibc="2.36", python="3.11.2", interpreter=sys.executable)
    with pytest.raises(ContainerizeError) as caught:
        index.resolve({"numpy": "1.22.0"}, more=(), known={})
    assert caught.value.code == "no-wheel"
    assert "1.23.2" in caught.value.why, "the first one for Python 3.11"
    assert "numpy==1.23." in caught.value.fix
