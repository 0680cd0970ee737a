"""`Snapshot` to `ImagePlan`; pure functions."""

from .compose import plan

__all__ = ["plan"]
