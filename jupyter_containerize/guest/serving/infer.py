"""The Open Inference Protocol's infer: requests and answers as JSON, with or without binary tensors.

Source: the Open Inference Protocol, version 2, and its binary tensor data extension.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from .artifact import Artifact, Tensor
from .model import Model
from .plain_tensors import PlainTensors
from .problems import Problem, shown, wrong_input
from .values import check_shape
from .wire import as_text, dumps

VERSION = "1"


class Wanted(NamedTuple):
    """One output to answer with; all of the model's when none is named."""

    name: str
    binary: bool


class Asked(NamedTuple):
    """A parsed request."""

    call: dict[str, Any]
    rows: int
    request_id: str
    wanted: list[Wanted] | None
    binary: bool  # the default for outputs
    timeout_s: float  # 0: the service's own


def parts(body: bytes | memoryview, header_length: int) -> tuple[memoryview, memoryview]:
    """Return the JSON of a body and the bytes behind it. Errors: `Problem`."""
    view = memoryview(body)
    if header_length > len(view):
        raise wrong_input(
            "Inference-Header-Content-Length",
            f"at most the body's {len(view)} bytes", f"{header_length}", status=400,
        )  # fmt: skip
    if header_length < 0:
        return view, view[:0]
    return view[:header_length], view[header_length:]


def ask(data: Any, behind: memoryview, model: Model) -> Asked:
    """Return what an infer request asks for; `behind` its JSON `data` are bytes. Errors: `Problem`."""
    artifact, tensors = model.artifact, model.tensors
    if not isinstance(data, dict):
        raise wrong_input("body", "an object", shown(data))
    parameters = _object(data, "parameters", "")
    given = data.get("inputs")
    if not isinstance(given, list):
        raise wrong_input("inputs", "an array of tensors", shown(given))
    binaries = _Binaries(behind)
    call: dict[str, Any] = {}
    for place, one in enumerate(given):
        name, value = _input(one, f"inputs[{place}]", artifact, tensors, binaries)
        if name in call:
            raise wrong_input(f"inputs[{place}].name", "each input once", f"{name!r} again")
        call[name] = value
    binaries.check_end()
    rows = _complete(call, artifact, tensors)
    request_id = data.get("id", "")
    if not isinstance(request_id, str):
        raise wrong_input("id", "a string", shown(request_id))
    return Asked(
        call,
        rows,
        request_id,
        _outputs(data.get("outputs"), artifact, parameters.get("binary_data_output") is True),
        parameters.get("binary_data_output") is True,
        _timeout(parameters.get("timeout")),
    )


def load_json(data: bytes | memoryview, loads: Callable[[Any], Any] | None = None) -> Any:
    """Return the value of JSON text. Errors: `Problem` 400 that says where it is broken.

    `loads` is a quicker parser than the standard library's, if there is one.
    """
    try:
        if loads is not None:
            return loads(data)
        return json.loads(str(data, "utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise wrong_input("body", "UTF-8", f"another byte at {error.start}", status=400) from None
    except RecursionError:
        raise wrong_input("body", "JSON", "nesting without end", status=400) from None
    except ValueError as error:
        got = str(error) if len(data) else "nothing"
        raise wrong_input("body", "JSON", got, status=400) from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name}, which JSON does not have")


class _Binaries:
    """The tensors' bytes behind the JSON, handed out one after another."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._taken = 0

    def take(self, size: Any, where: str) -> memoryview:
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise wrong_input(where, "a number of bytes", shown(size))
        start, self._taken = self._taken, self._taken + size
        if self._taken > len(self._data):
            got = f"{len(self._data) - start} left of the body"
            raise wrong_input(where, f"{size} bytes behind the JSON", got, status=400)
        return self._data[start : self._taken]

    def check_end(self) -> None:
        if self._taken != len(self._data):
            raise wrong_input(
                "body", f"{self._taken} bytes of tensors behind the JSON",
                f"{len(self._data)}", status=400,
            )  # fmt: skip


def _object(data: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong_input(where + name, "an object", shown(value))
    for parameter in value:
        if parameter.startswith("shared_memory_"):
            raise Problem(400, f"{where}{name}: shared memory is not offered by this service.")
        if parameter == "classification":
            raise Problem(400, f"{where}{name}: classification is not offered by this service.")
    return value


def _input(
    one: Any, where: str, artifact: Artifact, tensors: PlainTensors, binaries: _Binaries
) -> tuple[str, Any]:
    if not isinstance(one, dict):
        raise wrong_input(where, "an object", shown(one))
    known = {tensor.name: tensor for tensor in artifact.inputs}
    name = one.get("name")
    if not isinstance(name, str) or name not in known:
        expected = f"one of {', '.join(known)}" if known else "no input"
        raise wrong_input(f"{where}.name", expected, shown(name))
    tensor = known[name]
    if one.get("datatype") != tensor.wire_datatype:
        raise wrong_input(f"{where}.datatype", tensor.wire_datatype, shown(one.get("datatype")))
    shape, own_shape = _shape(one.get("shape"), tensor, f"{where}", artifact)
    parameters = _object(one, "parameters", f"{where}.")
    size = parameters.get("binary_data_size")
    if size is not None:
        if "data" in one:
            raise wrong_input(f"{where}.data", "nothing beside binary_data_size", "data")
        data = binaries.take(size, f"{where}.parameters.binary_data_size")
        value = tensors.parse_binary(data, tensor, shape, f"{where}")
    else:
        if not tensors.is_list(one.get("data")):
            raise wrong_input(f"{where}.data", "an array", shown(one.get("data")))
        given = (
            _from_text(one["data"], f"{where}.data") if tensor.datatype == "JSON" else one["data"]
        )
        value = tensors.parse_flat(given, tensor, shape, f"{where}.data")
    if own_shape == ():
        return name, tensors.flat(value)[0]
    return name, value if own_shape == shape else value.reshape(own_shape)


def _from_text(data: list[Any], where: str) -> list[Any]:
    """Return JSON values of strings that hold JSON text: the protocol has no other place for them."""
    found = []
    for place, one in enumerate(data):
        try:
            found.append(json.loads(one, parse_constant=_no_constant))
        except (TypeError, ValueError, RecursionError):  # noqa: PERF203 - few, and each may fail
            raise wrong_input(f"{where}[{place}]", "a string of JSON", shown(one)) from None
    return found


def _shape(
    given: Any, tensor: Tensor, where: str, artifact: Artifact
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape as sent, and as the model wants it: columns may come as (n, 1)."""
    if not isinstance(given, list) or any(
        isinstance(size, bool) or not isinstance(size, int) or size < 0 for size in given
    ):
        raise wrong_input(f"{where}.shape", "an array of sizes", shown(given))
    shape = tuple(given)
    if not tensor.shape and shape in ((), (1,)):
        return (1,), ()
    if artifact.style == "frame" and len(shape) == 2 and shape[1] == 1:  # noqa: PLR2004
        check_shape(shape[:1], tensor, tensor.shape, where)
        return shape[:1], shape[:1]
    check_shape(shape, tensor, tensor.shape, where)
    return shape, shape


def _complete(call: dict[str, Any], artifact: Artifact, tensors: PlainTensors) -> int:
    """Check that nothing is missing; fill a frame's optional columns; return the number of rows."""
    for tensor in artifact.inputs:
        if tensor.name not in call and not tensor.optional:
            given = ", ".join(call) or "none"
            raise wrong_input("inputs", f"the input {tensor.name}", given)
    if not artifact.stacked:
        return 1
    counts = {name: tensors.shape(value)[0] for name, value in call.items()}
    rows = next(iter(counts.values()), 0)
    for name, count in counts.items():
        if count != rows:
            raise wrong_input(f"inputs.{name}.shape", f"{rows} rows, as the others", f"{count}")
    if artifact.style == "frame":
        for tensor in artifact.inputs:
            if tensor.name not in call:
                call[tensor.name] = tensors.missing(tensor, rows)
    return rows


def _outputs(given: Any, artifact: Artifact, binary: bool) -> list[Wanted] | None:
    if given is None or given == []:
        return None
    if not isinstance(given, list):
        raise wrong_input("outputs", "an array", shown(given))
    known = [tensor.name for tensor in artifact.outputs]
    wanted = []
    for place, one in enumerate(given):
        where = f"outputs[{place}]"
        if not isinstance(one, dict) or one.get("name") not in known:
            got = shown(one.get("name") if isinstance(one, dict) else one)
            raise wrong_input(f"{where}.name", f"one of {', '.join(known)}", got)
        parameters = _object(one, "parameters", f"{where}.")
        asked = parameters.get("binary_data", binary)
        if not isinstance(asked, bool):
            raise wrong_input(f"{where}.parameters.binary_data", "true or false", shown(asked))
        wanted.append(Wanted(one["name"], asked))
    return wanted


def _timeout(given: Any) -> float:
    """Return a request's own timeout (microseconds, as Triton's clients send it) in seconds."""
    if given is None or given == 0:
        return 0.0
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise wrong_input("parameters.timeout", "microseconds", shown(given))
    return min(given / 1e6, 1e6)


def answer(asked: Asked, outputs: dict[str, Any], model: Model) -> tuple[list[Any], int]:
    """Return the answer's parts, and the length of its JSON where binary tensors follow (else -1)."""
    wanted = asked.wanted or [Wanted(name, asked.binary) for name in outputs]
    described = []
    binaries: list[Any] = []
    for name, binary in wanted:
        value = outputs[name]
        tensor = model.output(name, value)
        shape = list(model.tensors.shape(value)) or [1]
        entry: dict[str, Any] = {"name": name, "datatype": tensor.wire_datatype, "shape": shape}
        if binary:
            data = model.tensors.binary(value, tensor)
            size = data.nbytes if isinstance(data, memoryview) else len(data)
            entry["parameters"] = {"binary_data_size": size}
            binaries.append(data)
        else:
            entry["data"] = model.tensors.flat(value)
            if tensor.wire_datatype == "BYTES":
                entry["data"] = [as_text(one, tensor) for one in entry["data"]]
        described.append(entry)
    body: dict[str, Any] = {"model_name": model.artifact.name, "model_version": VERSION}
    if asked.request_id:
        body["id"] = asked.request_id
    body["outputs"] = described
    text = dumps(body)
    return ([text, *binaries], len(text)) if binaries else ([text], -1)
