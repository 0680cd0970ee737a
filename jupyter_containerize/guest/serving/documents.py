"""What is served as it is: metadata, the OpenAPI document, pages."""

from __future__ import annotations

from typing import NamedTuple

from . import infer
from .artifact import Artifact, Tensor
from .settings import Settings
from .wire import dumps


class Document(NamedTuple):
    """A body made once."""

    endpoint: str
    body: bytes
    content_type: str = "application/json"
    headers: tuple[str, ...] = ()


class Documents:
    """All documents of one model."""

    def __init__(self, artifact: Artifact, settings: Settings) -> None:  # noqa: ARG002
        self.server = Document("metadata", dumps(server_metadata()))
        self.model = Document("metadata", dumps(model_metadata(artifact)))
        self.pages: dict[str, Document] = {}


def server_metadata() -> dict[str, object]:
    """Return `GET /v2`. Source: the Open Inference Protocol, server metadata."""
    return {
        "name": "jupyter-containerize",
        "version": infer.VERSION,
        "extensions": ["binary_tensor_data"],
    }


def model_metadata(artifact: Artifact) -> dict[str, object]:
    """Return `GET /v2/models/NAME`. Source: the Open Inference Protocol, model metadata."""
    return {
        "name": artifact.name,
        "versions": [infer.VERSION],
        "platform": artifact.framework or artifact.adapter,
        "inputs": [_tensor(tensor) for tensor in artifact.inputs],
        "outputs": [_tensor(tensor) for tensor in artifact.outputs],
    }


def _tensor(tensor: Tensor) -> dict[str, object]:
    return {
        "name": tensor.name,
        "datatype": tensor.wire_datatype,
        "shape": list(tensor.shape) or [1],
    }
