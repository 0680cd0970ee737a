"""The notebook that runs: read from the image, written with its outputs. nbformat 4.5."""

from __future__ import annotations

import json
import os
import uuid
from typing import Any

from .outputs import plain_json
from .problem import CannotStart


class RunningNotebook:
    """The notebook's JSON, with outputs of this run only; `cells` are those that will run."""

    def __init__(self, path: str) -> None:
        try:
            with open(path, encoding="utf-8") as file:
                self.data: dict[str, Any] = json.load(file)
        except (OSError, ValueError) as error:
            raise CannotStart(f"The image's notebook cannot be read: {error}.") from error
        self.data.update(nbformat=4, nbformat_minor=5)
        self.data.setdefault("metadata", {})
        taken: set[str] = set()
        for cell in self.data["cells"]:
            cell.setdefault("metadata", {})
            if cell.get("id", "") in taken or not cell.get("id"):
                cell["id"] = uuid.uuid4().hex[:8]
            taken.add(cell["id"])
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The code cells with any source, in document order."""
        return [cell for cell in self._code_cells() if source_of(cell).strip()]

    def number(self, cell: dict[str, Any]) -> int:
        """Return the cell's number among the notebook's code cells; 0 for injected parameters."""
        given = cell["metadata"].get("jupyter_containerize", {}).get("number")
        numbered = [one for one in self._code_cells() if "injected-parameters" not in tags_of(one)]
        here = [place for place, one in enumerate(numbered, 1) if one is cell]
        return given or (here[0] if here else 0)

    def inject(self, source: str) -> None:
        """Put a cell behind the one tagged `parameters`, in place of an earlier injected one."""
        cells: list[dict[str, Any]] = self.data["cells"]
        cells[:] = [cell for cell in cells if "injected-parameters" not in tags_of(cell)]
        tagged = [place for place, cell in enumerate(cells) if "parameters" in tags_of(cell)]
        cells.insert(
            tagged[0] + 1 if tagged else 0,
            {
                "cell_type": "code",
                "id": "injected-parameters",
                "metadata": {"tags": ["injected-parameters"]},
                "source": source,
                "execution_count": None,
                "outputs": [],
            },
        )

    def write(self, path: str, *, widgets: dict[str, Any] | None = None) -> None:
        """Write the notebook, whole or not at all: a reader or a kill never meets half of it."""
        data = dict(self.data, cells=[_on_disk(cell) for cell in self.data["cells"]])
        if widgets:
            data["metadata"] = dict(data["metadata"], widgets=plain_json(widgets))
        partial = f"{path}.partial"
        with open(partial, "w", encoding="utf-8", errors="replace") as file:
            json.dump(data, file, indent=1, ensure_ascii=False)
            file.write("\n")
        os.replace(partial, path)

    def _code_cells(self) -> list[dict[str, Any]]:
        return [cell for cell in self.data["cells"] if cell["cell_type"] == "code"]


def source_of(cell: dict[str, Any]) -> str:
    """Return a cell's source as one text."""
    return "".join(cell["source"])


def tags_of(cell: dict[str, Any]) -> list[str]:
    """Return a cell's tags."""
    tags: list[str] = cell["metadata"].get("tags", [])
    return tags


def _on_disk(cell: dict[str, Any]) -> dict[str, Any]:
    """Return the cell with its texts as lists of lines, as nbformat writes them."""
    cell = dict(cell, source=_lines(cell["source"]))
    if "outputs" in cell:
        cell["outputs"] = [_output_on_disk(output) for output in list(cell["outputs"])]
    return cell


def _output_on_disk(output: dict[str, Any]) -> dict[str, Any]:
    if output["output_type"] == "stream":
        return dict(output, text=_lines(output["text"]))
    if "data" in output:
        return dict(output, data={k: _mime_on_disk(k, v) for k, v in output["data"].items()})
    return output


def _mime_on_disk(kind: str, value: Any) -> Any:
    return _lines(value) if kind.startswith("text/") and isinstance(value, str) else value


def _lines(text: str | list[str]) -> list[str]:
    return "".join(text).splitlines(keepends=True)
