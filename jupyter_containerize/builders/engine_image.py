"""An image that an engine built, brought into the store: layers, config, name."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
import zlib
from typing import IO, Any

from ..engine.client import Engine
from ..errors import ContainerizeError
from ..model.image import Image, Layer
from ..model.plan import ImageConfig, ImagePlan
from ..model.reference import Reference
from ..oci.store import Store

_CHUNK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


def take_image(
    image_id: str, *, engine: Engine, store: Store, plan: ImagePlan, name: Reference
) -> Image:
    """Store the engine's image under `name`; layers that the store has are not written again.

    Errors: `engine-refused` (what the engine saved is no image), `no-space`, `engine-lost`.
    """
    with tempfile.TemporaryFile(dir=store.temporary_folder) as archive:
        for chunk in engine.save(image_id):
            archive.write(chunk)
        archive.seek(0)
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            try:
                manifest = json.load(_member(tar, "manifest.json"))[0]
                config = json.load(_member(tar, manifest["Config"]))
                diff_ids = config["rootfs"]["diff_ids"]
                titles = _titles(config)
                layers = [
                    _layer(_member(tar, path), diff_id, title, store)
                    for path, diff_id, title in zip(
                        manifest["Layers"], diff_ids, titles, strict=True
                    )
                ]
            except (KeyError, ValueError, IndexError, TypeError) as error:
                raise ContainerizeError(
                    "engine-refused",
                    what="What the Docker engine saved is not an image.",
                    why=f"{type(error).__name__}: {error}",
                    fix="Use --builder daemonless, or another engine.",
                ) from error
    return store.add_image(
        layers=layers,
        config=_config(config.get("config") or {}, plan),
        platform=plan.platform,
        created=plan.created,
        name=name,
    )


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    entry = tar.getmember(name)
    if entry.issym() or entry.islnk():  # older engines link layers that are the same
        target = os.path.normpath(os.path.join(os.path.dirname(name), entry.linkname))
        entry = tar.getmember(target)
    file = tar.extractfile(entry)
    if file is None:
        raise KeyError(name)
    return file


def _titles(config: dict[str, Any]) -> list[str]:
    """Return for each layer the instruction that made it."""
    history = config.get("history") or []
    titles = [str(one.get("created_by", "")) for one in history if not one.get("empty_layer")]
    count = len(config["rootfs"]["diff_ids"])
    return (titles + [""] * count)[:count]


def _layer(file: IO[bytes], diff_id: str, title: str, store: Store) -> Layer:
    digest = str(diff_id)
    if not store.has_blob(digest):
        start = file.read(len(_GZIP))
        file.seek(0)
        unpacked = zlib.decompressobj(31) if start == _GZIP else None
        with store.writer() as writer:
            while data := file.read(_CHUNK_BYTES):
                writer.write(unpacked.decompress(data) if unpacked else data)
            if unpacked:
                writer.write(unpacked.flush())
            blob = writer.commit()
        if blob.digest != digest:
            raise ValueError(f"a layer is {blob.digest}, and should be {digest}")
    size_bytes = os.stat(store.blob_path(digest)).st_size
    return Layer(digest, digest, size_bytes, title=_short(title))


def _short(title: str) -> str:
    text = " ".join(title.removeprefix("/bin/sh -c ").removeprefix("#(nop) ").split())
    return text if len(text) <= 100 else f"{text[:99]}…"  # noqa: PLR2004 - one line of a table


def _config(found: dict[str, Any], plan: ImagePlan) -> ImageConfig:
    pairs = (text.partition("=") for text in found.get("Env") or ())
    return ImageConfig(
        user=str(found.get("User") or ""),
        working_dir=str(found.get("WorkingDir") or ""),
        entrypoint=tuple(found.get("Entrypoint") or ()),
        command=tuple(found.get("Cmd") or ()),
        environment={name: value for name, _, value in pairs},
        labels=dict(found.get("Labels") or {}),
        exposed_ports=tuple(found.get("ExposedPorts") or {}),
        stop_signal=str(found.get("StopSignal") or plan.config.stop_signal),
    )
