"""What is served as it is: metadata, the OpenAPI document, pages. Made when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from . import infer
from .artifact import Artifact, Tensor
from .settings import Settings
from .wire import dumps

_HTML = "text/html; charset=utf-8"


class Document(NamedTuple):
    """A body with its headers."""

    body: bytes
    content_type: str = "application/json"
    headers: tuple[str, ...] = ()


class Documents:
    """All documents of one model; each is made once."""

    def __init__(self, artifact: Artifact, settings: Settings) -> None:
        model = partial(_model, artifact)
        name = f"/v2/models/{artifact.quoted_name}"
        self.makers: Mapping[str, Callable[[], Document]] = {
            "/v2": _server,
            name: model,
            f"{name}/versions/{infer.VERSION}": model,
            "/": partial(_front, artifact),
            "/docs": partial(_reference, artifact, settings),
            "/openapi.json": partial(_openapi, artifact, settings),
        }
        self._made: dict[str, Document] = {}

    def get(self, path: str) -> Document:
        """Return the document at `path`, a key of `makers`."""
        made = self._made.get(path)
        if made is None:
            made = self._made[path] = self.makers[path]()
        return made


def _server() -> Document:
    """Return `GET /v2`. Source: the Open Inference Protocol, server metadata."""
    facts = {
        "name": "jupyter-containerize",
        "version": infer.VERSION,
        "extensions": ["binary_tensor_data"],
    }
    return Document(dumps(facts))


def _model(artifact: Artifact) -> Document:
    """Return `GET /v2/models/NAME`. Source: the Open Inference Protocol, model metadata."""
    facts = {
        "name": artifact.name,
        "versions": [infer.VERSION],
        "platform": artifact.framework or artifact.adapter,
        "inputs": [_tensor(tensor) for tensor in artifact.inputs],
        "outputs": [_tensor(tensor) for tensor in artifact.outputs],
    }
    return Document(dumps(facts))


def _tensor(tensor: Tensor) -> dict[str, object]:
    return {
        "name": tensor.name,
        "datatype": tensor.wire_datatype,
        "shape": list(tensor.shape) or [1],
    }


def _front(artifact: Artifact) -> Document:
    from . import page  # noqa: PLC0415 - many services are never looked at

    return Document(page.front(artifact), _HTML, page.HEADERS)


def _reference(artifact: Artifact, settings: Settings) -> Document:
    from . import openapi, page  # noqa: PLC0415 - as above

    described = openapi.document(artifact, settings)
    return Document(page.reference(artifact, described), _HTML, page.HEADERS)


def _openapi(artifact: Artifact, settings: Settings) -> Document:
    from . import openapi  # noqa: PLC0415 - as above

    return Document(dumps(openapi.document(artifact, settings)))
