"""What a registry tells of an image, without pulling a layer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ...model.reference import Reference
from . import referrers
from .repository import Document, Repository

_MAX_CONFIG_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class RemotePlatform:
    """One platform's image: its manifest, its config, and what belongs to it."""

    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]
    sbom: dict[str, Any] | None = None
    verdict: dict[str, Any] | None = None
    referrers: tuple[dict[str, Any], ...] = field(default=())


def inspect(reference: Reference) -> tuple[str, tuple[RemotePlatform, ...]]:
    """Return the digest behind a reference, and each platform's image. Errors: `registry-...`."""
    repository = Repository.open(reference, write=False)
    top = repository.manifest(reference.digest or reference.tag)
    document = json.loads(top.data)
    if "manifests" not in document:
        return top.digest, (_platform(repository, top),)
    digests = [
        str(one["digest"])
        for one in document["manifests"]
        if (one.get("platform") or {}).get("os") not in (None, "unknown")
    ]
    found = tuple(_platform(repository, repository.manifest(digest)) for digest in digests)
    return top.digest, found


def _platform(repository: Repository, found: Document) -> RemotePlatform:
    manifest = json.loads(found.data)
    config = json.loads(
        repository.blob(str(manifest["config"]["digest"]), max_bytes=_MAX_CONFIG_BYTES)
    )
    attached = referrers.listed(repository, found.digest)
    return RemotePlatform(
        digest=found.digest,
        manifest=manifest,
        config=config,
        sbom=_document(referrers.newest(repository, attached, referrers.SBOM_TYPE)),
        verdict=_document(referrers.newest(repository, attached, referrers.VERDICT_TYPE)),
        referrers=tuple(dict(one) for one in attached),
    )


def _document(data: bytes | None) -> dict[str, Any] | None:
    return None if data is None else dict(json.loads(data))
