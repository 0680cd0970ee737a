"""Values that functions use, written in the kernel and made again in the guest.

Text and numbers as JSON, arrays as .npy, fitted objects each by its adapter, instances of
classes from cells by their attributes. Only what nothing else can write becomes a pickle.
"""

from __future__ import annotations

import copyreg
import json
import os
import sys
import types
from typing import Any

from .problem import warned
from .refusals import cannot, refuse
from .restoring import VALUES_FILE

#: A constant of this size in a function is more likely an oversight than a constant.
_LARGE_BYTES = 10_000_000
_PLAIN = (type(None), bool, int, float, str)
_SIMPLE_CALLS = {
    "datetime": ("datetime", "date", "time", "timedelta", "timezone"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "pathlib": ("Path", "PosixPath", "PurePosixPath"),
    "uuid": ("UUID",),
    "collections": ("OrderedDict", "Counter", "deque", "defaultdict"),
    "re": ("Pattern",),
    "random": ("Random",),
    "zoneinfo": ("ZoneInfo",),
    "functools": ("partial",),
    "types": ("SimpleNamespace",),
    "operator": ("itemgetter", "attrgetter", "methodcaller"),
}


class Writer:
    """Writes values into a folder; `refer(object)` tells the guest's name of a function or class."""

    def __init__(self, folder: str, refer: Any) -> None:
        """Write below `folder`."""
        self.folder = folder
        self.refer = refer
        self.rows: list[Any] = []
        self.findings: list[dict[str, str]] = []
        self._known: dict[int, int] = {}
        self._kept: list[Any] = []  # an id is of one object only while that lives
        self._open: set[int] = set()

    def add(self, value: Any, name: str) -> int:
        """Write a value that `name` stands for; return its number. Errors: as `describe`."""
        key = id(value)
        if key in self._known:
            return self._known[key]
        if key in self._open:
            raise cannot(name, value, "It contains itself.")
        self._open.add(key)
        described = self.describe(value, name)
        self._open.discard(key)
        self.rows.append(described)
        self._kept.append(value)
        self._known[key] = len(self.rows) - 1
        return len(self.rows) - 1

    def describe(self, value: Any, name: str) -> Any:
        """Return how the guest makes `value`. Errors: `open-file`, `lock`, `connection`, `gpu-tensor`, `not-saved`."""
        refuse(value, name)
        if isinstance(value, _PLAIN) and type(value) in _PLAIN:
            return {"is": "plain", "value": value}
        for kind, made in (
            (bytes, lambda: {"is": "bytes", "hex": value.hex()}),
            (complex, lambda: {"is": "complex", "parts": [value.real, value.imag]}),
            (types.ModuleType, lambda: {"is": "module", "name": value.__name__}),
            (range, lambda: {"is": "range", "parts": [value.start, value.stop, value.step]}),
        ):
            if type(value) is kind:
                return made()
        if type(value) in (list, tuple, set, frozenset):
            items = [self.add(one, f"{name}[...]") for one in value]
            return {"is": type(value).__name__, "items": items}
        if type(value) is dict:
            pairs = [
                [self.add(key, name), self.add(one, f"{name}[{key!r:.40}]")]
                for key, one in value.items()
            ]
            return {"is": "dict", "pairs": pairs}
        return self._object(value, name)

    def _object(self, value: Any, name: str) -> Any:
        numpy = sys.modules.get("numpy")
        if (
            numpy is not None
            and isinstance(value, (numpy.ndarray, numpy.generic))
            and not value.dtype.hasobject
        ):
            return self._array(numpy, value, name)
        if isinstance(value, types.MethodType):
            owner = self.add(value.__self__, name)
            return {"is": "method", "owner": owner, "name": value.__name__}
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)) or hasattr(
            value, "__wrapped__"
        ):
            return {"is": "reference", **self.refer(value, name)}
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(
            value, (torch.Tensor, torch.nn.Module, torch.dtype, torch.device)
        ):
            return self._of_torch(torch, value, name)
        from . import writer_of

        adapter = writer_of(value)
        if adapter is not None:
            number = len(self.rows) + len(self._open)
            place = f"value-{number}"
            while os.path.exists(os.path.join(self.folder, place)):
                place += "-"
            os.makedirs(os.path.join(self.folder, place))
            data, findings, uses = adapter[1].write(value, os.path.join(self.folder, place))
            self.findings += findings
            for used in uses:
                self.refer(used, name)
            return {"is": "model", "adapter": adapter[0], "folder": place, "data": data}
        kind = type(value)
        if kind.__module__ == "__main__" and not isinstance(value, type):
            return self._instance(value, name)
        if kind.__name__ in _SIMPLE_CALLS.get(kind.__module__, ()):
            return self._reduced(value, name)
        return self._pickled(value, name)

    def _array(self, numpy: Any, value: Any, name: str) -> Any:
        file = f"array-{len(self.rows)}-{len(self._open)}.npy"
        numpy.save(os.path.join(self.folder, file), value, allow_pickle=False)
        if value.nbytes > _LARGE_BYTES:
            self.findings.append(
                warned(
                    "large-constant",
                    what=f"{name} ({value.nbytes / 1e6:.0f} MB) goes into the image, because what is served uses it.",
                    fix="If it is training data, let the function not use it.",
                )
            )
        return {"is": "array", "file": file, "scalar": isinstance(value, numpy.generic)}

    def _of_torch(self, torch: Any, value: Any, name: str) -> Any:
        """Describe a tensor by its own format, a module by its class and attributes."""
        if isinstance(value, torch.dtype):
            return {"is": "reference", "module": "torch", "path": [str(value).partition(".")[2]]}
        if isinstance(value, torch.device):
            return {
                "is": "call",
                "module": "torch",
                "path": ["device"],
                "arguments": [self.add(str(value), name)],
            }
        if isinstance(value, torch.jit.ScriptModule):
            file = self._file("script")
            torch.jit.save(value, os.path.join(self.folder, file))
            return {"is": "script", "file": file}
        if isinstance(value, torch.Tensor):
            file = self._file("tensor")
            torch.save(value.detach().clone(), os.path.join(self.folder, file))
            is_parameter = isinstance(value, torch.nn.Parameter)
            return {
                "is": "tensor",
                "file": file,
                "parameter": is_parameter,
                "grad": value.requires_grad,
            }
        state = self.add(dict(value.__dict__), f"{name}'s attributes")
        return {"is": "instance", **self.refer(type(value), name), "state": state}

    def _file(self, kind: str) -> str:
        return f"{kind}-{len(self.rows)}-{len(self._open)}"

    def _instance(self, value: Any, name: str) -> Any:
        """Describe an instance of a class from cells by its attributes, unless it says how itself."""
        kind = type(value)
        enum = sys.modules.get("enum")
        if enum is not None and isinstance(value, enum.Enum):
            return {"is": "enum", **self.refer(kind, name), "name": value.name}
        if isinstance(value, (list, tuple, dict, set, str, int, float)):
            return self._reduced(value, name)
        state = (
            value.__getstate__()
            if "__getstate__" in _own_members(kind)
            else dict(getattr(value, "__dict__", {}))
        )
        slots = [one for base in kind.__mro__ for one in _slots(base) if hasattr(value, one)]
        if isinstance(state, dict):
            state.update({one: getattr(value, one) for one in slots if one not in state})
        numbers = self.add(state, f"{name}'s attributes")
        return {"is": "instance", **self.refer(kind, name), "state": numbers}

    def _reduced(self, value: Any, name: str) -> Any:
        """Describe a small object of the standard library as the call that makes it."""
        reducer = copyreg.dispatch_table.get(type(value))
        made: Any = reducer(value) if reducer else value.__reduce_ex__(2)
        function, arguments, *rest = made
        state, items, pairs = (*rest, None, None, None)[:3]
        row = {
            "is": "call",
            **self.refer(function, name),
            "arguments": [self.add(one, name) for one in arguments],
        }
        if state is not None:
            row["state"] = self.add(state, name)
        if items is not None:
            row["items"] = [self.add(one, name) for one in items]
        if pairs is not None:
            row["pairs"] = [[self.add(key, name), self.add(one, name)] for key, one in pairs]
        return row

    def _pickled(self, value: Any, name: str) -> Any:
        import pickle

        file = f"value-{len(self.rows)}-{len(self._open)}.pickle"
        try:
            data = pickle.dumps(value, protocol=4)
        except Exception as error:
            raise cannot(name, value, f"{type(error).__name__}: {error}") from error
        with open(os.path.join(self.folder, file), "wb") as out:
            out.write(data)
        kind = type(value)
        self.findings.append(
            warned(
                "pickle-used",
                what=f"{name}, a {kind.__module__}.{kind.__qualname__}, was saved by pickle.",
                why="No adapter knows it. A pickle runs code of its maker's when it is loaded.",
                fix="It works, but only load images that you trust.",
            )
        )
        return {"is": "pickle", "file": file}

    def save(self) -> None:
        """Write the table of all values."""
        with open(os.path.join(self.folder, VALUES_FILE), "w", encoding="utf-8") as file:
            json.dump(self.rows, file)


def _own_members(kind: type) -> set[str]:
    return {name for base in kind.__mro__ if base is not object for name in vars(base)}


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    slots = (slots,) if isinstance(slots, str) else slots
    return tuple(one for one in slots if one not in ("__dict__", "__weakref__"))
