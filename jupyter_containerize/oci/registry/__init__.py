"""Registries: images pushed and pulled. Source: OCI distribution-spec 1.1."""

from .pushing import push

__all__ = ["push"]
