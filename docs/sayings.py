"""What Python says to people, as templates: each text of the source that reads as English.

The panel translates by them what reaches it as a made sentence (ADR 19). A template is the text
with `%1`, `%2`, ... for what varies; what an expression chooses from (`a if x else b`) gives one
template each. No list is kept: a new error's sentence is found where it is written.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jupyter_containerize.model.plan import LayerKind
from jupyter_containerize.model.reasons import ReasonKind
from jupyter_containerize.surfaces.forms import FORMS, fields
from jupyter_containerize.surfaces.server.commands import COMMANDS

#: The fields of forms: options of the command line, with their help.
_FIELDS = {field for command in FORMS for field in fields(command)}
SOURCE = Path(__file__).parent.parent / "jupyter_containerize"
CATALOGUE = SOURCE.parent / "labextension" / "src" / "sayings.ts"
#: What people type or read elsewhere: the command line, the magic, the widget.
_ELSEWHERE = ("surfaces", "guest/serving")
_PANEL = ("surfaces/server",)
#: Words of their own: what a table calls its rows, jobs and layers.
_WORDS = (
    *(kind.value for kind in LayerKind),
    *(command.title for command in COMMANDS.values()),
    *(field.label for field in _FIELDS),
    *("cells", "code", "data", "failed", "outputs", "packages", "programs"),
)
_HOLE = "\0"
_MOST_FORMS = 16
#: A name that stands for more texts than these stays a hole; they are templates of their own.
_MOST_NAMED = 3
#: Two words of prose; what is between holes may be one (`%1 files`).
_PROSE = re.compile(
    r"[a-z']+[,;:]? [a-z(]|^\0 [a-z]{3,}[.:]?$|^[A-Z][a-z]+:? \0|^cells? \0| [a-z]{3,}\.$|[a-z]{2,} \0\.$"
)
_LETTERS = 3
#: Patterns, templates of files, and what is typed, the same in every language.
_NO_PROSE = re.compile(
    r"\\|\(\?|\.\*|\|\w|\[\^|^# |^<|\{\w+[!:]|\d+s \d|;\s*import"
    r"|^(?:\0 -m )?pip install (?:-\S+ )*\S+$|^sudo \S+ \S+ \S+$"
    r"|^(?:curl|docker login|kubectl|import|from __\w+|http\S+|default-src|&&|127\S+) "
)
_FIELD = re.compile(r"\{\w*\}")
#: Whose arguments are looked for in other texts, and are not said.
_LOOKING = frozenset(
    ("compile", "search", "match", "fullmatch", "sub", "split", "partition", "rpartition", "replace",
     "startswith", "endswith", "removeprefix", "removesuffix", "count", "find", "index", "Struct")
)  # fmt: skip
_MOST_LINES = 4


@functools.cache
def templates() -> tuple[str, ...]:
    """Return all templates, in the order of the alphabet."""
    found = {*_WORDS, *(f"{kind.value} %1" for kind in ReasonKind)}
    found.update(field.help for field in _FIELDS)
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith(_PANEL) or not name.startswith(_ELSEWHERE):
            found.update(templates_of(path.read_text("utf-8")))
    return tuple(sorted(found))


def templates_of(source: str) -> Iterator[str]:
    """Yield the templates of one module."""
    for form in _lines(_Reader().forms_below(ast.parse(source))):
        text = re.sub(f"{_HOLE}+", _HOLE, _FIELD.sub(_HOLE, form)).strip()
        letters = sum(character.isalpha() for character in text)
        if _PROSE.search(text) and not _NO_PROSE.search(text) and letters >= _LETTERS:
            first, *others = text.split(_HOLE)
            yield first + "".join(f"%{place}{part}" for place, part in enumerate(others, 1))


def _lines(forms: Iterable[str]) -> Iterator[str]:
    """Yield the lines of what is not a whole file."""
    for form in forms:
        lines = form.split("\n")
        if len(lines) <= _MOST_LINES:
            yield from lines


def catalogue() -> str:
    """Return the TypeScript module whose literals the makers of language packs extract."""
    lines = [
        "/** What Python says to people. Made by docs/generate.py: do not edit. */",
        "",
        "import type { TranslationBundle } from '@jupyterlab/translation';",
        "",
        "/** Return every template, as a translator gives it. */",
        "export function sayings(trans: Pick<TranslationBundle, '__' | '_p'>): string[] {",
        "  return [",
        *(f"    {_call(template)}," for template in templates()),
        "  ];",
        "}",
    ]
    lines[-3] = lines[-3].rstrip(",")
    return "\n".join(lines) + "\n"


def _call(template: str) -> str:
    quoted = "'" + template.replace("\\", "\\\\").replace("'", "\\'") + "'"
    # Elsewhere in the panel a number of things is the singular of a plural, `Run` a verb.
    alone = re.fullmatch(r"%1 \w+", template) or template in _WORDS
    return f"trans._p('said', {quoted})" if alone else f"trans.__({quoted})"


def pattern_of(template: str) -> re.Pattern[str]:
    """Return what matches the texts that a template makes."""
    parts = re.split(r"%\d+", template)
    return re.compile("(.*?)".join(map(re.escape, parts)), re.DOTALL)


class _Reader:
    """Finds what may be said; knows which texts the names of a function stand for."""

    def __init__(self, named: Mapping[str, list[str]] | None = None) -> None:
        self._named = named or {}

    def forms_below(self, node: ast.AST) -> Iterator[str]:
        """Yield the forms of each text below a node that may be said; docstrings are not."""
        match node:
            case ast.Expr(ast.Constant()):
                return
            case ast.Constant() | ast.JoinedStr() | ast.BinOp() if _is_text(node):
                yield from self.forms(node)
                for inner in _inner(node):
                    yield from self.forms_below(inner)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                reader = _Reader(_named(node))
                for child in node.body:
                    yield from reader.forms_below(child)
            case _:
                for child in _said(node):
                    yield from self.forms_below(child)

    def forms(self, node: ast.AST) -> list[str]:
        """Return each text that an expression can be, a hole for each value that is not known."""
        forms = [_HOLE]
        match node:
            case ast.Constant(str(value)):
                forms = [value]
            case ast.JoinedStr(parts):
                forms = self._joined(parts)
            case ast.BinOp(left, ast.Add(), right):
                forms = self._joined([left, right])
            case ast.BinOp(ast.Constant(str(value)), ast.Mult(), _):
                forms = [value, ""]
            case ast.FormattedValue(ast.IfExp() | ast.BinOp() | ast.Name() as value, -1, None):
                forms = self.forms(value)
            case ast.IfExp(_, body, other):
                forms = self.forms(body) + self.forms(other)
            case ast.Name(name):
                forms = self._named.get(name, forms)
        return forms

    def _joined(self, parts: Sequence[ast.AST]) -> list[str]:
        forms = [""]
        for part in parts:
            more = self.forms(part)
            if len(forms) * len(more) > _MOST_FORMS:
                more = [_HOLE]
            forms = [form + end for form in forms for end in more]
        return forms


def _named(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, list[str]]:
    """Return the texts that names of a function stand for, where nothing else gives them a value."""
    given: Counter[str] = Counter()
    texts: dict[str, list[list[str]]] = {}
    for node in ast.walk(function):
        match node:
            case ast.Name(name, ast.Store()) | ast.arg(name):
                given[name] += 1
            case ast.Assign([ast.Name(name)], value):
                texts.setdefault(name, []).append(_Reader().forms(value))
    known = {
        name: [form for forms in found for form in forms]
        for name, found in texts.items()
        if len(found) == given[name]
    }
    return {name: forms for name, forms in known.items() if len(forms) <= _MOST_NAMED}


def _said(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the children of a node among which something may be said."""
    match node:
        case ast.Compare() | ast.Subscript():
            return
        case ast.Call(func=ast.Attribute(attr=name)) if name in _LOOKING:
            yield node.func
        case ast.Dict(_, values):
            yield from values
        case ast.AnnAssign(value=value):
            if value is not None:
                yield value
        case _:
            yield from ast.iter_child_nodes(node)


def _inner(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the expressions whose values go into a text."""
    match node:
        case ast.JoinedStr(values):
            yield from (part.value for part in values if isinstance(part, ast.FormattedValue))
        case ast.BinOp(left, _, right):
            for side in (left, right):
                yield from _inner(side) if _is_text(side) else (side,)


def _is_text(node: ast.AST) -> bool:
    match node:
        case ast.Constant(str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left, ast.Add(), right):
            return _is_text(left) or _is_text(right)
        case _:
            return False
