"""Reads a notebook file strictly, and tells kindly what is wrong with it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ContainerizeError
from ..model.options import Mark

#: Larger files are refused: they are hardly notebooks, and reading takes three times the memory.
MAX_BYTES = 512_000_000
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class NotebookFile:
    """A notebook as read: `document` is nbformat 4.5 JSON with joined texts and an id a cell."""

    path: str
    document: dict[str, Any]

    @property
    def folder(self) -> str:
        """The folder it lies in."""
        return os.path.dirname(self.path)

    @property
    def name(self) -> str:
        """The file's name without `.ipynb`."""
        return os.path.splitext(os.path.basename(self.path))[0]

    def with_marks(self, marks: Sequence[Mark]) -> NotebookFile:
        """Return this with the tags of `marks` added."""
        return replace(self, document=marked(self.document, marks)) if marks else self


def read(path: str) -> NotebookFile:
    """Return the notebook at `path`.

    Errors: `no-such-notebook`, `notebook-unreadable`, `notebook-too-large`, and those of `parse`.
    """
    path = os.path.abspath(path)
    try:
        size_bytes = os.stat(path).st_size
        if not os.path.isfile(path):
            raise _no_file(path, "It is a folder or a device, not a file.")
        if size_bytes > MAX_BYTES:
            raise ContainerizeError(
                "notebook-too-large",
                what=f"{path} has {size_bytes:,} bytes.",
                why=f"A notebook may have {MAX_BYTES:,}; large ones usually hold old outputs.",
                fix="Clear the outputs (`jupyter nbconvert --clear-output --inplace`), then try again.",
            )
        with open(path, "rb") as file:
            content = file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _no_file(path, _neighbours(path)) from error
    except (OSError, ValueError) as error:
        raise ContainerizeError(
            "notebook-unreadable",
            what=f"{path} cannot be read.",
            why=str(error.strerror if isinstance(error, OSError) else error),
            fix="Check the permissions of the file and of the folders above it.",
        ) from error
    return NotebookFile(path, parse(content, name=path))


def given(path: str, front_end: Mapping[str, Any] | None) -> NotebookFile:
    """Return the notebook as a front end holds it, edits that are not saved included, else the file.

    Errors: those of `read` and `normalise`.
    """
    if front_end is None:
        return read(path)
    return NotebookFile(os.path.abspath(path), normalise(front_end, name=path))


def known(record: Mapping[str, Any], path: str) -> NotebookFile | None:
    """Return the notebook at `path`, else the one the kernel's record names if it is (still) there."""
    if path:
        return read(path)
    told = record["session"]["notebook_path"]
    return read(told) if told and os.path.isfile(told) else None


def parse(content: bytes | str, *, name: str) -> dict[str, Any]:
    """Return the nbformat 4 document in `content`, normalised; `name` is for messages.

    Errors: `not-a-notebook`, `notebook-too-old`, `notebook-too-new`, `notebook-empty`.
    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _not_a_notebook(name, f"It is not JSON: {error}") from error
    return normalise(data, name=name)


def normalise(data: Any, *, name: str) -> dict[str, Any]:
    """Return a copy of the nbformat 4 document `data` with joined texts and stable, unique ids."""
    _check_format(data, name)
    cells = [_cell(cell, name, number) for number, cell in enumerate(data["cells"], 1)]
    if not any(cell["cell_type"] == "code" and cell["source"].strip() for cell in cells):
        raise ContainerizeError(
            "notebook-empty",
            what=f"{name} has no code cell with anything in it.",
            fix="Write and save a cell first.",
        )
    _give_ids(cells)
    metadata = data.get("metadata")
    return {
        **data,
        "metadata": metadata if isinstance(metadata, dict) else {},
        "nbformat_minor": max(5, int(data.get("nbformat_minor") or 0)),
        "cells": cells,
    }


def marked(document: dict[str, Any], marks: Sequence[Mark]) -> dict[str, Any]:
    """Return `document` with the tags of `marks` added to its code cells. Errors: `no-such-cell`."""
    numbers = [i for i, cell in enumerate(document["cells"]) if cell["cell_type"] == "code"]
    cells = list(document["cells"])
    for mark in marks:
        if not 0 < mark.cell <= len(numbers):
            raise ContainerizeError(
                "no-such-cell",
                what=f"There is no cell {mark.cell} to be marked `{mark.tag}`.",
                why=f"The notebook has {len(numbers)} code cells.",
                fix="Count the code cells from the top, beginning with 1.",
            )
        place = numbers[mark.cell - 1]
        metadata = cells[place]["metadata"]
        known = metadata.get("tags")
        tags = [*(known if isinstance(known, list) else ()), mark.tag]
        cells[place] = {**cells[place], "metadata": {**metadata, "tags": tags}}
    return {**document, "cells": cells}


def _check_format(data: Any, name: str) -> None:
    version = data.get("nbformat") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise _not_a_notebook(name, "It has no `nbformat` number.")
    if version < 4:  # noqa: PLR2004 - nbformat 4 is what everything since 2015 writes
        raise ContainerizeError(
            "notebook-too-old",
            what=f"{name} is a notebook of format {version}.",
            why="Only format 4 has what a container needs, such as tags and cell ids.",
            fix=f"Convert it: jupyter nbconvert --to notebook --inplace {name!r}",
        )
    if version > 4:  # noqa: PLR2004 - same
        raise ContainerizeError(
            "notebook-too-new",
            what=f"{name} is a notebook of format {version}; this version reads format 4.",
            fix="Save it as format 4, or update jupyter-containerize.",
        )
    if not isinstance(data.get("cells"), list):
        raise _not_a_notebook(name, "It has no list of cells.")


def _cell(cell: Any, name: str, number: int) -> dict[str, Any]:
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        raise _not_a_notebook(name, f"Its cell {number} has no type.")
    source = _text(cell.get("source", ""))
    if not isinstance(source, str):
        raise _not_a_notebook(name, f"Its cell {number} has no text.")
    metadata = cell.get("metadata")
    result = {**cell, "source": source, "metadata": metadata if isinstance(metadata, dict) else {}}
    if cell["cell_type"] == "code":
        outputs = cell.get("outputs") or []
        if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
            raise _not_a_notebook(name, f"The outputs of its cell {number} are not a list.")
        result["outputs"] = [_output(output) for output in outputs]
        result.setdefault("execution_count", None)
    return result


def _output(output: dict[str, Any]) -> dict[str, Any]:
    result = dict(output)
    if "text" in output:
        result["text"] = _text(output["text"])
    if isinstance(output.get("data"), dict):
        result["data"] = {
            kind: value if kind.endswith("json") else _text(value)
            for kind, value in output["data"].items()
        }
    return result


def _text(value: Any) -> Any:
    """Join a list of lines, nbformat's form on disk."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value


def _give_ids(cells: list[dict[str, Any]]) -> None:
    """Keep good ids; derive the others from the position, so that two readings agree."""
    used: set[str] = set()
    for number, cell in enumerate(cells, 1):
        given = cell.get("id")
        if not isinstance(given, str) or not _ID.match(given) or given in used:
            given = f"cell-{number}"
            while given in used:
                given += "-"
        used.add(given)
        cell["id"] = given


def _neighbours(path: str) -> str:
    try:
        names = sorted(n for n in os.listdir(os.path.dirname(path)) if n.endswith(".ipynb"))
    except OSError:
        return "Its folder does not exist or cannot be read."
    return f"The folder has: {', '.join(names[:8])}" if names else "Its folder has no notebook."


def _no_file(path: str, why: str) -> ContainerizeError:
    return ContainerizeError(
        "no-such-notebook",
        what=f"There is no notebook {path}",
        why=why,
        fix="Give the path of an .ipynb file.",
    )


def _not_a_notebook(name: str, why: str) -> ContainerizeError:
    return ContainerizeError(
        "not-a-notebook",
        what=f"{name} is not a Jupyter notebook.",
        why=why,
        fix="Give the path of an .ipynb file; if it is one, restore it from a checkpoint or a backup.",
    )
