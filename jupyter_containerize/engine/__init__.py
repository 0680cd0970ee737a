"""The only code that speaks to a Docker engine (or to podman's Docker-compatible socket).

`Engine.connect()` finds the engine as the `docker` command does; its methods take and return
plain data and raise `ContainerizeError` only. The Docker SDK (extra `docker`) is imported here,
when it is first needed.
"""
