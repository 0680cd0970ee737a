"""One repository of a registry: manifests and blobs. Source: OCI distribution-spec 1.1."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

from ...errors import ContainerizeError
from ...model.reference import Reference
from ..image import INDEX_TYPE, MANIFEST_TYPE
from .client import Answer, Client
from .credentials import DOCKER_HUB
from .problems import wrong_digest

DOCKER_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST_TYPES = (MANIFEST_TYPE, DOCKER_MANIFEST_TYPE)
INDEX_TYPES = (INDEX_TYPE, DOCKER_INDEX_TYPE)
_ACCEPT = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index as it lies in the registry; `subject` is the digest it refers to."""

    data: bytes
    media_type: str
    digest: str
    has_subject: bool = False


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository, with the client that speaks for it."""

    registry: str
    name: str
    client: Client = field(repr=False)

    @classmethod
    def open(
        cls,
        reference: Reference,
        *,
        write: bool,
        also_read: Iterable[str] = (),
        cancel: threading.Event | None = None,
    ) -> Repository:
        """Return the reference's repository, once the registry has let us in.

        `also_read` are other repositories of the same registry. Errors: as `Client.check`.
        """
        registry = reference.registry or DOCKER_HUB
        if registry in ("index.docker.io", "registry-1.docker.io"):
            registry = DOCKER_HUB
        name = reference.repository
        if registry == DOCKER_HUB and "/" not in name:
            name = f"library/{name}"
        scopes = [f"repository:{name}:{'pull,push' if write else 'pull'}"]
        scopes += [f"repository:{other}:pull" for other in also_read]
        client = Client(
            registry, scopes=scopes, repository=name, cancel=cancel or threading.Event()
        )
        client.check()
        return cls(registry, name, client)

    @property
    def full_name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.name}"

    def path(self, kind: str, rest: str) -> str:
        """Return the path of something in this repository."""
        return f"/v2/{self.name}/{kind}/{quote(rest, safe=':/?=&')}"

    # -- manifests ----------------------------------------------------------------------

    def manifest(self, tag_or_digest: str) -> Document:
        """Return a manifest or index, checked against its digest if that is given.

        Errors: `registry-not-found`, `registry-digest-mismatch`.
        """
        doing = f"getting the manifest {self.full_name}{_joined(tag_or_digest)}"
        answer = self._manifest("GET", tag_or_digest, doing, (200,))
        return self._document(answer, tag_or_digest, doing)

    def find_manifest(self, tag_or_digest: str) -> Document | None:
        """Return a manifest or index, None if there is none. Errors: as `manifest`."""
        doing = f"looking for the manifest {self.full_name}{_joined(tag_or_digest)}"
        answer = self._manifest("GET", tag_or_digest, doing, (200, 404))
        found = answer.status != 404  # noqa: PLR2004
        return self._document(answer, tag_or_digest, doing) if found else None

    def _manifest(self, method: str, what: str, doing: str, expect: tuple[int, ...]) -> Answer:
        return self.client.request(
            method,
            self.path("manifests", what),
            doing=doing,
            expect=expect,
            headers={"Accept": _ACCEPT},
        )

    def _document(self, answer: Answer, asked: str, doing: str) -> Document:
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if asked.startswith("sha256:") and asked != digest:
            raise wrong_digest(self.registry, wanted=asked, found=digest, doing=doing)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        return Document(answer.body, media_type, digest)

    def put_manifest(self, data: bytes, media_type: str, *, tag: str = "") -> Document:
        """Put a manifest or index under its digest, or under `tag`.

        Errors: `registry-digest-mismatch` when the registry read something else.
        """
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        doing = f"putting the manifest {self.full_name}{_joined(tag or digest)}"
        answer = self.client.request(
            "PUT",
            self.path("manifests", tag or digest),
            doing=doing,
            expect=(200, 201, 202),
            headers={"Content-Type": media_type},
            body=data,
        )
        found = answer.headers.get("docker-content-digest", digest)
        if found != digest:
            raise wrong_digest(self.registry, wanted=digest, found=found, doing=doing)
        return Document(data, media_type, digest, "oci-subject" in answer.headers)

    # -- blobs --------------------------------------------------------------------------

    def has_blob(self, digest: str, *, size_bytes: int) -> bool:
        """Whether the registry has the whole blob in this repository."""
        answer = self.client.request(
            "HEAD",
            self.path("blobs", digest),
            doing=f"looking for {digest[:19]} in {self.full_name}",
            expect=(200, 404),
        )
        there = answer.status == 200  # noqa: PLR2004
        return there and int(answer.headers.get("content-length", size_bytes)) == size_bytes

    def blob(self, digest: str, *, max_bytes: int) -> bytes:
        """Return a small blob, checked. Errors: `registry-digest-mismatch`, `registry-not-found`."""
        doing = f"getting {digest[:19]} of {self.full_name}"
        answer = self.client.request("GET", self.path("blobs", digest), doing=doing, expect=(200,))
        found = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if found != digest or len(answer.body) > max_bytes:
            raise wrong_digest(self.registry, wanted=digest, found=found, doing=doing)
        return answer.body


def parse_remote(text: str, *, doing: str) -> Reference:
    """Parse a reference that must name a registry. Errors: `registry-not-named`."""
    reference = Reference.parse(text)
    if not reference.registry:
        raise ContainerizeError(
            "registry-not-named",
            what=f"{text!r} does not say which registry: {doing}.",
            why="What comes before the first slash must look like a host (a dot, a port, localhost).",
            fix=f"For example localhost:5000/{text}, ghcr.io/YOU/{text} or docker.io/YOU/{text}",
        )
    return reference


def _joined(tag_or_digest: str) -> str:
    return f"@{tag_or_digest[:19]}" if ":" in tag_or_digest else f":{tag_or_digest}"
