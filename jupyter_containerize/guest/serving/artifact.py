"""What the image serves: `artifact.json`, written when it was built (docs/architecture.md)."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple
from urllib.parse import quote

from ..problem import CannotStart

DATATYPES = (
    "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64",
    "FP16", "FP32", "FP64", "BYTES", "JSON",
)  # fmt: skip
STYLES = ("tensors", "frame", "arguments")


class Tensor(NamedTuple):
    """One input or output of the signature."""

    name: str
    datatype: str
    shape: tuple[int, ...]  # -1: any; the first axis is rows where rows are stacked
    optional: bool = False  # may be left out or null
    format: str = "text"  # of BYTES: text (str), or base64 in JSON (bytes)
    categories: tuple[Any, ...] = ()
    schema: dict[str, Any] | None = None  # of JSON values, where it is known

    @property
    def wire_datatype(self) -> str:
        """How it is called in the Open Inference Protocol, which knows no JSON values."""
        return "BYTES" if self.datatype == "JSON" else self.datatype


class Artifact(NamedTuple):
    """The fields of `artifact.json`; `raw` is all of it, for the adapter."""

    folder: str
    name: str
    adapter: str
    framework: str
    style: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    batches: bool
    max_batch_size: int
    example: Any
    fork_safe: bool
    raw: dict[str, Any]

    @property
    def quoted_name(self) -> str:
        """The name as it stands in URLs."""
        return quote(self.name, safe="")

    @property
    def stacked(self) -> bool:
        """Whether rows of one request are the first axis of one call (else: a call for each)."""
        if self.batches or self.style == "frame":
            return True
        return self.style == "tensors" and all(one.shape[:1] == (-1,) for one in self.inputs)

    def row_shape(self, tensor: Tensor) -> tuple[int, ...]:
        """Return the shape of what one row holds for `tensor`."""
        return tensor.shape[1:] if self.stacked else tensor.shape


def read_artifact(folder: str) -> Artifact:
    """Read `folder`/artifact.json; raise `CannotStart` that says what is wrong with it."""
    path = os.path.join(folder, "artifact.json")
    try:
        with open(path, encoding="utf-8") as file:
            raw = json.load(file)
        signature = raw["signature"]
        artifact = Artifact(
            folder=folder,
            name=raw["name"],
            adapter=raw["adapter"],
            framework=_framework(raw.get("framework") or {}),
            style=signature["style"],
            inputs=tuple(_tensor(one) for one in signature["inputs"]),
            outputs=tuple(_tensor(one) for one in signature["outputs"]),
            batches=bool(raw.get("batches", False)),
            max_batch_size=int(raw.get("max_batch_size") or 64),
            example=raw.get("example"),
            fork_safe=bool(raw.get("fork_safe", False)),
            raw=raw,
        )
        _check(artifact)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise CannotStart(f"{path} cannot be used: {told}. Build the image again.") from error
    return artifact


def _check(artifact: Artifact) -> None:
    version = artifact.raw.get("version")
    if version != 1:
        raise ValueError(f"its version is {version!r}, this service reads 1")
    if artifact.style not in STYLES:
        raise ValueError(f"its style is {artifact.style!r}, not one of {', '.join(STYLES)}")


def _framework(data: dict[str, str]) -> str:
    return " ".join(part for part in (data.get("name", ""), data.get("version", "")) if part)


def _tensor(data: dict[str, Any]) -> Tensor:
    datatype = data["dtype"]
    if datatype not in DATATYPES:
        raise ValueError(f"{data['name']}: dtype {datatype!r} is not one of {', '.join(DATATYPES)}")
    return Tensor(
        name=data["name"],
        datatype=datatype,
        shape=tuple(int(size) for size in data["shape"]),
        optional=bool(data.get("optional")),
        format=data.get("format") or "text",
        categories=tuple(data.get("categories") or ()),
        schema=data.get("schema"),
    )
