"""What keeps a run from starting, as a sentence for the log."""

from __future__ import annotations


class CannotStart(Exception):  # noqa: N818 - it reads as what it means
    """The run cannot start; the text says why and what to do. Exit code 2."""
