"""Manifests: pure functions from what is asked to plain dicts, as the API has them."""
