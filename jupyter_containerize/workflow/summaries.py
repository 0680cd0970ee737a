"""Images and runs as the short rows that lists show."""

from __future__ import annotations

from typing import Any

from ..model.codec import to_json
from ..model.image import Image
from ..model.plan import LABEL_KIND, LABEL_MODE
from ..model.run import Run
from ..model.snapshot import SnapshotMode
from ..oci.store import Store
from .records import built_at, verdict_of

_TITLE = "org.opencontainers.image.title"
SHORT = 12


def short(digest: str) -> str:
    """Return the first characters of a digest, enough to name it by."""
    return digest.partition(":")[2][:SHORT]


def image_summary(image: Image, store: Store) -> dict[str, Any]:
    """Return an image's row. `verdict` is verified, failed, unproven, static or ""."""
    labels = image.config.labels
    verdict = verdict_of(store, image)
    static = labels.get(LABEL_MODE) == SnapshotMode.STATIC.value
    return {
        "digest": image.digest,
        "id": short(image.digest),
        "names": list(image.names),
        "kind": labels.get(LABEL_KIND, ""),
        "notebook": labels.get(_TITLE, ""),
        "created": image.created,
        "built_at": built_at(store, image),
        "size_bytes": image.size_bytes,
        "layers": len(image.layers),
        "verdict": verdict.state.value if verdict else "static" if static else "",
    }


def run_summary(run: Run) -> dict[str, Any]:
    """Return a run's row: its record, with how long it took or has taken so far."""
    data: dict[str, Any] = to_json(run)
    return {**data, "image": run.spec.image_name or short(run.spec.image)}
