"""Parameters of a run: papermill's convention, with the types that the defaults have."""

from __future__ import annotations

import argparse
import ast
import json
import os
from collections.abc import Mapping
from typing import Any

from .problem import CannotStart

VARIABLE = "CONTAINERIZE_PARAM_"
#: A JSON list of parameter sets; the pod's index in its job chooses one.
SWEEP = "CONTAINERIZE_SWEEP"


def read_parameters(arguments: list[str], known: list[dict[str, str]]) -> dict[str, Any]:
    """Return the given parameters' values; arguments win over variables, those over the file.

    Each value has the type of its default in `known` (`{name, default, type}`). Raises
    `CannotStart` with all problems: unknown names, values that do not fit.
    """
    given = _given(arguments)
    types = {parameter["name"]: parameter.get("type", "") for parameter in known}
    problems = [_unknown(name, known) for name in given if name not in types]
    values = {}
    for name, value in given.items():
        if name in types:
            try:
                values[name] = fit(value, types[name])
            except ValueError as error:
                problems.append(f"Parameter {name}: {error}.")
    if problems:
        raise CannotStart("\n".join(problems))
    return values


def _given(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="train", allow_abbrev=False, exit_on_error=True)
    parser.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--parameters-file", default=os.environ.get("CONTAINERIZE_PARAMETERS_FILE"))
    options = parser.parse_args(arguments)
    given: dict[str, Any] = {}
    if options.parameters_file:
        given.update(_from_file(options.parameters_file))
    for name, text in os.environ.items():
        if name.startswith(VARIABLE):
            given[name[len(VARIABLE) :]] = text
    for argument in options.parameter:
        name, equals, text = argument.partition("=")
        if not equals:
            raise CannotStart(f"-p {argument}: write it as -p NAME=VALUE.")
        given[name.strip()] = text
    if os.environ.get(SWEEP):
        sets = json.loads(os.environ[SWEEP])
        given.update(sets[int(os.environ.get("JOB_COMPLETION_INDEX", "0"))])
    return given


def _from_file(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except (OSError, ValueError) as error:
        raise CannotStart(f"The parameters' file {path} cannot be read: {error}.") from error
    if not isinstance(data, dict):
        raise CannotStart(f"The parameters' file {path} must hold one JSON object.")
    return data


def _unknown(name: str, known: list[dict[str, str]]) -> str:
    if not known:
        return f"Parameter {name}: this notebook has no cell tagged `parameters`, so it takes none."
    listed = ", ".join(f"{entry['name']} = {entry['default']}" for entry in known)
    return f"Parameter {name} is unknown. This notebook has: {listed}."


def fit(value: Any, kind: str) -> Any:
    """Return `value` (a text, or JSON data) as the type named `kind`; ValueError if it does not fit.

    Without a type to go by (`""`, `NoneType`), a text is a Python literal if it reads as one.
    """
    if kind == "str":
        if isinstance(value, str):
            return value
        raise ValueError(f"{value!r} is not a text")
    if isinstance(value, str):
        value = _literal(value, kind)
    if kind in ("", "NoneType"):
        return value
    found = type(value).__name__
    if found == kind:
        return value
    if kind == "float" and found == "int":
        return float(value)
    containers = {"list": list, "tuple": tuple, "set": set}
    if kind in containers and found in containers:
        return containers[kind](value)
    if kind in ("int", "float", "bool", "complex", "bytes", "dict", *containers):
        raise ValueError(f"{value!r} does not fit its default's type, {kind}")
    return value


def _literal(text: str, kind: str) -> Any:
    word = text.strip()
    if kind == "bool" and word.lower() in ("true", "false"):
        return word.lower() == "true"
    if kind == "float":
        try:
            return float(word)
        except ValueError:
            return text
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def source_of(values: Mapping[str, Any]) -> str:
    """Return the cell that assigns the values, as papermill writes it."""
    return "\n".join(["# Parameters", *(f"{name} = {_text(v)}" for name, v in values.items())])


def _text(value: Any) -> str:
    if isinstance(value, float) and repr(value).lstrip("-")[0] not in "0123456789":
        return f'float("{value!r}")'
    return repr(value)
