"""The options of commands as the fields of a form: one list for who types and for who clicks.

A form is answered with texts, flags and lists, by the name of the option. The answers become the
words of a command line, and the one parser says what they mean and what is wrong with them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import to_json
from .arguments import parser
from .config import Containerize
from .requests import request_of

#: A text, whether a flag is set, or several texts.
Answer = str | bool | Sequence[str]

#: Commands that can be asked for by a form, with what their line needs beside the form's words.
FORMS: Mapping[str, tuple[str, ...]] = {
    "build": (),
    "plan": (),
    "serve": ("model",),
    "run": (),
    "verify": (),
    "export": ("--kubernetes", "."),
}

#: What surfaces decide themselves, or what is about a terminal.
_NEVER = frozenset(
    {"--help", "--store", "--json", "--run", "--verify", "--detach", "--object", "--mark-cell"}
    | {"--kubernetes", "--helm", "--dockerfile"}
)
#: Names that say too little, or are no words, for who has not typed them.
_LABELS = {
    "--tag": "Name",
    "--pull": "Newest base",
    "--no-execute": "Do not run the cells",
    "--env": "Variables",
    "--to": "Engine",
    "--cpus": "CPUs",
    "--gpus": "GPUs",
    "--timeout": "Time limit",
    "--cell-timeout": "Time limit of a cell",
    "--rtol": "Tolerance",
    "--keep": "Outputs wait for",
    "--ttl": "Ended runs stay for",
    "--gpu-resource": "GPU resource",
    "--as": "Kind of object",
    "--name": "Service's name",
    "--target-cpu": "Target CPU",
    "--target-rps": "Target requests",
}
_OF_RUNS = ("run", "verify", "export")


@dataclass(frozen=True, slots=True)
class Field:
    """One option. `kind` is `text`, `flag`, `many` (texts) or `choice` (one of `choices`).

    `value` shows what is to be written, such as SIZE; `part` is `image`, `run` or `cluster`.
    """

    option: str
    label: str
    kind: str
    value: str
    help: str
    part: str
    choices: tuple[str, ...] = ()


@cache
def fields(command: str) -> tuple[Field, ...]:
    """Return the options that a form about a command has, in the order of its help."""
    made = parser(magic=True).subcommands()[command]
    usual = "run" if command in _OF_RUNS else "image"
    return tuple(
        _field(action, _part(title, usual))
        for title, actions in made.groups()
        for action in actions
        if action.option_strings and action.option_strings[-1] not in _NEVER
    )


def words(
    command: str, answers: Mapping[str, Answer], *, path: Callable[[str], str] = str
) -> list[str]:
    """Return a form's answers as words of a command line, without those that say nothing.

    `path` makes a file's name absolute. Errors: `bad-request` for an option that is not the form's.
    """
    known = {field.option: field for field in fields(command)}
    found = []
    for option, answer in answers.items():
        if option not in known:
            raise ContainerizeError(
                "bad-request",
                what=f"The form of `{command}` has no {option}.",
                fix=f"It has: {', '.join(known)}.",
            )
        if isinstance(answer, bool):
            found += [option] if answer else []
            continue
        texts = [answer] if isinstance(answer, str) else answer
        found += [
            f"{option}={_located(option, text.strip(), path)}" for text in texts if text.strip()
        ]
    return found


def options(
    command: str, answers: Mapping[str, Answer], *, path: Callable[[str], str] = str
) -> dict[str, Any]:
    """Return what a form's answers change in the command's request, as JSON.

    Errors: `usage` and the others of the command line, `bad-request` as `words`.
    """
    said = words(command, answers, path=path)
    changed: dict[str, Any] = _changes(_request(command, ()), _request(command, said))
    return changed


def _request(command: str, said: Sequence[str]) -> Any:
    """Return the request of a command line; the folder that an export needs is in both."""
    args = parser(magic=True).parse([command, *FORMS[command], *said])
    return to_json(request_of(args, Containerize()))


def _changes(before: Any, after: Any) -> dict[str, Any]:
    """Return the values of `after` that `before` has not, in the same places."""
    found = {}
    for key, value in after.items():
        if isinstance(value, dict) and isinstance(before.get(key), dict):
            value = _changes(before[key], value)  # noqa: PLW2901 - only what has changed of it
            if value:
                found[key] = value
        elif key not in before or value != before[key]:
            found[key] = value
    return found


def _field(action: argparse.Action, part: str) -> Field:
    option = action.option_strings[-1]
    kind = "text"
    if action.nargs == 0:
        kind = "flag"
    elif action.choices is not None:
        kind = "choice"
    elif isinstance(action.default, list):
        kind = "many"
    name = _LABELS.get(option, option.removeprefix("--").replace("-", " "))
    return Field(
        option=option,
        label=name[0].upper() + name[1:],
        kind=kind,
        value=str(action.metavar or ""),
        help=str(action.help).removesuffix("; may be repeated"),
        part=part,
        choices=tuple(action.choices or ()),
    )


def _part(title: str, usual: str) -> str:
    """Return what a group of options is about."""
    if title.startswith("on Kubernetes"):
        return "cluster"
    return "run" if title.startswith("running") else usual


def _located(option: str, text: str, path: Callable[[str], str]) -> str:
    """Return an answer with the name of a file in it, if it has one, absolute."""
    first, colon, rest = text.partition(":")
    if option == "--include":
        return path(text)
    if option == "--mount":
        return f"{path(first)}{colon}{rest}"
    if (
        option in ("--output", "--base")
        and rest
        and first.removesuffix("-archive") in ("oci", "docker")
    ):
        return f"{first}:{path(rest)}"
    return text
