"""Credentials as Docker users have them: config files, credential helpers.

Source: docker/cli, cli/config (`auths`, `credHelpers`, `credsStore`, `identitytoken`);
docker-credential-helpers, "the protocol"; containers/image, containers-auth.json(5).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import ContainerizeError

DOCKER_HUB = "docker.io"
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_TIMEOUT_S = 60
#: A helper gives an identity token under this user name.
_TOKEN_USER = "<token>"  # noqa: S105 - a fixed word of the helpers' protocol
_NOT_FOUND = "credentials not found"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a registry knows a user by; nothing of it is ever shown."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header, "" without name and password."""
        if not self.username:
            return ""
        text = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(text).decode()}"


def credentials_for(registry: str, repository: str = "") -> Credentials | None:
    """Return the user's credentials for a registry (`host[:port]`), None if there are none.

    The files are asked in this order: `$REGISTRY_AUTH_FILE`, Docker's, Podman's.
    Errors: `credentials-unreadable` for a damaged file or a failing helper.
    """
    for path in _files():
        config = _read(path)
        found = config and _from_config(config, registry, repository, path)
        if found:
            return found
    return None


def _files() -> Iterator[str]:
    chosen = os.environ.get("REGISTRY_AUTH_FILE")
    if chosen:
        yield chosen
    docker = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    yield os.path.join(docker, "config.json")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        yield os.path.join(runtime, "containers", "auth.json")
    own = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    yield os.path.join(own, "containers", "auth.json")


def _read(path: str) -> Mapping[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        # A JSON error names a position, never the text around it.
        raise _unreadable(path, why=str(error)) from None
    if not isinstance(config, dict):
        raise _unreadable(path, why="It is not a JSON object.")
    return config


def _from_config(
    config: Mapping[str, Any], registry: str, repository: str, path: str
) -> Credentials | None:
    helpers = config.get("credHelpers") or {}
    for key in _keys(registry, repository):
        if key in helpers:
            return _ask_helper(str(helpers[key]), key)
    store = config.get("credsStore")
    if store:
        server = _DOCKER_HUB_KEY if registry == DOCKER_HUB else registry
        found = _ask_helper(str(store), server)
        if found:
            return found
    auths = config.get("auths") or {}
    for key in _keys(registry, repository):
        if isinstance(auths.get(key), dict):
            return _from_entry(auths[key], path)
    return None


def _keys(registry: str, repository: str) -> Iterator[str]:
    """Yield what an entry may be called, the most telling first."""
    parts = repository.split("/") if repository else []
    for count in range(len(parts), 0, -1):
        yield "/".join((registry, *parts[:count]))
    yield registry
    if registry == DOCKER_HUB:
        yield from (_DOCKER_HUB_KEY, "index.docker.io")
    for scheme in ("https", "http"):
        for end in ("", "/", "/v1/", "/v2/"):
            yield f"{scheme}://{registry}{end}"


def _from_entry(entry: Mapping[str, Any], path: str) -> Credentials | None:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            text = base64.b64decode(str(entry["auth"]), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _unreadable(path, why="An `auth` in it is not base64.") from None
        username, _, password = text.partition(":")
    found = Credentials(
        username=username,
        password=password.rstrip("\0"),
        identity_token=str(entry.get("identitytoken") or ""),
        registry_token=str(entry.get("registrytoken") or ""),
    )
    return found if found != Credentials() else None


def _ask_helper(name: str, server: str) -> Credentials | None:
    program = f"docker-credential-{name}"
    try:
        done = subprocess.run(
            [program, "get"],
            input=server,
            capture_output=True,
            text=True,
            timeout=_HELPER_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise _helper_failed(program, "It is not on PATH.") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _helper_failed(program, type(error).__name__) from None
    if done.returncode:
        if _NOT_FOUND in (done.stdout + done.stderr).lower():
            return None
        raise _helper_failed(program, f"It ended with exit code {done.returncode}.")
    try:
        answer = json.loads(done.stdout)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        raise _helper_failed(program, "Its answer is not what the protocol says.") from None
    if username == _TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username=username, password=secret)


def _unreadable(path: str, *, why: str) -> ContainerizeError:
    return ContainerizeError(
        "credentials-unreadable",
        what=f"The credentials in {path} cannot be read.",
        why=why,
        fix="Mend the file, or log in again: docker login REGISTRY",
    )


def _helper_failed(program: str, why: str) -> ContainerizeError:
    # What the helper wrote may hold a secret, so it is not shown.
    return ContainerizeError(
        "credentials-unreadable",
        what=f"The credential helper {program} gave no credentials.",
        why=why,
        fix=f"Try it: echo REGISTRY | {program} get. Or log in again: docker login REGISTRY",
    )
