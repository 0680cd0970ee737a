"""`inspect` of an image in a registry: its manifest, config, SBOM and verdict; no layer is pulled."""

from __future__ import annotations

from typing import Any

from ..model.plan import LABEL_KIND, LABEL_PYTHON
from ..model.reference import Reference
from ..oci import registry
from ..oci.registry.inspecting import RemotePlatform

_TITLE = "org.opencontainers.image.title"
_BASE = "org.opencontainers.image.base.name"


def inspect(reference: Reference) -> dict[str, Any]:
    """Return what the registry tells of an image, each platform. Errors: `registry-...`."""
    digest, platforms = registry.inspect(reference)
    return {
        "remote": str(reference),
        "digest": digest,
        "platforms": [_platform(one) for one in platforms],
    }


def _platform(found: RemotePlatform) -> dict[str, Any]:
    settings = found.config.get("config") or {}
    labels = settings.get("Labels") or {}
    layers = found.manifest.get("layers", [])
    components = (found.sbom or {}).get("components", [])
    verdict = found.verdict or {}
    return {
        "platform": f"{found.config.get('os', '')}/{found.config.get('architecture', '')}",
        "digest": found.digest,
        "size_bytes": sum(int(layer.get("size", 0)) for layer in layers),
        "layers": len(layers),
        "kind": labels.get(LABEL_KIND, ""),
        "notebook": labels.get(_TITLE, ""),
        "python": labels.get(LABEL_PYTHON, ""),
        "base": labels.get(_BASE, ""),
        "user": settings.get("User", ""),
        "entrypoint": settings.get("Entrypoint") or settings.get("Cmd") or [],
        "verdict": verdict.get("state", ""),
        "sbom": {
            "components": len(components),
            "packages": [
                f"{one['name']} {one.get('version', '')}"
                for one in components
                if str(one.get("bom-ref", "")).startswith("distribution:")
            ],
        }
        if found.sbom is not None
        else None,
        "referrers": [str(one.get("artifactType", "")) for one in found.referrers],
        "labels": dict(labels),
    }
