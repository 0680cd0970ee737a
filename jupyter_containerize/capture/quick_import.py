"""Imports of other people's packages without what only costs time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

#: Where JupyterLab is installed, jsonschema imports it to check IRIs, and it builds 38 parsers
#: then: three quarters of what nbformat and nbclient take. No notebook has a format `iri`.
_SLOW = "rfc3987_syntax"


@contextlib.contextmanager
def without_slow_parsers() -> Iterator[None]:
    """Within, jsonschema is imported as where that package is not installed.

    Where it has been imported before, everything stays as it is.
    """
    if _SLOW in sys.modules or "jsonschema" in sys.modules:
        yield
        return
    sys.modules[_SLOW] = None  # type: ignore[assignment] # Python's own way to say: not there
    try:
        yield
    finally:
        del sys.modules[_SLOW]
