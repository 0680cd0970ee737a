"""What cells defined and served objects need, as one text that the guest runs as `__main__`.

Functions and classes by their source, imported names as imports, everything else by `values`.
What is not used is not there: neither training data nor plotting.
"""

from __future__ import annotations

import ast
import contextlib
import os
import pickle
import sys
import types
from typing import Any

from . import restoring, sources, values
from .problem import CannotServe

FILE = "definitions.py"
#: What the text calls to get a value by its number.
VALUE = "__containerize_value__"
_HEAD = "# What cells of the notebook defined and the served object needs.\nfrom __future__ import annotations\n"
#: What may stand in the text as it is written, up to this length.
_LITERALS = (bool, int, float, complex, str, bytes, type(None), list, tuple, dict, set)
_LONG = 300
#: Names that IPython puts into every notebook.
_OF_IPYTHON = frozenset({"get_ipython", "exit", "quit", "In", "Out", "open"})


class Gathered:
    """Collects definitions in the order in which they can run."""

    def __init__(self, folder: str, namespace: dict[str, Any]) -> None:
        """Write values into `folder`; look names up in `namespace`, the notebook's."""
        self.namespace = namespace
        self.writer = values.Writer(folder, self.refer)
        self.folder = folder
        self._chunks: list[str] = []
        self._done: dict[str, Any] = {}
        self._objects: dict[int, str] = {}
        self._imports = sources.imports_of(namespace)
        self._made = 0

    def refer(self, value: Any, name: str) -> dict[str, Any]:
        """Return where the guest finds a function or class, adding it if it is from a cell."""
        bare = _unwrapped(value)
        module, path = getattr(bare, "__module__", None), getattr(bare, "__qualname__", name)
        if module == "__main__":
            return {"path": self._define(value, bare, name)}
        if module is None:
            module, path = self._imports.get(name, ("builtins", path))
        if "<" in path or _resolved(module, path) is None:
            found = self._imports.get(name)
            if found is None or _resolved(*found) is None:
                raise CannotServe(
                    "not-saved",
                    what=f"{name} cannot be found again in another process.",
                    why=f"{module} has no {path}.",
                    fix="Define it in a cell with def, or in a module beside the notebook.",
                )
            module, path = found
        return {"module": module, "path": path.split(".")}

    def use_hints(self, function: Any) -> None:
        """Add what the hints of a cell's function name: the guest makes arguments by them."""
        if getattr(function, "__module__", None) == "__main__":
            source = sources.of_function(function, self.namespace)
            for text in sources.hints_in(source.text):
                self._use(text, within=source.name, bound=source.free)

    def text(self) -> str:
        """Return all definitions as one text."""
        return "\n\n".join([_HEAD, *self._chunks]) + "\n"

    def save(self) -> str:
        """Write definitions and values; return the definitions' file name."""
        self.writer.save()
        with open(os.path.join(self.folder, FILE), "w", encoding="utf-8") as file:
            file.write(self.text())
        return FILE

    def _define(self, value: Any, bare: Any, name: str) -> list[str]:
        """Add a function or class of a cell; return the path to it in the guest's `__main__`."""
        if id(value) in self._objects:
            return [self._objects[id(value)]]
        if isinstance(bare, type):
            outer = bare.__qualname__.split(".")
            if (
                len(outer) > 1
                and "<locals>" not in outer
                and isinstance(self.namespace.get(outer[0]), type)
            ):
                return [
                    *self._define(self.namespace[outer[0]], self.namespace[outer[0]], outer[0]),
                    *outer[1:],
                ]
            source = sources.of_class(bare, self.namespace)
        elif isinstance(bare, types.FunctionType):
            source = sources.of_function(bare, self.namespace)
        else:
            raise CannotServe(
                "source-not-found",
                what=f"The source of {name} cannot be found.",
                why=f"It is a {type(value).__qualname__}.",
                fix="Define it in a cell with def or class.",
            )
        called = self._free_name(source.name, value)
        self._objects[id(value)] = called
        self._use(source.text, within=source.name, bound=source.free)
        self._chunks.append(self._closed(source, bare, called))
        return [called]

    def _free_name(self, name: str, value: Any) -> str:
        """Return a name of the guest's `__main__` that is this object's alone."""
        while name in self._done and self._done[name] is not value:
            self._made += 1
            name = f"{name}_{self._made}"
        self._done[name] = value
        return name

    def _closed(self, source: sources.Source, bare: Any, called: str) -> str:
        """Return the text that defines it, inside a function that gives it what it closes over."""
        if not source.free:
            text = source.text
            return text if source.name == called else f"{text}\n{called} = {source.name}"
        given = []
        for name, cell in zip(source.free, bare.__closure__ or ()):
            try:
                content = cell.cell_contents
            except ValueError:
                raise _gone(name, called) from None
            if content is bare:
                given.append("None")  # it calls itself: its own definition binds the name
            else:
                given.append(self._given(name, content))
        body = "\n".join(f"    {line}" for line in source.text.splitlines())
        inner = [name for name in source.free if name != source.name]
        values_given = [one for name, one in zip(source.free, given) if name != source.name]
        return (
            f"def __make_{called}__({', '.join(inner)}):\n{body}\n    return {source.name}\n"
            f"{called} = __make_{called}__({', '.join(values_given)})"
        )

    def _given(self, name: str, content: Any) -> str:
        literal = repr(content) if type(content) in _LITERALS else ""
        if literal and len(literal) < _LONG and _is_literal(literal, content):
            return literal
        return f"{VALUE}({self.writer.add(content, name)})"

    def _use(self, text: str, *, within: str, bound: tuple[str, ...] = ()) -> None:
        """Add what a text names: imports, other definitions, values. Errors: `name-gone`."""
        for name in sources.names_used(text):
            if name == within or name in bound or name in _OF_IPYTHON:
                continue
            if name not in self.namespace:
                if sources.is_builtin(name) or name in sources.names_set(text):
                    continue
                raise _gone(name, within)
            self._bind(name, self.namespace[name], text)

    def _bind(self, name: str, value: Any, text: str) -> None:
        """Make `name` mean `value` in the guest."""
        if isinstance(value, types.ModuleType):
            self._import(name, value, text)
            return
        if name in self._done and self._done[name] is value:
            return
        bare = _unwrapped(value)
        if (
            isinstance(value, type)
            or isinstance(bare, (types.FunctionType, types.BuiltinFunctionType))
            or _found_in(self._imports.get(name), value)
        ):
            if _found_in(self._imports.get(name), value):
                module, member = self._imports[name]
                self._done[name] = value
                self._chunks.append(f"from {module} import {_as(member, name)}")
                return
            where = self.refer(value, name)
            if "module" in where:
                self._done[name] = value
                first, *rest = where["path"]
                line = f"from {where['module']} import {_as(first, name)}"
                self._chunks.append(line + (f"\n{name} = {name}.{'.'.join(rest)}" if rest else ""))
            elif where["path"] != [name]:
                self._done[name] = value
                self._chunks.append(f"{name} = {'.'.join(where['path'])}")
            return
        self._done[name] = value
        self._chunks.append(f"{name} = {self._given(name, value)}")

    def _import(self, name: str, module: types.ModuleType, text: str) -> None:
        lines = [f"import {one}" for one in sources.submodules_used(text, name, module.__name__)]
        if module.__name__ == "__main__":
            return
        if self._done.get(name) is not module:
            self._done[name] = module
            lines.insert(0, f"import {_as(module.__name__, name)}")
        fresh = [line for line in lines if line not in self._chunks]
        self._chunks += fresh


def gather(roots: list[Any], folder: str, namespace: dict[str, Any]) -> Gathered | None:
    """Return definitions of those `roots` (functions, classes) that are from cells; None if none is."""
    wanted = [one for one in roots if getattr(one, "__module__", None) == "__main__"]
    if not wanted:
        return None
    gathered = Gathered(folder, namespace)
    for one in wanted:
        name = getattr(one, "__name__", "it")
        path = gathered.refer(one, name)["path"]
        if path != [name] and name.isidentifier():
            gathered._chunks.append(f"{name} = {'.'.join(path)}")
    return gathered


def pickled_names(value: Any) -> list[Any]:
    """Return the functions and classes of cells that a pickle of `value` would name."""
    found: dict[int, Any] = {}

    class Looker(pickle.Pickler):
        def persistent_id(self, one: Any) -> None:
            if isinstance(one, (type, types.FunctionType)) and one.__module__ == "__main__":
                found.setdefault(id(one), one)

    # Whoever saves it will say why it cannot be.
    with open(os.devnull, "wb") as nowhere, contextlib.suppress(Exception):
        Looker(nowhere, protocol=4).dump(value)
    return list(found.values())


def become_main(folder: str, file: str) -> types.ModuleType:
    """Run the definitions in `folder` as the module `__main__`, where saved objects look for them."""
    module = types.ModuleType("__main__")
    path = os.path.join(folder, file)
    module.__file__ = path
    if os.path.exists(os.path.join(folder, restoring.VALUES_FILE)):
        setattr(module, VALUE, restoring.Reader(folder, module.__dict__))
    sys.modules["__main__"] = module
    with open(path, encoding="utf-8") as text:
        exec(compile(text.read(), path, "exec"), module.__dict__)  # noqa: S102 - the user's own cells
    return module


def _unwrapped(value: Any) -> Any:
    """Return the function inside decorators that leave it as functools.wraps does."""
    for _ in range(10):
        if isinstance(value, type) or not hasattr(value, "__wrapped__"):
            return value
        value = value.__wrapped__
    return value


def _resolved(module: str, path: str) -> Any:
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _as(member: str, name: str) -> str:
    return member if member == name else f"{member} as {name}"


def _is_literal(text: str, value: Any) -> bool:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return bool(found == value)


def _found_in(imported: tuple[str, str] | None, value: Any) -> bool:
    return imported is not None and _resolved(*imported) is value


def _gone(name: str, within: str) -> CannotServe:
    return CannotServe(
        "name-gone",
        what=f"{within} uses the name {name!r}, which no longer exists in the kernel.",
        why="It was deleted, or its cell was not run in this session.",
        fix="Run the cell that makes it, then try again.",
    )
