"""The fixes that a sentence names, as words that can be added to a `build`: what a button does.

A fix says what to do in the words of the command line (`--include PATH`, "tag it `skip`"), so
that whoever types can type it. Here the same words are found again for those who click: only
options that change a build, with a value that is given. A fix for people stays a sentence.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Options that mend a build, and the words on their buttons.
_OPTIONS = {
    "--include": "Add {short}",
    "--mount": "Mount {short} instead",
    "--allow-secret": "Accept it",
    "--allow-errors": "Build anyway",
    "--env": "Set {short}",
}
_FLAGS = frozenset({"--allow-errors"})
_OPTION = re.compile(rf"(?<![\w-])({'|'.join(_OPTIONS)})(?![\w-])")
_TAG = re.compile(r"""[`'"](skip|nondeterministic|raises-exception)[`'"]""")
_TAG_LABELS = {
    "skip": "Leave {cells} out",
    "nondeterministic": "Compare only the shape of {cells}",
    "raises-exception": "Expect the error of {cells}",
}
#: Values that stand for something the reader must put there.
_PLACEHOLDER = re.compile(r"(?:^|[:=])[A-Z]{4,}\b")
_CELLS = re.compile(r"\bcells? (\d+(?:(?:, | and )\d+)*)", re.IGNORECASE)
#: A word as `shlex.quote` writes it, in a sentence or between backticks.
_WORD = re.compile(r"""[ =](?:(?P<quoted>'(?:[^']|'"'"')*')|(?P<plain>[^\s`;)'"]+))""")
_SHORT = 32


@dataclass(frozen=True, slots=True)
class Fix:
    """One way to mend a problem: `label` for a button, `words` to add to a build's command line."""

    label: str
    words: tuple[str, ...]


def fixes(problem: Mapping[str, Any]) -> tuple[Fix, ...]:
    """Return what a button can do about a finding, an error or a cell of a verdict, as JSON."""
    text = problem.get("fix") or ""
    found = [*_options(text), *_tags(text, _cells(problem))]
    return tuple(dict.fromkeys(found))


def _options(text: str) -> Iterator[Fix]:
    for match in _OPTION.finditer(text):
        name = match[1]
        if name in _FLAGS:
            yield Fix(_OPTIONS[name], (name,))
            continue
        value = _value(text[match.end() :])
        if value and not _PLACEHOLDER.search(value):
            yield Fix(_OPTIONS[name].format(short=_short(value)), (name, value))


def _value(text: str) -> str:
    """Return the word that follows an option in a sentence, "" if there is none."""
    match = _WORD.match(text)
    if match is None:
        return ""
    if match["quoted"]:
        return shlex.split(match["quoted"])[0]
    closed = text[match.end() :].startswith("`")
    return match["plain"] if closed else match["plain"].rstrip(".,")


def _tags(text: str, cells: list[int]) -> Iterator[Fix]:
    if not cells:
        return
    named = f"cell{'s' * (len(cells) > 1)} {', '.join(map(str, cells))}"
    for match in _TAG.finditer(text):
        words = [word for cell in cells for word in ("--mark-cell", f"{cell}={match[1]}")]
        yield Fix(_TAG_LABELS[match[1]].format(cells=named), tuple(words))


def _cells(problem: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the cells that a problem is about."""
    known = problem.get("cell", problem.get("number"))
    named = _CELLS.search(problem.get("what", ""))
    numbers = [int(number) for number in re.findall(r"\d+", named[1])] if named else []
    if known is not None and int(known) not in numbers:
        return [int(known)]
    return numbers


def _short(value: str) -> str:
    """Return a path by its name, anything else as it is, cut to a button's width."""
    first = value.partition(":")[0]
    text = first.rstrip("/").rpartition("/")[2] or first
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"
