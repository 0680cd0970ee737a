"""What a run gave, compared with what the notebook recorded; pure functions."""

from .compare import compare
from .verdict import verdict

__all__ = ["compare", "verdict"]
