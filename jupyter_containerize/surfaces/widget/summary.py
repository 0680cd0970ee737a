"""How a session stands, as blocks and as one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..render import units
from ..render.blocks import Block, Facts, Tone
from ..render.contents import content_blocks, layer_table
from ..render.results import blocks
from ..render.table import Table
from ..render.verdicts import verdict_blocks, verdict_notice
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
        tables = [*content_blocks(plan), replace(layer_table(plan["layers"]), folded=True)]
        return sorted(tables, key=_place)
    word = wanted.casefold()
    found = {
        key: [row for row in plan.get(key, ()) if word in _said(row)]
        for key in _ROWS
    }  # fmt: skip
    return content_blocks({**plan, **found})


def _place(block: Block) -> int:
    """Few things that are somebody's own come before the many that come with them."""
    if not isinstance(block, Table) or block.folded:
        return 2
    return int(block.title.startswith("Packages"))


def sentence(session: Session) -> tuple[str, Tone]:
    """Return where the session stands, and what that means."""
    if session.busy:
        return _busy(session), Tone.INFO
    if session.error:
        return _failed(session.error["code"])
    if session.serves and session.run:
        return _service(session, session.run)
    if session.verdict:
        notice = verdict_notice(session.verdict)
        return notice.what, notice.tone
    if session.run:
        return _ended(session.run)
    return _rest(session), Tone.INFO


def _busy(session: Session) -> str:
    if session.cancels:
        return "Stopping …" if session.cancels == 1 else "Ending it at once …"
    if session.waiting:
        return "Waiting until the running cell has ended …"
    running = session.standing.running()
    return f"{running.title} …" if running else "Starting …"


def _failed(code: str) -> tuple[str, Tone]:
    if code == "interrupted":
        return "Cancelled. What was finished is kept and reused.", Tone.INFO
    return "That did not work.", Tone.BAD


def _ended(run: Data) -> tuple[str, Tone]:
    why = f" ({run['reason']})" if run["reason"] else ""
    tone = {"succeeded": Tone.GOOD, "stopped": Tone.INFO}.get(run["state"], Tone.BAD)
    return f"Run {run['id']} {run['state']}{why}.", tone


def _service(session: Session, run: Data) -> tuple[str, Tone]:
    if not session.running:
        bad = run["state"] in ("failed", "lost")
        return f"The service has ended: {run['state']}.", Tone.BAD if bad else Tone.INFO
    if session.ready:
        return f"The service answers at {run['endpoint']}.", Tone.GOOD
    return "The service is starting …", Tone.INFO


def _rest(session: Session) -> str:
    if session.image:
        return (
            f"Built {session.image['names'][0] if session.image['names'] else session.image['id']}."
        )
    if session.serves:
        return f"Ready to build a service of {session.target}."
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
