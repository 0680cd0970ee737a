"""OCI image config and manifest. Source: OCI image-spec 1.1, config.md and manifest.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..model.image import Layer
from ..model.plan import ImageConfig
from ..model.platform import Platform

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
REF_NAME = "org.opencontainers.image.ref.name"


def config_json(
    config: ImageConfig, *, layers: Sequence[Layer], platform: Platform, created: str
) -> dict[str, Any]:
    """Return the image config: one history entry for each layer, one empty for the settings."""
    history: list[dict[str, Any]] = [
        {
            "created": created,
            "created_by": f"jupyter-containerize: {layer.kind or 'layer'}",
            "comment": layer.title,
        }
        for layer in layers
    ]
    history.append(
        {
            "created": created,
            "created_by": "jupyter-containerize: user, entry point and environment",
            "empty_layer": True,
        }
    )
    return {
        "created": created,
        "architecture": platform.architecture,
        "os": platform.os,
        "config": _runtime(config),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": history,
    }


def _runtime(config: ImageConfig) -> dict[str, Any]:
    runtime: dict[str, Any] = {
        "User": config.user,
        "WorkingDir": config.working_dir,
        "Env": [f"{name}={value}" for name, value in sorted(config.environment.items())],
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.command),
        "Labels": dict(sorted(config.labels.items())),
        "ExposedPorts": {port: {} for port in sorted(config.exposed_ports)},
        "StopSignal": config.stop_signal,
    }
    return {key: value for key, value in runtime.items() if value}


def descriptor(digest: str, size_bytes: int, platform: Platform) -> dict[str, Any]:
    """Return what an index says of one platform's manifest."""
    return {
        "mediaType": MANIFEST_TYPE,
        "digest": digest,
        "size": size_bytes,
        "platform": {"architecture": platform.architecture, "os": platform.os},
    }


def index_json(manifests: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """Return an image index of these descriptors. Source: image-spec 1.1, image-index.md."""
    return {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": list(manifests), **more}


def manifest_json(
    *,
    config_digest: str,
    config_size_bytes: int,
    layers: Sequence[Layer],
    annotations: Mapping[str, str],
) -> dict[str, Any]:
    """Return the image manifest."""
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "mediaType": CONFIG_TYPE,
            "digest": config_digest,
            "size": config_size_bytes,
        },
        "layers": [
            {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size_bytes}
            for layer in layers
        ],
    }
    if annotations:
        manifest["annotations"] = dict(sorted(annotations.items()))
    return manifest
