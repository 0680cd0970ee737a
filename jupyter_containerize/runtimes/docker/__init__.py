"""The `docker` runtime: runs are containers of a Docker engine, or of podman."""

from .runtime import DockerRuntime

__all__ = ["DockerRuntime"]
