"""What belongs to an image in a registry: its SBOM, its verdict, as OCI referrers.

Source: OCI distribution-spec 1.1, "Listing Referrers" and "Referrers Tag Schema"; image-spec
1.1, manifest.md, "Guidelines for Artifact Usage".
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import ContainerizeError
from ...model.codec import dumps
from ..image import INDEX_TYPE, MANIFEST_TYPE
from .repository import Document, Repository
from .upload import Upload

SBOM_TYPE = "application/vnd.cyclonedx+json"
VERDICT_TYPE = "application/vnd.jupyter-containerize.verdict.v1+json"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_CREATED = "org.opencontainers.image.created"
_EMPTY = b"{}"
_TRIES = 10
#: How long after writing the tag it is read again: longer than another writer takes between
#: its reading and its writing.
_SETTLE_S = (0.1, 0.5)
_MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document that belongs to an image; `created` (RFC 3339) tells newer from older."""

    media_type: str
    data: bytes
    created: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


def attach(repository: Repository, subject: Document, attachment: Attachment) -> str:
    """Attach a document to the manifest `subject`; return the digest of the referrer.

    Where the registry has no referrers API, by the tag that the specification has for it.
    Errors: `registry-...`, `referrers-contended`.
    """
    for data in (_EMPTY, attachment.data):
        _put_blob(repository, data)
    annotations = dict(attachment.annotations)
    if attachment.created:
        annotations[_CREATED] = attachment.created
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": attachment.media_type,
        "config": _descriptor(_EMPTY, _EMPTY_TYPE),
        "layers": [_descriptor(attachment.data, attachment.media_type)],
        "subject": _descriptor(subject.data, subject.media_type),
    }
    if annotations:
        manifest["annotations"] = annotations
    put = repository.put_manifest(dumps(manifest), MANIFEST_TYPE)
    if not put.has_subject:
        entry = {
            **_descriptor(put.data, MANIFEST_TYPE),
            "artifactType": attachment.media_type,
            **({"annotations": annotations} if annotations else {}),
        }
        _add_to_tag(repository, subject.digest, entry)
    return put.digest


def listed(repository: Repository, digest: str) -> tuple[Mapping[str, Any], ...]:
    """Return the descriptors of all that refers to a manifest; none is no error."""
    answer = repository.client.request(
        "GET",
        repository.path("referrers", digest),
        doing=f"listing what belongs to {digest[:19]}",
        expect=(200, 404, 400, 405),
        headers={"Accept": INDEX_TYPE},
    )
    if answer.status == 200:  # noqa: PLR2004
        return _manifests(answer.body)
    found = repository.find_manifest(_tag(digest))
    return _manifests(found.data) if found is not None else ()


def newest(
    repository: Repository, referrers: Sequence[Mapping[str, Any]], media_type: str
) -> bytes | None:
    """Return the newest document of a type among an image's referrers, checked; None if none."""
    fitting = [one for one in referrers if one.get("artifactType") == media_type]
    fitting.sort(key=lambda one: str((one.get("annotations") or {}).get(_CREATED, "")))
    for descriptor in reversed(fitting):
        manifest = json.loads(repository.manifest(str(descriptor["digest"])).data)
        for layer in manifest.get("layers", ()):
            return repository.blob(str(layer["digest"]), max_bytes=_MAX_BYTES)
    return None


def _add_to_tag(repository: Repository, digest: str, entry: Mapping[str, Any]) -> None:
    """Add an entry to the index under the subject's tag, though others may do so as well.

    Registries cannot compare and swap: what was written is read again, twice, and written once
    more where another writer, who had read before us, has replaced it.
    """
    tag = _tag(digest)
    for _ in range(_TRIES):
        there = _tagged(repository, tag)
        if all(one["digest"] != entry["digest"] for one in there):
            index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [*there, entry]}
            repository.put_manifest(dumps(index), INDEX_TYPE, tag=tag)
        if all(_stays(repository, tag, entry, pause_s) for pause_s in _SETTLE_S):
            return
    raise ContainerizeError(
        "referrers-contended",
        what=f"Others kept replacing the list of what belongs to {digest[:19]}.",
        why="The registry has no referrers API; the list is a tag that everybody rewrites.",
        fix="Push again: the image itself is there.",
    )


def _stays(repository: Repository, tag: str, entry: Mapping[str, Any], pause_s: float) -> bool:
    repository.client.pause(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - only a pause
    return any(one["digest"] == entry["digest"] for one in _tagged(repository, tag))


def _tagged(repository: Repository, tag: str) -> tuple[Mapping[str, Any], ...]:
    found = repository.find_manifest(tag)
    return _manifests(found.data) if found is not None else ()


def _manifests(data: bytes) -> tuple[Mapping[str, Any], ...]:
    try:
        return tuple(one for one in json.loads(data)["manifests"] if "digest" in one)
    except (ValueError, KeyError, TypeError):
        return ()


def _put_blob(repository: Repository, data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        Upload(repository, _digest(data), file.name, len(data), lambda _: None).run()


def _descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _tag(digest: str) -> str:
    return digest.replace(":", "-", 1)
