"""What a local module's source text names in its imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def imports_of_file(path: str, *, package: str = "") -> tuple[str, ...]:
    """Return the dotted names that the Python file imports, sorted; () if it cannot be parsed.

    `from a import b` gives `a.b`; relative imports start from `package`. Literal arguments
    of `import_module` and `__import__` count too.
    """
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError:
        return ()
    return imports_of(source, package=package)


def imports_of(source: str | bytes, *, package: str = "") -> tuple[str, ...]:
    """Return the same for source text."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    return tuple(sorted(set(_names(tree, package))))


def _names(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield alias.name
            case ast.ImportFrom(module=module, names=names, level=level):
                base = _base(package, level, module or "")
                for alias in names:
                    yield f"{base}.{alias.name}".strip(".")
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def _base(package: str, level: int, module: str) -> str:
    if not level:
        return module
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - (level - 1)]
    return ".".join([*kept, module]).strip(".")
