"""Where outputs go and data comes from, if not from the image: claims and fsspec URLs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ....errors import ContainerizeError

Manifest = dict[str, Any]

_SIZE = re.compile(r"\d+(?:\.\d+)?(?:[KMGTP]i?)?")
_CLAIM = re.compile(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Source:
    """Data at `path` in the container: of a claim (mounted read-only) or from a URL (fetched)."""

    path: str
    claim: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where outputs go: an existing claim, a new one of `size`, a URL, or (nothing) collected."""

    claim: str = ""
    size: str = ""
    url: str = ""

    @property
    def collected(self) -> bool:
        """True when a client fetches them."""
        return not (self.claim or self.size or self.url)


def target(text: str) -> Target:
    """Parse `--outputs`: "", `pvc:NAME`, `pvc:SIZE`, or an fsspec URL. Errors: `usage`."""
    if not text:
        return Target()
    kind, _, rest = text.partition(":")
    if kind == "pvc" and _SIZE.fullmatch(rest):
        return Target(size=rest)
    if kind == "pvc" and _CLAIM.fullmatch(rest):
        return Target(claim=rest)
    if "://" in text:
        return Target(url=text)
    raise ContainerizeError(
        "usage",
        what=f"`--outputs {text}` is no place for outputs.",
        fix="Write pvc:NAME for an existing claim, pvc:10Gi for a new one, or a URL like s3://bucket/folder.",
    )


def source(text: str) -> Source:
    """Parse `--data`: `pvc:NAME:PATH` or `URL:PATH`. Errors: `usage`."""
    where, _, path = text.rpartition(":")
    if path.startswith("/") and not path.startswith("//"):
        if where.startswith("pvc:") and _CLAIM.fullmatch(where[4:]):
            return Source(path, claim=where[4:])
        if "://" in where:
            return Source(path, url=where)
    raise ContainerizeError(
        "usage",
        what=f"`--data {text}` does not say what to put where.",
        fix="Write pvc:NAME:/path/in/container or s3://bucket/file:/path/in/container.",
    )


def claim(name: str, size: str, *, labels: dict[str, str]) -> Manifest:
    """Return a claim for outputs."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
        },
    }
