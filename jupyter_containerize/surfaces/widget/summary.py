"""How a session stands, as blocks and as one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..render import units
from ..render.blocks import Block, Facts
from ..render.contents import content_blocks, layer_table
from ..render.results import blocks
from ..render.verdicts import verdict_blocks
from .session import Session

Data = Mapping[str, Any]
_ROWS = ("packages", "files", "libraries", "executables", "system", "environment", "parameters")


def overview(session: Session) -> list[Block]:
    """Return everything there is to see, for a page that nobody can click on."""
    parts: list[Block] = [Facts(facts(session))]
    if session.run:
        parts += blocks("run", {"run": session.run})
    if session.verdict:
        parts += verdict_blocks(session.verdict)
    if session.plan:
        parts += contents(session.plan)
    return parts


def facts(session: Session) -> tuple[tuple[str, str], ...]:
    """Return what there is to know of the image."""
    image = session.image
    if image is None:
        return (("notebook", _notebook(session)),)
    layers = units.number(image["layers"], "layer")
    return (
        ("notebook", _notebook(session)),
        ("image", image["names"][0] if image["names"] else image["id"]),
        ("digest", image["digest"]),
        ("size", f"{units.size(image['size_bytes'])} in {layers}"),
    )


def contents(plan: Data, wanted: str = "") -> list[Block]:
    """Return the tables of what goes in; with `wanted`, only rows that have it in a cell."""
    if not wanted:
        return [*content_blocks(plan), layer_table(plan["layers"])]
    word = wanted.casefold()
    found = {
        key: [row for row in plan.get(key, ()) if word in _said(row)]
        for key in _ROWS
    }  # fmt: skip
    return content_blocks({**plan, **found})


def sentence(session: Session) -> str:
    """Return where the session stands."""
    running = session.standing.running()
    if session.busy:
        if session.cancels:
            return "Stopping …" if session.cancels == 1 else "Ending it at once …"
        if session.waiting:
            return "Waiting until the running cell has ended …"
        return f"{running.title} …" if running else "Starting …"
    if session.error:
        if session.error["code"] == "interrupted":
            return "Cancelled. What was finished is kept and reused."
        return "That did not work."
    return _rest(session)


def _rest(session: Session) -> str:
    if session.verdict:
        return {
            "verified": "Verified: the image does what the notebook did.",
            "failed": "Not verified: the image does not do what the notebook did.",
            "unproven": "It ran; the notebook recorded nothing to compare with.",
        }[session.verdict["state"]]
    if session.run:
        return f"Run {session.run['id']}: {session.run['state']}."
    if session.image:
        return (
            f"Built {session.image['names'][0] if session.image['names'] else session.image['id']}."
        )
    if session.plan:
        return f"Ready to build: {_amount(session.plan)}."
    return ""


def _amount(plan: Data) -> str:
    total = sum(layer["size_bytes"] for layer in plan["layers"])
    fresh = sum(layer["size_bytes"] for layer in plan["layers"] if not layer.get("reused"))
    packages = units.number(len(plan["packages"]), "package")
    files = units.number(len(plan["files"]), "file")
    new = "all of it there already" if not fresh else f"{units.size(fresh)} of it new"
    return f"{packages}, {files}, {units.size(total)}, {new}"


def _notebook(session: Session) -> str:
    notebook = (session.plan or {}).get("notebook") or {}
    return notebook.get("path") or notebook.get("name") or ""


def _said(row: Data) -> str:
    return " ".join(str(value) for value in row.values()).casefold()
