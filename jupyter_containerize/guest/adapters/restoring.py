"""Values that functions use, made again in the guest from what `values` wrote in the kernel."""

from __future__ import annotations

import importlib
import json
import os
from typing import Any

#: The table of all values, in the artifact's folder.
VALUES_FILE = "values.json"


class Reader:
    """Makes values again, each once; classes and functions come from `main`, a namespace."""

    def __init__(self, folder: str, main: dict[str, Any]) -> None:
        """Read the table in `folder`."""
        self._folder = folder
        self._main = main
        self._made: dict[int, Any] = {}
        path = os.path.join(folder, VALUES_FILE)
        with open(path, encoding="utf-8") as file:
            self._rows = json.load(file)

    def __call__(self, number: int) -> Any:
        """Return the value with that number."""
        if number not in self._made:
            row = self._rows[number]
            self._made[number] = getattr(self, f"_{row['is']}")(row)
        return self._made[number]

    def _plain(self, row: Any) -> Any:
        return row["value"]

    def _bytes(self, row: Any) -> Any:
        return bytes.fromhex(row["hex"])

    def _complex(self, row: Any) -> Any:
        return complex(*row["parts"])

    def _range(self, row: Any) -> Any:
        return range(*row["parts"])

    def _module(self, row: Any) -> Any:
        return importlib.import_module(row["name"])

    def _list(self, row: Any) -> Any:
        return [self(one) for one in row["items"]]

    def _tuple(self, row: Any) -> Any:
        return tuple(self._list(row))

    def _set(self, row: Any) -> Any:
        return set(self._list(row))

    def _frozenset(self, row: Any) -> Any:
        return frozenset(self._list(row))

    def _dict(self, row: Any) -> Any:
        return {self(key): self(one) for key, one in row["pairs"]}

    def _array(self, row: Any) -> Any:
        import numpy

        array = numpy.load(os.path.join(self._folder, row["file"]), allow_pickle=False)
        return array[()] if row["scalar"] else array

    def _tensor(self, row: Any) -> Any:
        import torch

        path = os.path.join(self._folder, row["file"])
        tensor = torch.load(path, map_location="cpu", weights_only=True)
        if row["parameter"]:
            return torch.nn.Parameter(tensor, requires_grad=row["grad"])
        return tensor

    def _script(self, row: Any) -> Any:
        import torch

        return torch.jit.load(os.path.join(self._folder, row["file"]), map_location="cpu")

    def _method(self, row: Any) -> Any:
        return getattr(self(row["owner"]), row["name"])

    def _reference(self, row: Any) -> Any:
        found = importlib.import_module(row["module"]) if row.get("module") else None
        if found is None:
            found = self._main[row["path"][0]]
            rest = row["path"][1:]
        else:
            rest = row["path"]
        for name in rest:
            found = getattr(found, name)
        return found

    def _model(self, row: Any) -> Any:
        from . import named

        return named(row["adapter"]).read(os.path.join(self._folder, row["folder"]), row["data"])

    def _enum(self, row: Any) -> Any:
        return self._reference(row)[row["name"]]

    def _instance(self, row: Any) -> Any:
        kind = self._reference(row)
        made = kind.__new__(kind) if kind.__new__ is object.__new__ else object.__new__(kind)
        state = self(row["state"])
        if hasattr(kind, "__setstate__"):
            made.__setstate__(state)
        else:
            for name, value in state.items():
                object.__setattr__(made, name, value)
        return made

    def _call(self, row: Any) -> Any:
        made = self._reference(row)(*[self(one) for one in row["arguments"]])
        if "state" in row:
            state = self(row["state"])
            made.__setstate__(state) if hasattr(made, "__setstate__") else made.__dict__.update(
                state
            )
        for one in row.get("items", ()):
            made.append(self(one))
        for key, one in row.get("pairs", ()):
            made[self(key)] = self(one)
        return made

    def _pickle(self, row: Any) -> Any:
        import pickle

        with open(os.path.join(self._folder, row["file"]), "rb") as file:
            return pickle.load(file)  # noqa: S301 - from our own image, never from the network
