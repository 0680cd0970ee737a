"""Registries: images pushed and pulled. Source: OCI distribution-spec 1.1."""

from .inspecting import inspect
from .pushing import push, push_index
from .referrers import Attachment

__all__ = ["Attachment", "inspect", "push", "push_index"]
