"""Value types: frozen, serialisable, no I/O."""
