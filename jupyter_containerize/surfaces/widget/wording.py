"""The command lines that do what the widget's buttons do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...model.plan import SERVICE_PORT
from .state import Data, State

#: Options of a build that its runs take too.
_FOR_RUNS = frozenset({"--mount"})


def build_words(state: State, *, prove: bool = False) -> list[str]:
    """Return the words that build; with `prove` run and verify too. A service is always proven."""
    if not state.serves:
        return ["build", *state.words, *(["--run", "--verify"] if prove else [])]
    example = ["--example", state.example] if state.example else []
    return ["serve", state.target, *example, *state.words]


def run_words(state: State, image: Data, parameters: Mapping[str, str]) -> list[str]:
    """Return the words that run an image: a proof, unless `parameters` are not the notebook's own."""
    words = [image["digest"], *_pairs(state.words)]
    if state.serves:
        return ["run", image["digest"], "-d", "--port", f"0:{SERVICE_PORT}", *words[1:]]
    own = {one["name"]: one["default"] for one in (state.plan or {}).get("parameters", ())}
    changed = {name: value for name, value in parameters.items() if own.get(name) != value}
    for name, value in changed.items():
        words += ["-p", f"{name}={value}"]
    return ["run" if changed else "verify", *words]


def _pairs(words: Sequence[str]) -> list[str]:
    """Return the options that runs take, with their values."""
    found: list[str] = []
    for place, word in enumerate(words[:-1]):
        if word in _FOR_RUNS:
            found += [word, words[place + 1]]
    return found
