"""`push` against Debian's registry: what is sent, how faults end, and who may."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.event import LayerDone, Progress, ignore
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.oci import compression
from jupyter_containerize.oci.compression import decompressed
from jupyter_containerize.oci.image import MANIFEST_TYPE
from jupyter_containerize.oci.registry import client, push, upload
from jupyter_containerize.oci.store import Store

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


@pytest.fixture
def image(store, tiny_images):
    """An image with a large layer that does not compress."""
    return tiny_images.image(store, {"/data/noise": os.urandom(3 << 20)}, {"/data/cell": b"1"})


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(upload, "CHUNK_BYTES", 1 << 20)


@pytest.fixture
def impatient(monkeypatch):
    """Pauses between tries are short."""
    monkeypatch.setattr(client, "DELAYS_S", (0.05,) * 4)
    monkeypatch.setattr(upload, "DELAYS_S", (0.05,) * 4)


@pytest.fixture
def proxy(registries, registry):
    with registries.Proxy(registry) as running:
        yield running


def name_in(place, tag="1"):
    return Reference.parse(f"{place.url}/{uuid.uuid4().hex[:8]}/image:{tag}")


def manifest(registry, reference):
    status, body = registry.get(
        f"/v2/{reference.repository}/manifests/{reference.tag}", MANIFEST_TYPE
    )
    return json.loads(body) if status == 200 else None


def is_whole(registry, reference):
    """Whether every blob of the pushed image is there with its digest."""
    found = manifest(registry, reference)
    if found is None:
        return False
    for part in [found["config"], *found["layers"]]:
        status, body = registry.get(f"/v2/{reference.repository}/blobs/{part['digest']}")
        if status != 200 or hashlib.sha256(body).hexdigest() != part["digest"][7:]:
            return False
    return True


def failing(code, action):
    with pytest.raises(ContainerizeError) as caught:
        action()
    assert caught.value.code == code, str(caught.value)
    assert caught.value.what
    assert caught.value.fix
    return caught.value


# -- what is sent ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gzip", "zstd"])
def test_a_pushed_image_is_what_other_tools_pull(store, image, registry, tmp_path, method):
    reference = name_in(registry)
    pushed = push(image, reference, store=store, compression=method)
    assert str(pushed) == f"{reference}@{pushed.digest}"
    assert is_whole(registry, reference)
    assert all(
        one["mediaType"].endswith(f"+{method}") for one in manifest(registry, reference)["layers"]
    )
    out = tmp_path / "copied"
    at = f"{reference.name}@{pushed.digest}"
    subprocess.run(
        ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{at}", f"dir:{out}"],
        check=True,
    )
    for layer, part in zip(image.layers, manifest(registry, reference)["layers"], strict=True):
        with decompressed(str(out / part["digest"][7:])) as tar:
            assert hashlib.sha256(tar.read()).hexdigest() == layer.diff_id[7:]


def test_an_edited_cell_costs_its_layer_only(store, image, registry, proxy, tiny_images):
    reference = name_in(proxy)
    push(image, reference, store=store)
    before = len(proxy.seen)
    edited = tiny_images.image(store, image.layers[1], {"/data/cell": b"2"})
    done = []
    push(edited, reference, store=store, emit=done.append)
    sent = [one for one in done if isinstance(one, LayerDone) and not one.reused]
    assert [one.digest for one in sent] != []
    assert sum(one.size_bytes for one in sent) < 2000
    passed = sum(int(headers.get("Content-Length") or 0) for _, _, headers in proxy.seen[before:])
    assert passed < 8000, "also counted: the config and the manifest"
    assert is_whole(registry, reference)


def test_no_layer_is_compressed_twice_or_sent_twice(store, image, proxy):
    done = []
    first = push(image, name_in(proxy), store=store)
    second = push(image, name_in(proxy), store=store, emit=done.append)
    assert first.digest == second.digest
    assert not [one for one in done if isinstance(one, Progress) and "compress" in one.item]
    assert not proxy.count("PATCH")
    mounts = [path for method, path, _ in proxy.seen if method == "POST" and "mount=" in path]
    assert len(mounts) == len(image.layers), "the layers came from the first repository"
    assert not [path for method, path, _ in proxy.seen if "PUT" in method and path in mounts]


def test_gc_keeps_the_compressed_blobs_of_kept_images(store, image, registry, tiny_images):
    store.tag(image, Reference.parse("kept:1"))
    other = tiny_images.image(store, {"/data/other": os.urandom(1 << 20)})
    push(image, name_in(registry), store=store)
    push(other, name_in(registry), store=store)
    store.gc()
    done = []
    push(image, name_in(registry), store=store, emit=done.append)
    assert not [one for one in done if isinstance(one, Progress) and "compress" in one.item]
    folder = os.path.join(store.root, "compressed")
    assert len(os.listdir(folder)) == len(image.layers)


def test_the_manifest_comes_last(store, image, proxy):
    push(image, name_in(proxy), store=store)
    writes = [path for method, path, _ in proxy.seen if method in ("PUT", "PATCH", "POST")]
    assert "/manifests/" in writes[-1]
    assert sum("/manifests/" in path for path in writes) == 1


# -- faults -----------------------------------------------------------------------------------


def third_chunk(how):
    """A fault: the connection breaks at the third chunk of the one large blob, once."""
    broken = []

    def fault(request):
        if request.method == "PATCH" and request.headers["Content-Range"].startswith("2097152-"):
            broken.append(request.path)
            return how if len(broken) == 1 else None
        return None

    return fault, broken


@pytest.mark.usefixtures("small_chunks", "impatient")
@pytest.mark.parametrize("kept_bytes", [0, 300_000])
def test_a_broken_connection_resumes_where_the_registry_stands(
    store, image, registry, registries, proxy, kept_bytes
):
    """Between two chunks, and within one at a registry that keeps what arrived."""
    proxy.fault, broken = third_chunk(registries.Kept(kept_bytes) if kept_bytes else -1)
    reference = name_in(proxy)
    push(image, reference, store=store)
    assert len(broken) == (1 if kept_bytes else 2)
    starts = [h["Content-Range"].partition("-")[0] for m, _, h in proxy.seen if m == "PATCH"]
    assert str(2097152 + kept_bytes) in starts, "from there on"
    assert proxy.count("POST") == len(image.layers) + 1, "no blob had to begin anew"
    assert is_whole(registry, reference)


@pytest.mark.usefixtures("small_chunks", "impatient")
def test_a_registry_that_forgot_the_upload_gets_the_blob_anew(store, image, registry, proxy):
    """Debian's 2.8.2 answers 404 to an upload whose connection broke within a chunk."""
    proxy.fault, broken = third_chunk(300_000)
    reference = name_in(proxy)
    push(image, reference, store=store)
    assert len(broken) == 2
    assert proxy.count("POST") == len(image.layers) + 2
    assert is_whole(registry, reference)


@pytest.mark.usefixtures("small_chunks", "impatient")
def test_a_line_that_keeps_breaking_is_given_several_chances(store, image, registry, proxy):
    broken = []

    def fault(request):
        if request.method == "PATCH" and request.headers["Content-Range"].startswith("2097152-"):
            broken.append(request.path)
            return 300_000 if len(broken) <= 4 else None
        return None

    proxy.fault = fault
    reference = name_in(proxy)
    push(image, reference, store=store)
    assert len(broken) == 5
    assert is_whole(registry, reference)


@pytest.mark.usefixtures("small_chunks")
def test_the_registry_killed_in_the_middle_of_a_blob(store, image, registries, tmp_path):
    with registries.Registry(tmp_path / "registry") as own, registries.Proxy(own) as proxy:
        killed = threading.Event()

        def fault(request):
            if request.method == "PATCH" and not killed.is_set():
                killed.set()
                own.stop(signal.SIGKILL)
                threading.Timer(1.0, own.start).start()

        proxy.fault = fault
        reference = name_in(proxy)
        push(image, reference, store=store)
        assert killed.is_set()
        assert is_whole(own, reference)


@pytest.mark.usefixtures("small_chunks", "impatient")
def test_a_registry_that_stays_away_is_told_and_has_no_half_image(
    store, image, registries, tmp_path
):
    with registries.Registry(tmp_path / "registry") as own, registries.Proxy(own) as proxy:
        reference = name_in(proxy)
        proxy.fault = lambda request: (
            own.stop(signal.SIGKILL) if request.method == "PATCH" else None
        )
        problem = failing("registry-unreachable", lambda: push(image, reference, store=store))
        assert proxy.url in problem.what
        own.start()
        assert manifest(own, reference) is None
        proxy.fault = registries.pass_on
        push(image, reference, store=store)
        assert is_whole(own, reference)


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize("method", ["HEAD", "POST", "PATCH", "PUT"])
@pytest.mark.usefixtures("small_chunks", "impatient")
def test_passing_failures_are_tried_again(store, image, registry, proxy, method, status):
    failed = []

    def fault(request):
        if request.method == method and len(failed) < 2:
            failed.append(request.path)
            return status, {}, b'{"errors": [{"code": "UNKNOWN", "message": "a test"}]}'
        return None

    proxy.fault = fault
    reference = name_in(proxy)
    push(image, reference, store=store)
    assert len(failed) == 2
    assert is_whole(registry, reference)


@pytest.mark.usefixtures("impatient")
def test_lasting_failures_are_told_with_what_the_registry_says(store, image, registry, proxy):
    said = b'{"errors": [{"code": "UNKNOWN", "message": "the disk is on fire"}]}'
    proxy.fault = lambda request: (500, {}, said) if request.method == "POST" else None
    reference = name_in(proxy)
    problem = failing("registry-failed", lambda: push(image, reference, store=store))
    assert "the disk is on fire" in problem.why
    assert manifest(registry, reference) is None


def test_retry_after_is_waited_for(store, image, registry, proxy):
    asked = []

    def fault(request):
        if request.method == "POST":
            asked.append(time.monotonic())
            if len(asked) == 1:
                return 429, {"Retry-After": "2"}, b""
        return None

    proxy.fault = fault
    reference = name_in(proxy)
    started = time.monotonic()
    push(image, reference, store=store)
    assert time.monotonic() - started >= 2
    assert is_whole(registry, reference)


def test_more_patience_than_ours_is_an_error(store, image, proxy):
    proxy.fault = lambda request: (
        (429, {"Retry-After": "3600"}, b"") if request.method == "POST" else None
    )
    failing("registry-busy", lambda: push(image, name_in(proxy), store=store))


@pytest.mark.usefixtures("small_chunks", "impatient")
def test_a_blob_damaged_on_its_way_is_sent_again(store, image, registry, proxy):
    """The registry answers 400 DIGEST_INVALID to the real request with another digest."""
    spoilt = []

    def fault(request):
        if request.method == "PUT" and "/blobs/" in request.path and len(spoilt) < 1:
            spoilt.append(request.path)
            return 400, {}, b'{"errors": [{"code": "DIGEST_INVALID", "message": "no"}]}'
        return None

    proxy.fault = fault
    reference = name_in(proxy)
    push(image, reference, store=store)
    assert spoilt
    assert is_whole(registry, reference)


@pytest.mark.usefixtures("impatient")
def test_a_registry_that_read_something_else_is_told(store, image, proxy):
    wrong = f"sha256:{'0' * 64}"
    proxy.fault = lambda request: (
        (201, {"Docker-Content-Digest": wrong}, b"")
        if request.method == "PUT" and "/manifests/" in request.path
        else None
    )
    problem = failing("registry-digest-mismatch", lambda: push(image, name_in(proxy), store=store))
    assert wrong in problem.why


@pytest.mark.usefixtures("small_chunks", "impatient")
def test_registries_that_take_no_chunks_get_whole_blobs(store, image, registry, proxy):
    proxy.fault = lambda request: (416, {}, b"") if request.headers.get("Content-Range") else None
    reference = name_in(proxy)
    push(image, reference, store=store)
    assert is_whole(registry, reference)


def test_a_full_disk_here(registry, tmp_path, require, registries, tiny_images):
    require(os.geteuid() == 0, "root, to mount a small disk")
    disk = tmp_path / "disk"
    registries.full_disk(disk, "12m")
    try:
        small = Store.open(str(disk / "store"))
        full = tiny_images.image(small, {"/data/noise": os.urandom(5 << 20)})
        reference = name_in(registry)
        failing("no-space", lambda: push(full, reference, store=small))
        assert manifest(registry, reference) is None
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.usefixtures("small_chunks", "impatient")
def test_a_full_disk_there(store, image, registries, tmp_path, require):
    require(os.geteuid() == 0, "root, to mount a small disk")
    disk = tmp_path / "disk"
    registries.full_disk(disk, "3m")
    try:
        with registries.Registry(disk / "registry") as own:
            reference = name_in(own)
            failing("registry-failed", lambda: push(image, reference, store=store))
            assert manifest(own, reference) is None
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_an_interrupt_ends_a_push_soon(store, image, registry, proxy):
    """A real SIGINT to the command while the registry is slow."""
    proxy.fault = lambda request: time.sleep(5) if request.method == "PATCH" else None
    store.tag(image, Reference.parse("slow:1"))
    reference = name_in(proxy)
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_containerize", "push", "slow:1", str(reference),
         "--store", store.root],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while not proxy.count("POST"):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert "[interrupted]" in said
    assert process.returncode != 0
    assert manifest(registry, reference) is None


def test_no_interrupt_meets_a_compressor(store, image, registry, monkeypatch):
    """isal's writer, interrupted while its threads end, waits for them for ever when it is collected."""
    threads = []
    compress = compression.compress

    def noted(*arguments, **options):
        threads.append(threading.current_thread())
        return compress(*arguments, **options)

    monkeypatch.setattr(compression, "compress", noted)
    push(image, name_in(registry), store=store)
    assert threads
    assert threading.main_thread() not in threads  # the only one that Ctrl-C breaks into


# -- who may ------------------------------------------------------------------------------------


@pytest.fixture
def docker_config(tmp_path, monkeypatch):
    """Write Docker's config.json: `docker_config(auths=...)`."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)

    def write(**content):
        (tmp_path / "docker").mkdir(exist_ok=True)
        (tmp_path / "docker" / "config.json").write_text(json.dumps(content))

    write()
    return write


def auth_of(user, password):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture(scope="module")
def guarded(registries, tmp_path_factory):
    """A real registry with TLS and basic authentication."""
    folder = tmp_path_factory.mktemp("guarded")
    with registries.Registry(folder, auth=True, tls=True) as running:
        yield running


def test_basic_authentication_over_tls(
    store, image, guarded, registries, docker_config, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    reference = name_in(guarded)
    failing("registry-certificate", lambda: push(image, reference, store=store))
    registries.trust(guarded.folder, guarded, tmp_path)
    problem = failing("registry-unauthorized", lambda: push(image, reference, store=store))
    assert f"docker login {guarded.url}" in problem.fix
    docker_config(auths={guarded.url: auth_of(registries.USER, "wrong-pass-word")})
    problem = failing("registry-unauthorized", lambda: push(image, reference, store=store))
    assert "wrong-pass-word" not in str(problem)
    docker_config(auths={guarded.url: auth_of(registries.USER, registries.PASSWORD)})
    seen = []
    push(image, reference, store=store, emit=seen.append)
    secrets = (registries.PASSWORD, auth_of(registries.USER, registries.PASSWORD)["auth"])
    assert not any(secret in str(seen) for secret in secrets)
    for folder, _, names in os.walk(store.root):
        for name in names:
            data = Path(folder, name).read_bytes()
            assert not any(secret.encode() in data for secret in secrets), name


def test_a_credential_helper(
    store, image, guarded, registries, docker_config, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    registries.trust(guarded.folder, guarded, tmp_path)
    helper = tmp_path / "bin" / "docker-credential-testing"
    helper.parent.mkdir()
    monkeypatch.setenv("PATH", f"{helper.parent}:{os.environ['PATH']}")
    docker_config(credHelpers={guarded.url: "testing"})
    problem = failing("credentials-unreadable", lambda: push(image, name_in(guarded), store=store))
    assert "docker-credential-testing" in problem.what
    answer = {"Username": registries.USER, "Secret": registries.PASSWORD}
    helper.write_text(f'#!/bin/sh\nread server; test "$server" = {guarded.url} || exit 1\n'
                      f"echo '{json.dumps(answer)}'\n")  # fmt: skip
    helper.chmod(0o755)
    push(image, name_in(guarded), store=store)


class TokenGuard:
    """Asks for bearer tokens at the proxy, as Docker Hub does; each token works `uses` times."""

    def __init__(self, proxy, *, uses=10_000):
        self.proxy = proxy
        self.uses = uses
        self.given = {}
        self.asked = []
        self.user = "Basic " + base64.b64encode(b"anna:pw-of-anna").decode()

    def __call__(self, request):
        if request.path.startswith("/token"):
            self.asked.append((request.method, request.query))
            if request.method == "GET" and request.headers.get("Authorization") != self.user:
                return 401, {}, b'{"details": "incorrect username or password"}'
            token = uuid.uuid4().hex
            self.given[token] = self.uses
            return 200, {}, json.dumps({"token": token, "expires_in": 60}).encode()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.given[token] = self.given.get(token, 0) - 1
        if self.given[token] >= 0:
            return None
        challenge = f'Bearer realm="http://{self.proxy.url}/token",service="hub"'
        return 401, {"WWW-Authenticate": challenge}, b""


@pytest.mark.usefixtures("small_chunks")
def test_tokens_are_fetched_and_renewed_when_they_expire(
    store, image, registry, proxy, docker_config, registries
):
    guard = proxy.fault = TokenGuard(proxy, uses=3)
    docker_config(auths={proxy.url: auth_of("anna", "pw-of-anna")})
    reference = name_in(proxy)
    push(image, reference, store=store)
    proxy.fault = registries.pass_on
    assert is_whole(registry, reference)
    assert len(guard.asked) > 3
    assert all(query["scope"].endswith(":pull,push") for _, query in guard.asked)
    assert all(reference.repository in query["scope"] for _, query in guard.asked)


def test_a_token_server_that_knows_us_not(store, image, proxy, docker_config):
    proxy.fault = TokenGuard(proxy)
    failing("registry-unauthorized", lambda: push(image, name_in(proxy), store=store))
    docker_config(auths={proxy.url: auth_of("anna", "not-hers")})
    problem = failing("registry-unauthorized", lambda: push(image, name_in(proxy), store=store))
    assert "not-hers" not in str(problem)


def test_an_identity_token_is_traded(store, image, proxy, docker_config):
    guard = proxy.fault = TokenGuard(proxy)
    docker_config(auths={proxy.url: {"identitytoken": "id-token-of-anna"}})
    push(image, name_in(proxy), store=store)
    assert {method for method, _ in guard.asked} == {"POST"}
    assert "id-token-of-anna" not in str(guard.asked), "it belongs into the body, not the URL"


@pytest.mark.usefixtures("impatient")
def test_nobody_there_and_no_registry(store, image, registries):
    nobody = Reference.parse(f"localhost:{registries.free_port()}/a:1")
    failing("registry-unreachable", lambda: push(image, nobody, store=store))
    unknown = Reference.parse("registry.invalid/a:1")
    failing("registry-unreachable", lambda: push(image, unknown, store=store, emit=ignore))
