"""A cell's outputs brought into a form that compares: streams joined, the rest in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .bundle import BY_PRESENCE, joined, same_bundle, shown
from .text import readable
from .tokens import Tolerance, same_text

Output = Mapping[str, Any]
_STREAMS = ("stdout", "stderr")


@dataclass(frozen=True, slots=True)
class CellOutputs:
    """All of `stdout` and all of `stderr` as one text each, and displays, results and errors.

    How a stream was cut into messages, and how the two streams interleave, says nothing: the
    kernel's threads decide that anew each time.
    """

    stdout: str
    stderr: str
    others: tuple[Output, ...]

    @classmethod
    def of(cls, outputs: Sequence[Output]) -> CellOutputs:
        """Join the streams of nbformat outputs."""
        streams = dict.fromkeys(_STREAMS, "")
        for output in outputs:
            if output["output_type"] == "stream":
                streams[output["name"]] += joined(output["text"])
        others = tuple(output for output in outputs if output["output_type"] != "stream")
        return cls(readable(streams["stdout"]), readable(streams["stderr"]), others)

    @property
    def empty(self) -> bool:
        """True when the cell put out nothing that can be read or seen."""
        return not (self.stdout or self.stderr or self.others)

    def same(self, executed: CellOutputs, tolerance: Tolerance) -> bool:
        """Return whether the two sides show the same within the tolerance."""
        return (
            same_text(self.stdout, executed.stdout, tolerance)
            and same_text(self.stderr, executed.stderr, tolerance)
            and len(self.others) == len(executed.others)
            and all(
                _same_output(a, b, tolerance)
                for a, b in zip(self.others, executed.others, strict=True)
            )
        )

    def same_shape(self, executed: CellOutputs) -> bool:
        """Return whether kinds of outputs, numbers of lines and sizes of pictures agree."""
        return bool(self._shape() == executed._shape())

    def text(self) -> str:
        """Return everything as the text that a difference is shown by."""
        parts = [self.stdout]
        if self.stderr:
            parts.append(f"[stderr]\n{self.stderr}")
        parts.extend(_text(output) for output in self.others)
        return "\n".join(part for part in parts if part)

    def _shape(self) -> Any:
        kinds = [
            (output["output_type"], output.get("ename"), *_bundle_shape(output.get("data", {})))
            for output in self.others
        ]
        return [_lines(self.stdout), _lines(self.stderr), kinds]


def _same_output(recorded: Output, executed: Output, tolerance: Tolerance) -> bool:
    if recorded["output_type"] != executed["output_type"]:
        return False
    if recorded["output_type"] == "error":
        return bool(recorded["ename"] == executed["ename"]) and same_text(
            readable(recorded["evalue"]), readable(executed["evalue"]), tolerance
        )
    return same_bundle(recorded["data"], executed["data"], tolerance)


def _text(output: Output) -> str:
    kind = output["output_type"]
    if kind == "error":
        return f"[error] {output['ename']}: {readable(output['evalue'])}"
    data = output["data"]
    shown_parts = [
        f"[{kind}: {mime}]" if mime in BY_PRESENCE else f"[{kind}: {mime}]\n{shown(mime, value)}"
        for mime, value in sorted(data.items())
    ]
    return "\n".join(shown_parts)


def _bundle_shape(data: Mapping[str, Any]) -> list[Any]:
    return [
        (mime, shown(mime, value) if mime.startswith("image/") else None)
        if not mime.startswith("text/")
        else (mime, _lines(shown(mime, value)) if mime == "text/plain" else None)
        for mime, value in sorted(data.items())
    ]


def _lines(text: str) -> int:
    return len(text.splitlines())
