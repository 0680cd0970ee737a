"""Puts the built side panel into the wheel, building it first where Node.js is there.

A wheel carries the panel, so installing from one needs no Node.js; so does an sdist, from
which pip builds a wheel. A checkout without Node.js still installs: everything but the panel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_NAME = "jupyter-containerize"
_SHARED = f"share/jupyter/labextensions/{_NAME}"


class BuildPanel(BuildHookInterface):  # type: ignore[misc] # hatchling is not typed here
    """The hook."""

    def dependencies(self) -> list[str]:
        """Return what building the panel needs, if it is to be built."""
        source = os.path.join(self.root, "labextension")
        built = os.path.join(self.root, "jupyter_containerize", "labextension")
        return ["jupyter-builder>=1.2"] if shutil.which("npm") and _outdated(source, built) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build if needed and possible; add what is there to the wheel."""
        source = os.path.join(self.root, "labextension")
        built = os.path.join(self.root, "jupyter_containerize", "labextension")
        if version == "standard" and _outdated(source, built):
            self._build(source)
        if not os.path.isfile(os.path.join(built, "package.json")):
            self.app.display_warning(
                "The JupyterLab panel is left out: it is not built, and building needs Node.js and "
                "npm (`make panel`). The magic and the command line work without it."
            )
            return
        if self.target_name == "wheel":
            build_data["shared_data"][built] = _SHARED

    def _build(self, source: str) -> None:
        if shutil.which("npm") is None:
            return
        if not os.path.isdir(os.path.join(source, "node_modules")):
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=source, check=True)
        subprocess.run(["npm", "run", "build"], cwd=source, check=True)


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
