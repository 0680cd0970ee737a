"""The Docker SDK, imported when an engine is first needed."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import ContainerizeError


def sdk() -> Any:
    """Return the module `docker`. Errors: `docker-sdk-missing`."""
    try:
        return importlib.import_module("docker")
    except ImportError as error:
        raise ContainerizeError(
            "docker-sdk-missing",
            what="Docker cannot be used from this Python.",
            why=f"The Docker SDK for Python is not installed ({error}).",
            fix="Install it: pip install 'jupyter-containerize[docker]'",
        ) from error
