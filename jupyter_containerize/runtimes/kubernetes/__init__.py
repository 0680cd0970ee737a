"""The `kubernetes` runtime. `manifests` is pure; the official client is imported in `connection` only."""
