"""The parameters of a notebook, by papermill's convention: simple assignments in a tagged cell."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from ..model.snapshot import Cell, Parameter
from .python_text import python_of

TAG = "parameters"


def parameters_of(cells: Iterable[Cell]) -> tuple[Parameter, ...]:
    """Return the parameters that cells tagged `parameters` define; the last default wins."""
    found: dict[str, Parameter] = {}
    for cell in cells:
        if TAG in cell.tags:
            source = python_of(cell.source)
            for statement in _statements(source):
                for parameter in _assigned(statement, source):
                    found[parameter.name] = parameter
    return tuple(found.values())


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError):
        return []


def _assigned(statement: ast.stmt, source: str) -> Iterable[Parameter]:
    targets: list[ast.expr] = []
    annotation = ""
    if isinstance(statement, ast.Assign):
        targets, value = statement.targets, statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets, value = [statement.target], statement.value
        annotation = ast.unparse(statement.annotation)
    for target in targets:
        if isinstance(target, ast.Name):
            default = ast.get_source_segment(source, value) or ast.unparse(value)
            yield Parameter(target.id, default, annotation or _type_of(value))


def _type_of(value: ast.expr) -> str:
    try:
        literal = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ""
    return "" if literal is None else type(literal).__name__
