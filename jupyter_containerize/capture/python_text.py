"""A cell as plain Python that can be parsed, whatever magics and mistakes are in it."""

from __future__ import annotations

import ast
import functools
import re
import warnings

#: Line and cell magics whose argument or body is Python of the notebook itself.
_PYTHON_MAGICS = frozenset(
    {"time", "timeit", "prun", "capture", "memit", "mprun", "lprun", "debug"}
)
#: Extensions that `%load_ext` finds inside IPython.
BUNDLED_EXTENSIONS = frozenset({"autoreload", "storemagic"})
_MAX_BROKEN_LINES = 200
_CELL_MAGIC = re.compile(r"%%(?P<name>\w+)\s*(?P<line>.*)")
_LINE_MAGIC = re.compile(
    r"^([ \t]*(?:\w+\s*=\s*)?)%(?:time|timeit|prun|memit|debug)[ \t]+(?P<line>\S.*)", re.MULTILINE
)
_LOAD_MAGIC = re.compile(r"^([ \t]*)%?(?:re)?load_ext[ \t]+(?P<name>[\w.]+)[ \t]*$", re.MULTILINE)
_OPTION = re.compile(r"(?:-[nrpslTDfm]\s*[^\s-]\S*|--?\w+)\s+")


def python_of(source: str) -> str:
    """Return the cell as Python that can be parsed, line by line, and names the same modules.

    Other magics and `!` become calls of `get_ipython()`, and what is no Python at all `pass`.
    """
    return "\n".join(_readable(_transformed(_plain(source))))


def tree_of(source: str) -> ast.Module:
    """Return the syntax tree of `python_of` the cell."""
    return _tree(python_of(source))


def _plain(source: str) -> str:
    """Write magics that run or import Python as the Python they run."""
    first, _, body = source.lstrip().partition("\n")
    magic = _CELL_MAGIC.match(first)
    if magic and magic["name"] in _PYTHON_MAGICS:
        setup = _statement(magic["line"])
        if magic["name"] == "capture" and setup:
            setup = f"{setup.split()[-1]} = None"
        return f"{setup}\n{_plain(body)}"
    if magic:
        return source
    source = _LOAD_MAGIC.sub(_import_of_extension, source)
    return _LINE_MAGIC.sub(lambda found: found[1] + _statement(found["line"]), source)


def _statement(line: str) -> str:
    """Return what follows the options of `%timeit -n 3 statement`."""
    while option := _OPTION.match(line):
        line = line[option.end() :]
    return line


def _import_of_extension(found: re.Match[str]) -> str:
    bundled = found["name"] in BUNDLED_EXTENSIONS
    return f"{found[1]}__import__({('IPython.extensions.' if bundled else '') + found['name']!r})"


def _transformed(source: str) -> str:
    """Return the cell as IPython hands it to Python; what is Python already stays as it is."""
    source = source.rstrip("\n")
    if not source.strip():
        return ""
    if _broken_line(source) is None:
        return source  # most cells, and many notebooks: they need not import IPython
    from IPython.core.inputtransformer2 import (  # noqa: PLC0415 - as above
        TransformerManager,
    )

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text: str = TransformerManager().transform_cell(source)
    except (SyntaxError, ValueError, IndexError):
        return source
    return text.rstrip("\n")


@functools.lru_cache(maxsize=512)
def _readable(python: str) -> tuple[str, ...]:
    """Return the lines of `python`, those that stop it from being parsed taken out."""
    lines = python.split("\n")
    for _ in range(_MAX_BROKEN_LINES):
        broken = _broken_line("\n".join(lines))
        if broken is None:
            return tuple(lines)
        place = min(max(broken, 1), len(lines)) - 1
        while place > 0 and not lines[place].strip():
            place -= 1
        text = lines[place].lstrip()
        if not text:
            break
        # `pass` keeps the block above it whole; where even that is too much, nothing stands.
        lines[place] = "" if text == "pass" else lines[place][: -len(text)] + "pass"
    return ()


def _broken_line(python: str) -> int | None:
    """Return the line where parsing fails, None if it does not."""
    try:
        _tree(python)
    except SyntaxError as error:
        return error.lineno or 1
    except (ValueError, RecursionError, MemoryError):
        return 1
    return None


@functools.lru_cache(maxsize=512)
def _tree(python: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(python)


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for such an expression, `get_ipython().x` for a call's attribute, else ""."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return f"{node.func.id}()" if node.func.id == "get_ipython" else ""
    return ""
