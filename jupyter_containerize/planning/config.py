"""The image's config: user, environment, entry point, labels."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Sequence
from datetime import datetime, timezone

from .._version import __version__
from ..errors import ContainerizeError
from ..model.artifact import Artifact
from ..model.base import BaseImage
from ..model.codec import to_json
from ..model.options import PlanOptions
from ..model.plan import (
    GUEST_FOLDER,
    LABEL_KIND,
    LABEL_LARGE_FILES,
    LABEL_MODE,
    LABEL_MODEL,
    LABEL_NOTEBOOK_FOLDER,
    LABEL_PARAMETERS,
    LABEL_PYTHON,
    LABEL_SIGNATURE,
    LABEL_SNAPSHOT,
    LABEL_VERSION,
    LABEL_WRITABLE,
    LIBRARY_FOLDER,
    OUTPUTS_FOLDER,
    SERVICE_PORT,
    ImageConfig,
    ImageKind,
)
from ..model.snapshot import Snapshot
from .system import USER_ID, USER_NAME, home_of, writable_place

_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def working_dir(snapshot: Snapshot) -> str:
    """Return the kernel's working directory, or the notebook's folder."""
    return snapshot.cwd or snapshot.notebook.folder or home_of(snapshot)


def writable_folders(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the folders that every runtime makes writable, sorted."""
    folders = {OUTPUTS_FOLDER, "/tmp", "/dev/shm", home_of(snapshot)}  # noqa: S108 - image paths
    own = {snapshot.notebook.folder, working_dir(snapshot)}
    return tuple(sorted(folders | {folder for folder in own if writable_place(folder)}))


def image_config(
    snapshot: Snapshot, options: PlanOptions, *, name: str, date: str, snapshot_digest: str
) -> ImageConfig:
    """Return the config of an image of `snapshot`."""
    serves = options.kind is ImageKind.INFERENCE
    return ImageConfig(
        user=f"{USER_ID}:0",
        working_dir=working_dir(snapshot),
        entrypoint=(
            snapshot.interpreter.executable,
            f"{GUEST_FOLDER}/{'serve' if serves else 'train'}.py",
        ),
        environment=_environment(snapshot, options),
        labels=_labels(snapshot, options, name=name, date=date, snapshot_digest=snapshot_digest),
        exposed_ports=(f"{SERVICE_PORT}/tcp",) if serves else (),
    )


def created(text: str) -> str:
    """Return the creation date in the one form that OCI configs get: RFC 3339, UTC, seconds.

    A time without a zone is taken as UTC. Errors: `invalid-creation-date`.
    """
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        moment = moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise ContainerizeError(
            "invalid-creation-date",
            what=f"{text!r} is not a time that an image can have.",
            why=str(error),
            fix="Unset SOURCE_DATE_EPOCH, or set it to seconds since 1970-01-01.",
        ) from error
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _environment(snapshot: Snapshot, options: PlanOptions) -> dict[str, str]:
    own_bin = posixpath.dirname(snapshot.interpreter.executable)
    folders: Sequence[str] = _PATH
    if options.base_image is not None:
        folders = options.base_image.environment["PATH"].split(":")
    path = [own_bin, *(folder for folder in folders if folder != own_bin)]
    path += sorted({posixpath.dirname(e.path) for e in snapshot.executables} - set(path))
    environment = {v.name: v.value for v in snapshot.environment if v.value is not None}
    if options.base_image is not None and snapshot.libraries:
        # Last, so that nothing the base has is another one's.
        known = environment.get("LD_LIBRARY_PATH", "")
        environment["LD_LIBRARY_PATH"] = f"{known}:{LIBRARY_FOLDER}".lstrip(":")
    return {
        **environment,
        "PATH": ":".join(path),
        "HOME": home_of(snapshot),
        "USER": USER_NAME,
        "LOGNAME": USER_NAME,
        # Modules are compiled already, and their folders are read-only in every runtime.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _labels(
    snapshot: Snapshot, options: PlanOptions, *, name: str, date: str, snapshot_digest: str
) -> dict[str, str]:
    notebook = snapshot.notebook
    does = f"Runs the cells of {notebook.name}"
    if snapshot.artifact is not None:
        does = f"Serves {snapshot.artifact.expression} of {notebook.name} over HTTP"
    base = options.base_image
    of_base = {} if base is None else {**base.labels, **_base_labels(base)}
    return {
        **of_base,
        "org.opencontainers.image.title": notebook.name,
        "org.opencontainers.image.description": (
            f"{does}, made from its kernel by jupyter-containerize"
        ),
        **_model_labels(snapshot.artifact),
        "org.opencontainers.image.created": date,
        "org.opencontainers.image.ref.name": name,
        "org.opencontainers.image.version": snapshot_digest.partition(":")[2][:12],
        LABEL_KIND: options.kind.value,
        LABEL_SNAPSHOT: snapshot_digest,
        LABEL_MODE: snapshot.mode.value,
        LABEL_VERSION: __version__,
        LABEL_PYTHON: snapshot.interpreter.version,
        LABEL_WRITABLE: json.dumps(writable_folders(snapshot)),
        LABEL_PARAMETERS: json.dumps([to_json(p) for p in snapshot.parameters], sort_keys=True),
        LABEL_NOTEBOOK_FOLDER: notebook.folder,
        LABEL_LARGE_FILES: json.dumps(list(options.mounts)),
    }


def _base_labels(base: BaseImage) -> dict[str, str]:
    """Source: OCI image-spec 1.1, annotations.md."""
    return {
        "org.opencontainers.image.base.name": base.name,
        "org.opencontainers.image.base.digest": base.base.digest,
    }


def _model_labels(artifact: Artifact | None) -> dict[str, str]:
    """Return what an inference image serves: the object, how it was saved, its signature."""
    if artifact is None:
        return {}
    model = {
        "name": artifact.name,
        "expression": artifact.expression,
        "adapter": artifact.adapter,
        "framework": artifact.framework,
        "framework_version": artifact.framework_version,
    }
    return {
        LABEL_MODEL: json.dumps(model, sort_keys=True),
        LABEL_SIGNATURE: json.dumps(dict(artifact.signature), sort_keys=True),
    }
