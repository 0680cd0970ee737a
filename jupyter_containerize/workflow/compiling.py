"""`--compile onnx`: a copy that onnxruntime serves, if it answers as the object itself does.

A plain build measures the copy too, and tells what it would save.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..capture import serving, trial
from ..errors import ContainerizeError
from ..model.event import Emit, ignore
from ..model.plan import ImagePlan
from ..model.reasons import Finding, Severity
from ..model.snapshot import Snapshot
from . import trying

#: Makes snapshot and plan of what a trial saw.
Planner = Callable[[serving.Saved, trial.Trial, Emit], tuple[Snapshot, ImagePlan]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to serve the object: what is saved, what its trial told, and the image it would be."""

    saved: serving.Saved
    tried: trial.Trial
    snapshot: Snapshot
    plan: ImagePlan

    def figures(self) -> dict[str, float]:
        """Return what it costs: image, CPU until it is loaded, memory, CPU for a question."""
        return {
            "image_bytes": sum(layer.size_bytes for layer in self.plan.layers),
            "load_cpu_s": round(self.tried.load_cpu_seconds, 3),
            "memory_bytes": self.tried.memory_bytes,
            "calls_per_cpu_s": round(self.tried.calls_per_cpu_second, 1),
        }


def choose(
    saved: serving.Saved,
    record: Mapping[str, Any],
    *,
    wanted: bool,
    planner: Planner,
    emit: Emit,
) -> tuple[Candidate, dict[str, Any]]:
    """Return what to serve, and what the copy is or would be: `{"used", "reason", figures}`.

    Where the copy is `wanted` and cannot be had, the object itself is served, with a finding.
    Errors: those of the trial of the object itself.
    """
    copy, reason = _copy(saved, record, planner, emit if wanted else ignore)
    if wanted and copy is not None:
        return copy, {"used": True, "reason": "", "copy": copy.figures()}
    if wanted:
        finding = Finding(
            "not-compiled",
            Severity.WARNING,
            what=f"{saved.expression} is served as it is, not by onnxruntime.",
            why=reason,
            fix="Leave --compile out, or mend what is named here.",
        )
        saved = replace(saved, findings=(*saved.findings, finding))
    tried = trying.try_out(saved, record, emit=emit)
    plain = Candidate(saved, tried, *planner(saved, tried, emit))
    told: dict[str, Any] = {"used": False, "reason": reason, "plain": plain.figures()}
    return plain, {**told, "copy": copy.figures()} if copy is not None else told


def _copy(
    saved: serving.Saved, record: Mapping[str, Any], planner: Planner, emit: Emit
) -> tuple[Candidate | None, str]:
    """Return the copy if there is one and its answers are the object's; else why not."""
    if saved.compiled is None:
        return None, saved.not_compiled
    copy = replace(
        saved, folder=saved.compiled_folder, artifact=saved.compiled, findings=(), compiled=None
    )
    try:
        tried = trying.try_out(copy, record, emit=emit)
    except ContainerizeError as error:
        return None, f"The copy was tried, and is not as good. {error.why}"
    return Candidate(copy, tried, *planner(copy, tried, emit)), ""
