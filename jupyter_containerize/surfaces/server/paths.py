"""Paths that come from a browser: inside the server's root, or refused."""

from __future__ import annotations

import os

from ...errors import ContainerizeError


class Root:
    """The folder whose files the server shows."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.realpath(os.path.expanduser(folder))

    def absolute(self, path: str) -> str:
        """Return the absolute path of `path`, seen from the root, links followed for the check.

        An absolute path is taken as it is, and must be inside too. Errors: `outside-root`.
        """
        if "\0" in path:
            raise _outside(path.replace("\0", "\\0"))
        found = os.path.normpath(os.path.join(self.folder, path))
        for seen in (found, os.path.realpath(found)):
            if seen != self.folder and not seen.startswith(self.folder.rstrip("/") + "/"):
                raise _outside(path)
        return found

    def relative(self, path: str) -> str:
        """Return `path` as the server's own file browser names it, "" when it is outside."""
        inside = os.path.relpath(os.path.realpath(path), self.folder)
        return "" if inside == ".." or inside.startswith("../") else inside


def _outside(path: str) -> ContainerizeError:
    return ContainerizeError(
        "outside-root",
        what=f"{path!r} is not inside the folder that this server shows.",
        why="The panel reads and writes only there.",
        fix="Move or link it into that folder, or use the magic or the command line.",
    )
