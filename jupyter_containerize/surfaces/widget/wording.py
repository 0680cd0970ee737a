"""The command lines that do what the widget's buttons do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...model.plan import SERVICE_PORT
from ..forms import fields, words
from .state import Data, State

#: Options of a build that its runs take too.
_FOR_RUNS = frozenset({"--mount"})


def plan_words(state: State) -> list[str]:
    """Return the words that capture and plan."""
    return ["plan", *state.words, *_further("plan", state)]


def build_words(state: State, *, prove: bool = False) -> list[str]:
    """Return the words that build; with `prove` run and verify too. A service is always proven."""
    further = words(state.builds, state.given)
    if not state.serves:
        return ["build", *state.words, *further, *(["--run", "--verify"] if prove else [])]
    example = ["--example", state.example] if state.example else []
    return ["serve", state.target, *example, *state.words, *further]


def run_words(state: State, image: Data, parameters: Mapping[str, str]) -> list[str]:
    """Return the words that run an image: a proof, unless `parameters` are not the notebook's own."""
    mounts = _pairs(state.words)
    if state.serves:
        port = ["--port", f"0:{SERVICE_PORT}"]
        return ["run", image["digest"], "-d", *port, *mounts, *_further("run", state, runs=True)]
    own = {one["name"]: one["default"] for one in (state.plan or {}).get("parameters", ())}
    changed = {name: value for name, value in parameters.items() if own.get(name) != value}
    command = "run" if changed else "verify"
    pairs = [word for name, value in changed.items() for word in ("-p", f"{name}={value}")]
    return [command, image["digest"], *mounts, *_further(command, state, runs=True), *pairs]


def _further(command: str, state: State, *, runs: bool = False) -> list[str]:
    """Return the answers that a command takes; for `runs`, those that are not about the image."""
    known = {one.option for one in fields(command)}
    if runs:
        known &= {one.option for one in state.options if one.part != "image"}
    return words(command, {name: answer for name, answer in state.given.items() if name in known})


def _pairs(words: Sequence[str]) -> list[str]:
    """Return the options that runs take, with their values."""
    found: list[str] = []
    for place, word in enumerate(words[:-1]):
        if word in _FOR_RUNS:
            found += [word, words[place + 1]]
    return found
