"""A push to a registry on loopback, beside compressing the same layers and beside `docker push`.

`python benchmarks/push_times.py STORE IMAGE [--docker]`, also part of `make bench-docker` where Debian's
`docker-registry` is (and, for the last row, `dockerd` and root).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator

from table import Row, markdown, ratio_of
from timing import by_turns, settle, stopwatch

from jupyter_containerize.model.image import Image
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.oci import archive, compression
from jupyter_containerize.oci.registry import push
from jupyter_containerize.oci.store import Store

_BLOCK_BYTES = 1 << 20
_TIMES_FASTER = 8


class _Nowhere:
    """Takes what a compressor writes, and neither hashes nor keeps it."""

    def write(self, data: bytes) -> None:
        pass


def rows(image: Image, store: Store, *, rounds: int, docker: bool = True) -> list[Row]:
    """Return the rows about pushes; none without a registry."""
    if shutil.which("docker-registry") is None:
        return []
    with registry() as host:
        times = by_turns(
            rounds,
            compressing=lambda: stopwatch(lambda: _compress(image, store)),
            pushing=lambda: _cold(image, store, host),
            again=lambda: stopwatch(lambda: push(image, _name(host, "again"), store=store)),
        )
        size = image.size_bytes / 1e9
        floor = (
            "compressing its layers with the same compressor on all cores",
            times["compressing"],
        )
        found = [
            ratio_of(f"push of {size:.2f} GB to loopback", times["pushing"], floor, 1.3),
            Row("the same push once more", f"{times['again']:.2f} s"),
        ]
        if docker and os.getuid() == 0 and shutil.which("dockerd"):
            seconds = _by_docker(image, store, host)
            ratio = seconds / times["pushing"]
            beside = f"`docker push` of the same layers: {seconds:.1f} s"
            measured = f"{times['pushing']:.2f} s"
            found.append(
                Row("push", measured, beside, f"1/{ratio:.1f}", "≤ 1/8 x", ratio >= _TIMES_FASTER)
            )
        return found


def _compress(image: Image, store: Store) -> None:
    for layer in image.layers:
        with (
            open(store.blob_path(layer.digest), "rb", buffering=0) as source,
            compression._compressor("gzip", _Nowhere()) as sink,  # noqa: SLF001 - the very same
        ):
            while block := source.read(_BLOCK_BYTES):
                sink.write(block)


def _cold(image: Image, store: Store, host: str) -> float:
    """Push with nothing compressed yet, into a repository that has nothing."""
    shutil.rmtree(os.path.join(store.root, compression.FOLDER), ignore_errors=True)
    settle()
    return stopwatch(lambda: push(image, _name(host, uuid.uuid4().hex[:8]), store=store))


def _name(host: str, repository: str) -> Reference:
    return Reference.parse(f"{host}/{repository}/image:1")


@contextlib.contextmanager
def registry() -> Iterator[str]:
    """Run Debian's registry on loopback; yield its host and port."""
    with tempfile.TemporaryDirectory(prefix="bench-registry-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        config = os.path.join(folder, "config.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(
                "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
                f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
                f"http: {{addr: '127.0.0.1:{port}', secret: bench}}\n"
            )
        process = subprocess.Popen(["docker-registry", "serve", config], stderr=subprocess.DEVNULL)
        try:
            _until(lambda: socket.create_connection(("127.0.0.1", port), 1).close())
            yield f"localhost:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _by_docker(image: Image, store: Store, host: str) -> float:
    """Return what `docker push` takes for the same layers, once they are in an engine."""
    with tempfile.TemporaryDirectory(prefix="bench-engine-", ignore_cleanup_errors=True) as folder:
        address = f"unix://{folder}/sock"
        docker = [shutil.which("docker", path="/usr/bin") or "docker", "-H", address]
        with open(f"{folder}/log", "wb") as log:
            engine = subprocess.Popen(
                ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
                 "--pidfile", f"{folder}/pid", "-H", address, "--bridge=none",
                 "--iptables=false", "--ip6tables=false"],
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _until(lambda: subprocess.run([*docker, "version"], check=True, capture_output=True))
            path = f"{folder}/image.tar"
            archive.write_docker(image, store=store, path=path)
            subprocess.run([*docker, "load", "-q", "-i", path], check=True, capture_output=True)
            os.unlink(path)
            name = f"{host}/docker/image:1"
            subprocess.run([*docker, "tag", image.config_digest, name], check=True)
            settle()
            return stopwatch(
                lambda: subprocess.run(
                    [*docker, "push", "-q", name], check=True, capture_output=True
                )
            )
        finally:
            engine.terminate()
            engine.wait(60)


def _until(works: object, *, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            works()  # type: ignore[operator]
        except (OSError, subprocess.CalledProcessError):  # noqa: PERF203 - until it works
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def main() -> None:
    """Measure one image of a store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("image")
    parser.add_argument("--docker", action="store_true", help="also `docker push`")
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    store = Store.open(args.store)
    found = rows(store.resolve(args.image), store, rounds=args.rounds, docker=args.docker)
    print(markdown(found))
    print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
