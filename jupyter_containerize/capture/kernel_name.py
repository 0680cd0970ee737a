"""The kernelspec that a notebook asks for, by name.

Apart from `kernelspec`, which imports jupyter_client: a capture of a live kernel need not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_NAME = "python3"


def asked_for(metadata: Mapping[str, Any]) -> str:
    """Return the name in the notebook's `metadata`, Jupyter's usual one where it names none."""
    asked = metadata.get("kernelspec")
    name = asked.get("name") if isinstance(asked, dict) else None
    return name if isinstance(name, str) and name else DEFAULT_NAME
