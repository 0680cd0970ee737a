"""One engine: images in and out, containers started and watched. Plain data, errors of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from ..errors import ContainerizeError
from .address import Address, addresses
from .facts import MIN_API, Facts, api_of, kind_of, limits_of
from .messages import Message, failed
from .problems import explained, no_engine, refused, too_old
from .sdk import sdk

_TIMEOUT_S = 60
_CHUNK_BYTES = 1 << 20
_STEP = re.compile(r"(?P<text>Step (?P<done>\d+)/(?P<total>\d+) : .*)")


class Engine:
    """A connection to one engine. Errors of every method: those of `problems.explained`."""

    def __init__(self, address: Address, version: dict[str, Any]) -> None:
        self.address = address
        self._version = version
        self._client = self._connected(_TIMEOUT_S)

    @classmethod
    def connect(cls, address: Address | None = None) -> Engine:
        """Return the engine at `address`, by default the one that the `docker` command would use.

        Errors: `docker-sdk-missing`, `no-engine`, `engine-permission`, `engine-too-old`,
        `engine-tls`, `engine-ssh`, `no-such-context`.
        """
        problems = []
        for one in (address,) if address else addresses(os.environ):
            try:
                return cls(one, _version(one))
            except ContainerizeError as error:  # noqa: PERF203 - the next socket may answer
                problems.append(error)
        raise problems[0]

    @cached_property
    def facts(self) -> Facts:
        """What the engine is and can do."""
        if kind_of(self._version) == "podman" and self.address.socket:
            # Its `/info` takes a second, and the socket's owner says the one thing we need.
            facts = Facts.of(self._version, {})
            return replace(facts, rootless=os.stat(self.address.socket).st_uid != 0)
        return Facts.of(self._version, self._info)

    @cached_property
    def limits(self) -> frozenset[str]:
        """Which limits of a run it keeps: `--memory`, `--cpus`, `--processes`."""
        return limits_of(self._info, self.facts)

    @cached_property
    def _info(self) -> dict[str, Any]:
        with self._explained("asking what it is"):
            answer: dict[str, Any] = self._client.info()
            return answer

    # -- images ---------------------------------------------------------------------------

    def image(self, name: str) -> dict[str, Any] | None:
        """Return what the engine knows of an image by name or ID, None if it has none."""
        with self._explained("looking for an image"):
            try:
                found: dict[str, Any] = self._client.inspect_image(name)
            except sdk().errors.ImageNotFound:
                return None
            return found

    def image_layers(self, first: Collection[str] = ()) -> Iterator[tuple[str, ...]]:
        """Yield the diff IDs, lowest first, of each image that the engine has: `first` those so named."""
        with self._explained("listing images"):
            listed = self._client.images()
        for row in sorted(listed, key=lambda one: set(first).isdisjoint(one.get("RepoTags") or ())):
            found = self.image(row["Id"])
            if found is not None:
                yield tuple((found.get("RootFS") or {}).get("Layers") or ())

    def load(self, archive: Iterable[bytes]) -> None:
        """Give the engine the image in an archive's bytes. Errors: `engine-no-space`, …."""
        with self._explained("loading the image"):
            patient = self._connected(None)
            for message in patient.load_image(iter(archive)):
                problem = message.get("error") or message.get("message")
                if problem:
                    raise refused("loading the image", str(problem))

    def tag(self, image: str, repository: str, tag: str) -> None:
        """Give an image of the engine a name."""
        with self._explained("naming the image"):
            self._client.tag(image, repository, tag, force=True)

    def save(self, image: str) -> Iterator[bytes]:
        """Yield the image as the bytes of a Docker archive."""
        with self._explained("reading the image"):
            patient = self._connected(None)
            yield from patient.get_image(image, chunk_size=_CHUNK_BYTES)

    def build(self, archive: str, *, tag: str) -> Iterator[Message]:
        """Build the context in a tar file, yielding what is told. Errors: `build-failed`, …."""
        step = ""
        said: list[str] = []
        with self._explained("building"), open(archive, "rb") as context:
            patient = self._connected(None)
            answers = patient.build(
                fileobj=context, custom_context=True, tag=tag, rm=True, forcerm=True, decode=True
            )
            for answer in answers:
                text = str(answer.get("stream") or answer.get("error") or "").rstrip("\n")
                said = [*said[-40:], *text.splitlines()]
                if "error" in answer:
                    raise failed(step, said)
                for line in filter(None, text.splitlines()):  # what came at once comes as one text
                    if match := _STEP.match(line):
                        step = match["text"]
                        yield Message(step, int(match["done"]), int(match["total"]))
                    else:
                        yield Message(line)

    # -- containers -----------------------------------------------------------------------

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        """Create a container from an API body; return its ID. Errors: `name-in-use`, …."""
        with self._explained("making the container"):
            made = self._client.create_container_from_config(dict(body), name=name)
            return str(made["Id"])

    def start(self, container: str) -> None:
        """Start it. Errors: `port-in-use`, `no-gpu`, …."""
        with self._explained("starting the container"):
            self._client.start(container)

    def inspect(self, container: str) -> dict[str, Any] | None:
        """Return what the engine knows of a container, None if it has none."""
        with self._explained("looking at the container"):
            try:
                found: dict[str, Any] = self._client.inspect_container(container)
            except sdk().errors.NotFound:
                return None
            return found

    def wait(self, container: str, *, timeout_s: float | None = None) -> bool:
        """Return True when the container is not running, False after `timeout_s`."""
        docker = sdk()
        with self._explained("waiting for the container"):
            try:
                self._client.wait(container, timeout=timeout_s)
            except docker.errors.NotFound:
                return True
            except OSError as error:
                if "timed out" in str(error).lower():
                    return False
                raise
        return True

    def logs(self, container: str, *, follow: bool) -> Iterator[bytes]:
        """Yield what the container wrote, both streams in order; with `follow` to its end."""
        with self._explained("reading the log"):
            yield from self._client.logs(container, stream=True, follow=follow)

    def stop(self, container: str, *, grace_s: int) -> None:
        """Send the stop signal, and SIGKILL after `grace_s`; an ended one stays as it is."""
        with self._explained("stopping the container"):
            self._client.stop(container, timeout=grace_s)

    def remove(self, container: str, *, volumes: bool = True) -> None:
        """Remove a container with its unnamed volumes, running or not; a missing one is no error."""
        with self._explained("removing the container"):
            try:
                self._client.remove_container(container, v=volumes, force=True)
            except sdk().errors.NotFound:
                return

    def put(self, container: str, folder: str, tar: bytes) -> None:
        """Unpack a tar into a folder of the container."""
        with self._explained("preparing the container"):
            self._client.put_archive(container, folder, tar)

    def get(self, container: str, path: str) -> Iterator[bytes]:
        """Yield a path of the container as the bytes of a tar; nothing if it has no such path."""
        with self._explained("fetching outputs"):
            try:
                chunks, _ = self._client.get_archive(container, path, chunk_size=_CHUNK_BYTES)
            except sdk().errors.NotFound:
                return
            yield from chunks

    def _connected(self, timeout_s: int | None) -> Any:
        """Return the SDK's client for the engine's own API version (newer ones refuse old ones)."""
        with self._explained("connecting"):
            return _client(self.address, self._version["ApiVersion"], timeout_s=timeout_s)

    def _explained(self, doing: str) -> Any:
        return explained(self.address, doing)


def _version(address: Address) -> dict[str, Any]:
    """Return the engine's answer to `/version`, the first thing it is asked."""
    if address.socket and not os.path.exists(address.socket):
        raise no_engine(address, f"There is no socket {address.socket}.")
    with explained(address, "connecting"):
        least = ".".join(map(str, MIN_API))
        answer: dict[str, Any] = _client(address, least).version(api_version=False)
        if api_of(answer) < MIN_API:
            raise too_old(
                f"It is version {answer.get('Version')} and speaks API {answer.get('ApiVersion')}; "
                f"{least} is the least that will do."
            )
    return answer


def _client(address: Address, api: str, *, timeout_s: int | None = _TIMEOUT_S) -> Any:
    docker = sdk()
    tls: Any = False
    if address.tls:
        pair = (address.certificate, address.key) if address.certificate else None
        tls = docker.tls.TLSConfig(
            client_cert=pair, ca_cert=address.ca or None, verify=address.verify
        )
    ssh = address.url.startswith("ssh://")
    client = docker.APIClient(
        # Any socket will do: what is sent goes through ssh.
        base_url="unix://ssh" if ssh else address.url,
        version=api,
        timeout=timeout_s,
        tls=tls,
    )
    if ssh:
        from .ssh import SshAdapter  # noqa: PLC0415 - with requests, which the SDK brings

        client.mount("http+docker://", SshAdapter(address.url))
    if address.ca:
        # requests would let REQUESTS_CA_BUNDLE win over the engine's own authority.
        client.trust_env = False
    return client
