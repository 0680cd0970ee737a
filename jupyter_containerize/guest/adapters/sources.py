"""The source text of functions and classes that cells defined, and the names that it uses."""

from __future__ import annotations

import ast
import builtins
import dis
import linecache
import sys
import textwrap
import types
from typing import Any

from .problem import CannotServe

_GLOBAL_LOADS = frozenset(
    {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_GLOBALS"}
)
#: Annotations stay text in the guest: what only they name need not be there.
_LAZY = "from __future__ import annotations\n"


class Source:
    """One definition as text: `text` binds `name`; `factory` names what it closes over."""

    def __init__(self, name: str, text: str, free: tuple[str, ...] = ()) -> None:
        """Take text that has been cut out of a cell."""
        self.name = name
        self.text = text
        self.free = free


def of_function(function: types.FunctionType, namespace: dict[str, Any]) -> Source:
    """Return the source of a function or lambda. Errors: `source-not-found`."""
    code, name = function.__code__, function.__name__
    whole = _cell_of(code.co_filename)
    found: Any = None
    for node in ast.walk(_parsed(whole)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            if _first_line(node) == code.co_firstlineno:
                found = node
        elif name == "<lambda>" and isinstance(node, ast.Lambda) and _is_lambda(node, code, whole):
            found = found or node
    if found is None:
        raise _not_found(f"the function {function.__qualname__}")
    if isinstance(found, ast.Lambda):
        text = ast.get_source_segment(whole, found) or ast.unparse(found)
        return Source("lambda_", f"lambda_ = ({text})", code.co_freevars)
    text = _segment(whole, found)
    if (
        found.decorator_list
        and namespace.get(name) is not function
        and not _leads_to(namespace.get(name), function)
    ):
        # What a decorator was given is the bare function.
        found.decorator_list = []
        text = ast.unparse(found)
    return Source(name, text, code.co_freevars)


def of_class(kind: type, namespace: dict[str, Any]) -> Source:
    """Return the source of a class, or the assignment that made it. Errors: `source-not-found`."""
    name = kind.__name__
    for whole in _cells_of(kind, namespace):
        for node in ast.walk(_parsed(whole)):
            if isinstance(node, ast.ClassDef) and node.name == name:
                return Source(name, _segment(whole, node))
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Call)
                and _binds(node, name)
            ):
                return Source(name, _segment(whole, node))
    raise _not_found(f"the class {kind.__qualname__}")


def names_used(text: str) -> list[str]:
    """Return the global names that running `text`, and what it defines, looks up."""
    try:
        whole = compile(_LAZY + text, "<definition>", "exec")
    except SyntaxError:
        return []
    loads: dict[str, None] = {}
    made: set[str] = set()
    pending = [whole]
    while pending:
        code = pending.pop()
        bound: set[str] = made if code is whole else set()  # so far, by a class's own body
        for step in dis.get_instructions(code):
            name = str(step.argval)
            if step.opname == "STORE_NAME":
                bound.add(name)
            elif step.opname in _GLOBAL_LOADS and (
                step.opname == "LOAD_GLOBAL" or name not in bound
            ):
                loads.setdefault(name.partition(" ")[0])
        pending += [one for one in code.co_consts if isinstance(one, types.CodeType)]
    for name in _annotated(text):
        loads.setdefault(name)
    hidden = {
        "__name__",
        "__qualname__",
        "__module__",
        "__file__",
        "__doc__",
        "__class__",
        "__annotations__",
    }
    return [name for name in loads if name not in made and name not in hidden]


def names_set(text: str) -> set[str]:
    """Return the global names that functions in `text` bind: they need not exist before."""
    return {
        name
        for node in ast.walk(_parsed(text))
        if isinstance(node, ast.Global)
        for name in node.names
    }


def hints_in(text: str) -> list[str]:
    """Return the annotations of the arguments of the function that `text` defines, as expressions."""
    found = []
    for node in _parsed(text).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            given = node.args
            every = (*given.posonlyargs, *given.args, *given.kwonlyargs)
            hints = [one.annotation for one in every if one.annotation is not None]
            found += [
                str(one.value) if isinstance(one, ast.Constant) else ast.unparse(one)
                for one in hints
            ]
    return found


def is_builtin(name: str) -> bool:
    """Tell whether Python knows the name by itself."""
    return hasattr(builtins, name)


def imports_of(namespace: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return name → (module, member) of every `from module import member as name` in the cells."""
    found: dict[str, tuple[str, str]] = {}
    for whole in namespace.get("In") or ():
        for node in ast.walk(_parsed(str(whole))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    found[alias.asname or alias.name] = (node.module, alias.name)
    return found


def submodules_used(text: str, name: str, module: str) -> list[str]:
    """Return the loaded submodules that `text` reaches as attributes of the module `name`."""
    found: dict[str, None] = {}
    for node in ast.walk(_parsed(text)):
        parts: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if not (isinstance(inner, ast.Name) and inner.id == name):
            continue
        dotted = module
        for part in parts:
            dotted = f"{dotted}.{part}"
            if dotted not in sys.modules:
                break
            found[dotted] = None
    return list(found)


def _binds(node: ast.Assign, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in node.targets)


def _annotated(text: str) -> list[str]:
    """Return names in the annotations of classes: dataclass, pydantic and the like read them."""
    found = []
    for node in ast.walk(_parsed(text)):
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.AnnAssign):
                    found += [
                        one.id for one in ast.walk(part.annotation) if isinstance(one, ast.Name)
                    ]
    return found


def _cell_of(file: str) -> str:
    text = "".join(linecache.getlines(file))
    if not text:
        raise _not_found(f"what {file} defined")
    return text


def _cells_of(kind: type, namespace: dict[str, Any]) -> list[str]:
    """Return texts that may define a class: the cell of one of its methods, then all, newest first."""
    found = []
    for member in vars(kind).values():
        function = getattr(member, "__func__", getattr(member, "fget", member))
        if str(getattr(function, "__qualname__", "")).startswith(f"{kind.__qualname__}."):
            code = getattr(function, "__code__", None)
            found += ["".join(linecache.getlines(code.co_filename))] if code is not None else []
    return [*dict.fromkeys(found), *(str(text) for text in reversed(namespace.get("In") or ()))]


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:  # magics that nobody translated
        return ast.Module([], [])


def _segment(whole: str, node: Any) -> str:
    """Return a statement's own lines, decorators included, without their indentation."""
    lines = whole.splitlines()[_first_line(node) - 1 : node.end_lineno]
    return textwrap.dedent("\n".join(lines))


def _first_line(node: Any) -> int:
    return int(min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))]))


def _is_lambda(node: ast.Lambda, code: types.CodeType, whole: str) -> bool:
    """Tell whether a lambda on that line is the one: two on a line differ in their code."""
    if node.lineno != code.co_firstlineno:
        return False
    text = ast.get_source_segment(whole, node)
    if text is None or code.co_freevars:
        return True
    try:
        compiled = compile(f"({text})", "<lambda>", "eval")
    except SyntaxError:
        return True
    bodies = [one for one in compiled.co_consts if isinstance(one, types.CodeType)]
    return (
        bool(bodies) and bodies[0].co_code == code.co_code and bodies[0].co_names == code.co_names
    )


def _leads_to(value: Any, function: Any) -> bool:
    """Tell whether a decorated `value` has `function` inside, as functools.wraps leaves it."""
    for _ in range(10):
        value = getattr(value, "__wrapped__", None)
        if value is function:
            return True
    return False


def _not_found(what: str) -> CannotServe:
    return CannotServe(
        "source-not-found",
        what=f"The source of {what} cannot be found.",
        why="It was not made by a cell of this kernel that is still known.",
        fix="Define it in a cell with def or class, or in a module beside the notebook.",
    )
