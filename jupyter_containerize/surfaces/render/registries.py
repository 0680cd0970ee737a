"""What a registry has, and what was sent to it, as blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import units
from .blocks import Block, Facts


def push_blocks(data: Mapping[str, Any]) -> list[Block]:
    """Return what `push` did."""
    sent = f"{data['layers_sent']} of {units.number(data['layers'], 'layer')}"
    facts = (
        ("pushed", data["reference"]),
        ("sent", f"{units.size(data['sent_bytes'])} in {sent}, the others were there already"),
    )
    return [Facts(facts)]


def remote_blocks(data: Mapping[str, Any]) -> list[Block]:
    """Return what `inspect` tells of an image in a registry."""
    parts: list[Block] = [Facts((("image", data["remote"]), ("digest", data["digest"])))]
    for one in data["platforms"]:
        sbom = one["sbom"]
        size = f"{units.size(one['size_bytes'])} compressed"
        packages = ", ".join(sbom["packages"]) if sbom else ""
        parts.append(
            Facts(
                (
                    ("platform", one["platform"]),
                    ("manifest", one["digest"]),
                    ("notebook", one["notebook"]),
                    ("python", one["python"]),
                    ("base", one["base"]),
                    ("size", f"{size}, {units.number(one['layers'], 'layer')}"),
                    ("verdict", one["verdict"] or "none is attached"),
                    ("SBOM", packages or "none is attached"),
                    ("user", one["user"]),
                    ("runs", " ".join(one["entrypoint"])),
                )
            )
        )
    return parts
