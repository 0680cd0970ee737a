"""Where the engine is: DOCKER_HOST, the Docker context, or one of the sockets of this machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ContainerizeError


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach one engine. `source` tells people where it comes from.

    `ca`, `certificate` and `key` are files, "" for none; `verify` false accepts any server.
    """

    url: str
    source: str
    tls: bool = False
    verify: bool = True
    ca: str = ""
    certificate: str = ""
    key: str = ""

    @property
    def socket(self) -> str:
        """The path of the UNIX socket, "" for other kinds of address."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""


def addresses(environ: Mapping[str, str]) -> tuple[Address, ...]:
    """Return the engines that may be meant, the best first.

    As the `docker` command chooses: DOCKER_HOST, then DOCKER_CONTEXT or the current context;
    where the default context is meant, the sockets that exist here, rootless ones and podman's
    included. Errors: `no-such-context`.
    """
    host = environ.get("DOCKER_HOST", "")
    if host:
        return (_from_host(host, environ),)
    context = environ.get("DOCKER_CONTEXT", "") or _current_context(environ)
    if context not in ("", "default"):
        return (_from_context(context, environ),)
    return tuple(Address(f"unix://{path}", "its socket") for path in _sockets(environ))


def _from_host(host: str, environ: Mapping[str, str]) -> Address:
    """Source: docs.docker.com, "Environment variables" of the `docker` command."""
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    folder = environ.get("DOCKER_CERT_PATH", "")
    url = host if "://" in host else f"tcp://{host}"
    if not (verify or folder) or not url.startswith(("tcp://", "https://")):
        return Address(url, "DOCKER_HOST")
    folder = folder or os.path.join(_config_folder(environ), "")
    return _with_keys(Address(url, "DOCKER_HOST", tls=True, verify=verify), folder)


def _from_context(name: str, environ: Mapping[str, str]) -> Address:
    """Read what `docker context create` wrote (the SDK misses it where there is no config.json).

    Source: docker/cli, cli/context/store: folders are named by the SHA-256 of the context's name.
    """
    folder = os.path.join(_config_folder(environ), "contexts")
    digest = hashlib.sha256(name.encode()).hexdigest()
    try:
        with open(os.path.join(folder, "meta", digest, "meta.json"), encoding="utf-8") as file:
            endpoint: dict[str, Any] = json.load(file)["Endpoints"]["docker"]
        url = str(endpoint["Host"])
    except (OSError, ValueError) as error:
        raise _no_such_context(name, getattr(error, "strerror", None) or str(error)) from error
    except (KeyError, TypeError) as error:
        raise _no_such_context(name, "It names no Docker endpoint.") from error
    address = Address(url, f"the context {name!r}")
    keys = os.path.join(folder, "tls", digest, "docker")
    if not url.startswith(("tcp://", "https://")) or not os.path.isdir(keys):
        return address
    verify = not endpoint.get("SkipTLSVerify", False)
    return _with_keys(Address(url, address.source, tls=True, verify=verify), keys)


def _with_keys(address: Address, folder: str) -> Address:
    paths = {
        field: path if os.path.exists(path := os.path.join(folder, f"{name}.pem")) else ""
        for field, name in (("ca", "ca"), ("certificate", "cert"), ("key", "key"))
    }
    return Address(
        address.url, address.source, tls=True, verify=address.verify,
        ca=paths["ca"], certificate=paths["certificate"], key=paths["key"],
    )  # fmt: skip


def _config_folder(environ: Mapping[str, str]) -> str:
    return environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")


def _current_context(environ: Mapping[str, str]) -> str:
    path = os.path.join(_config_folder(environ), "config.json")
    with (
        contextlib.suppress(OSError, ValueError, AttributeError),
        open(path, encoding="utf-8") as file,
    ):
        return str(json.load(file).get("currentContext", ""))
    return ""


def _sockets(environ: Mapping[str, str]) -> list[str]:
    """Return the usual sockets, those that we may use first."""
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    paths = (
        "/var/run/docker.sock",
        os.path.join(runtime, "docker.sock"),
        os.path.join(runtime, "podman", "podman.sock"),
        "/run/podman/podman.sock",
    )
    there = [path for path in paths if os.path.exists(path)]
    usable = [path for path in there if os.access(path, os.R_OK | os.W_OK)]
    return usable or there[:1] or [paths[0]]


def _no_such_context(name: str, why: str) -> ContainerizeError:
    return ContainerizeError(
        "no-such-context",
        what=f"There is no usable Docker context {name!r}.",
        why=why,
        fix="`docker context ls` lists them; unset DOCKER_CONTEXT, or `docker context use default`.",
    )
