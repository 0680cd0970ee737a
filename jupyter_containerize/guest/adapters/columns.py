"""What a fitted scikit-learn estimator tells of the columns it was fitted on, by name."""

from __future__ import annotations

from typing import Any

from . import fields, tables


class Column:
    """What is known of a column: its categories, whether it holds text, whether it may be missing."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.categories: list[Any] | None = None
        self.is_text = False
        self.optional = False

    def field(self, name: str) -> dict[str, Any]:
        """Return it as an input: numbers, unless something says otherwise."""
        known = self.categories
        kind = fields._of_plain(known) if known is not None else "BYTES" if self.is_text else "FP64"
        return fields.field(name, kind, [-1], optional=self.optional, categories=known)


def described(estimator: Any, names: list[str]) -> dict[str, Any]:
    """Return a frame's description by what the parts of an estimator learnt."""
    found = {name: Column() for name in names}
    _visit(estimator, names, found)
    inputs = [found[name].field(name) for name in names]
    columns = [
        {"name": one["name"], "type": fields.NUMPY_NAMES.get(one["dtype"], "object")}
        for one in inputs
    ]
    return tables.from_columns(columns, inputs)


def _visit(part: Any, names: list[str], found: dict[str, Column]) -> list[str]:
    """Note what `part` learnt of the columns `names` that it gets; return those that it passes on."""
    if hasattr(part, "best_estimator_"):
        return _visit(part.best_estimator_, names, found)
    if hasattr(part, "transformers_"):
        for _, inner, chosen in part.transformers_:
            if not isinstance(inner, str):
                _visit(inner, _chosen(names, chosen), found)
        return []
    if hasattr(part, "transformer_list"):
        for _, inner in part.transformer_list:
            _visit(inner, names, found)
        return []
    if hasattr(part, "steps"):
        for _, step in part.steps:
            if step is not None and not isinstance(step, str):
                names = _visit(step, names, found)
        return names
    _note(part, [found[name] for name in names])
    return names if _keeps_columns(part, len(names)) else []


def _note(part: Any, columns: list[Column]) -> None:
    learnt = getattr(part, "categories_", None)
    if learnt is not None and len(learnt) == len(columns):
        for column, values in zip(columns, learnt):
            kept = [fields._plain(one) for one in values if not fields.is_missing(one)]
            column.optional |= len(kept) < len(values)
            column.categories = column.categories or kept
    if type(part).__name__.endswith("Imputer"):
        filled = getattr(part, "statistics_", None)
        for at, column in enumerate(columns):
            column.optional = True
            column.is_text |= filled is not None and isinstance(filled[at], str)
    if hasattr(part, "build_analyzer"):  # a vectorizer takes one column of text
        for column in columns:
            column.is_text = True


def _chosen(names: list[str], columns: Any) -> list[str]:
    """Return the names that a column transformer gives to a part: by name, place, slice or mask."""
    import numpy

    if isinstance(columns, str):
        return [columns]
    if isinstance(columns, (list, tuple)) and all(isinstance(one, str) for one in columns):
        return [str(one) for one in columns]
    try:
        return [str(one) for one in numpy.asarray(names, dtype=object)[columns]]
    except (IndexError, TypeError):
        kept = set(names)
        return [str(one) for one in columns if str(one) in kept]


def _keeps_columns(part: Any, width: int) -> bool:
    """Tell whether a step gives as many columns as it takes, so that they are the same ones."""
    try:
        return len(part.get_feature_names_out()) == width
    except Exception:  # those that predict, or do not know
        return False
