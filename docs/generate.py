"""Writes what is made from the source: `docs/commands.md`, `docs/errors.md`, the panel's `sayings.ts`.

`python docs/generate.py` after a change; the tests compare the pages with what it would write.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import sayings

from jupyter_containerize.surfaces.arguments import parser

DOCS = Path(__file__).parent
SOURCE = DOCS.parent / "jupyter_containerize"
_MADE = "<!-- Made by docs/generate.py: do not edit. -->\n"
_ABOUT_ERRORS = (
    "Every error has a stable code, says what happened, why, and what to do. A finding is "
    "something to know about a notebook; those marked *blocking* stop a build. `…` stands "
    "for a name or a number.\n"
)
#: What makes an error or a finding: a code first (or as `code=`), then what, why and fix.
_MAKERS = ("ContainerizeError", "CannotServe", "Finding", "warned")


def commands_page() -> str:
    """Return the help of every command."""
    top = parser()
    parts = [_MADE, "# Commands\n", _block(top.format_help())]
    parts.append(
        "`%containerize COMMAND …` takes the same in a notebook; there NOTEBOOK is optional, and "
        "`%containerize` alone is `%containerize build`.\n"
    )
    for name, command in top.subcommands().items():
        parts += [f"## {name}\n", _block(command.format_help())]
    return "\n".join(parts)


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


def errors_page() -> str:
    """Return a table of all errors and findings."""
    rows = sorted({row for path in sorted(SOURCE.rglob("*.py")) for row in rows_of(path)})
    lines = [
        _MADE,
        "# Errors and findings\n",
        _ABOUT_ERRORS,
        "| code | kind | what | what to do |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{code}` | {kind} | {what} | {fix} |" for code, kind, what, fix in rows]
    return "\n".join(lines) + "\n"


def rows_of(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield code, kind, what and fix of each error and finding made in a source file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or _name(node.func) not in _MAKERS:
            continue
        words = {word.arg: word.value for word in node.keywords if word.arg}
        code = _code(node, words)
        if code is not None:
            is_error = _name(node.func) in ("ContainerizeError", "CannotServe")
            kind = "error" if is_error else _severity(node, words)
            at = {"what": 1, "fix": 3} if is_error else {"what": 2, "fix": 4}
            what, fix = (_word(node, words, name, place) for name, place in at.items())
            yield code, kind, _cell(what), _cell(fix)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _code(node: ast.Call, words: dict[str, ast.expr]) -> str | None:
    first = node.args[0] if node.args else words.get("code")
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _word(node: ast.Call, words: dict[str, ast.expr], name: str, place: int) -> ast.expr | None:
    return words.get(name, node.args[place] if len(node.args) > place else None)


def _severity(node: ast.Call, words: dict[str, ast.expr]) -> str:
    if _name(node.func) == "warned":
        return "finding, warning"
    given = words.get("severity", node.args[1] if len(node.args) > 1 else None)
    if isinstance(given, ast.Attribute):
        return {"BLOCKING": "finding, blocking"}.get(given.attr, f"finding, {given.attr.lower()}")
    return "finding"


def _cell(expression: ast.expr | None) -> str:
    """Return the text of a table's cell; what is only known at run time as `…`."""
    return " ".join(_text(expression).split()).replace("|", "\\|").replace("<", "&lt;")


def _text(expression: ast.expr | None) -> str:
    match expression:
        case None:
            return ""
        case ast.Constant(str(value)):
            return value
        case ast.JoinedStr(values):
            return "".join(_text(part) for part in values)
        case ast.BinOp(left, ast.Add(), right):
            return _text(left) + _text(right)
        case ast.IfExp(_, body, _):
            return _text(body)
        case _:
            return "…"


if __name__ == "__main__":
    (DOCS / "commands.md").write_text(commands_page(), "utf-8")
    (DOCS / "errors.md").write_text(errors_page(), "utf-8")
    sayings.CATALOGUE.write_text(sayings.catalogue(), "utf-8")
