"""Kernel and notebook to `Snapshot`."""
