"""`argparse` with our kind of errors, and help that reads the same on every Python."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from ..errors import ContainerizeError

#: Where the words behind `--` go, for a command whose parser has a default for it.
BEHIND = "behind"


class Formatter(argparse.HelpFormatter):
    """Help with `-t, --tag NAME` (as Python 3.13 has it), in one width everywhere."""

    def __init__(self, prog: str, **_: Any) -> None:
        super().__init__(prog, max_help_position=30, width=92)
        self._set_color(False)  # noqa: FBT003 - Python 3.14's method takes it by position

    def _set_color(self, color: bool, **keywords: Any) -> None:
        """Keep Python 3.14 from colouring: help is compared with the documentation."""
        del color
        parent = getattr(super(), "_set_color", None)
        if parent is not None:
            parent(*(False,), **keywords)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class Parser(argparse.ArgumentParser):
    """A parser that raises `ContainerizeError("usage")` instead of ending the process."""

    def __init__(self, **keywords: Any) -> None:
        keywords.setdefault("formatter_class", Formatter)
        super().__init__(allow_abbrev=False, **keywords)
        self.typed = ""  # what to type behind the command's name, as an example

    def error(self, message: str) -> NoReturn:
        """Raise `message` as our error. Errors: `usage`."""
        such = f"Such as `{self.prog} {self.typed}`; more: " if self.typed else "See "
        raise ContainerizeError(
            "usage", what=f"{self.prog}: {message}.", fix=f"{such}`{self.prog} --help`."
        )

    def subcommands(self) -> dict[str, Parser]:
        """Return the parsers of the commands by name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse has no public way
                return dict(action.choices)
        return {}

    def groups(self) -> list[tuple[str, list[argparse.Action]]]:
        """Return the arguments as the help groups them, by title."""
        groups = self._action_groups  # argparse has no public way
        return [(group.title or "", list(group._group_actions)) for group in groups]  # noqa: SLF001

    def options(self) -> list[str]:
        """Return every option string."""
        return sorted(self._option_string_actions)

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse a command line. Errors: `usage`, with the nearest known word suggested."""
        commands = self.subcommands()
        arguments, behind = _split(arguments)
        first = next((word for word in arguments if not word.startswith("-")), None)
        if first is not None and first not in commands:
            raise unknown(first, "a command", self.prog, commands)
        named = commands.get(first, self) if first is not None else self
        _reject_unknown_options(named, arguments)
        namespace, rest = self.parse_known_args(arguments)
        if rest:
            raise unknown(rest[0], "an argument", named.prog, named.options())
        if behind is not None and not hasattr(namespace, BEHIND):
            raise unknown("--", "an argument", named.prog, ())
        if behind:
            setattr(namespace, BEHIND, behind)
        return namespace


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], list[str] | None]:
    """Split a command line at its first `--`."""
    if "--" not in arguments:
        return arguments, None
    place = list(arguments).index("--")
    return arguments[:place], list(arguments[place + 1 :])


def _reject_unknown_options(parser: Parser, arguments: Sequence[str]) -> None:
    """Name a misspelt option before argparse complains about what is missing after it."""
    known = parser.options()
    for word in arguments:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in known:
            raise unknown(name, "an option", parser.prog, known)


def unknown(word: str, kind: str, prog: str, known: Iterable[str]) -> ContainerizeError:
    """Return the `usage` error for a word that is not among the known ones."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.6)
    if near:
        fix = "Did you mean " + " or ".join(f"`{name}`" for name in near) + "?"
    else:
        fix = f"See `{prog} --help`."
    return ContainerizeError("usage", what=f"`{word}` is not {kind} of `{prog}`.", fix=fix)
