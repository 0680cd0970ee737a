"""Bytes: tar, layers, the store, layouts, validation."""
