"""`Image` to `Run`."""
