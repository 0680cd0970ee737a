"""What the SDK, the connection and the engine say, as errors of ours."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

from ..errors import ContainerizeError
from .address import Address
from .sdk import sdk


class SshFailedError(OSError):
    """ssh, or the `docker` command behind it, has ended; the text is what they said."""


@contextlib.contextmanager
def explained(address: Address, doing: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a `ContainerizeError` about `doing` something.

    Errors: `no-engine`, `engine-permission`, `engine-lost`, `engine-tls`, `engine-ssh`,
    `engine-too-old`, and those of `refused`.
    """
    try:
        yield
    except ContainerizeError:
        raise
    except OSError as error:  # requests' errors are OSErrors too
        raise _connection(address, doing, error) from error
    except Exception as error:
        docker = sdk()
        if isinstance(error, docker.errors.InvalidVersion):
            raise too_old(str(error)) from error
        if isinstance(error, docker.errors.DockerException):
            cause = error.__cause__ or error.__context__
            if isinstance(cause, OSError):
                raise _connection(address, doing, cause) from error
            raise refused(doing, str(error)) from error
        if type(error).__module__.partition(".")[0] in ("urllib3", "http", "requests"):
            raise _lost(address, doing, error) from error
        raise


def _connection(address: Address, doing: str, error: OSError) -> ContainerizeError:
    docker = sdk()
    if isinstance(error, docker.errors.APIError):
        return refused(doing, str(error.explanation or error), status=error.status_code)
    said = _innermost(error)
    if isinstance(said, PermissionError):
        return ContainerizeError(
            "engine-permission",
            what=f"You may not use the Docker engine at {address.url}.",
            why=f"The socket refuses this user: {said.strerror}.",
            fix=(
                "Join the group that owns the socket (`sudo usermod -aG docker $USER`, then log in "
                "again), use a rootless engine, or do without: --builder daemonless, "
                "--runtime sandbox."
            ),
        )
    if isinstance(said, SshFailedError):
        return _ssh(address, said)
    text = str(error)
    if "CERTIFICATE" in text or "SSL" in text or "certificate" in text:
        return ContainerizeError(
            "engine-tls",
            what=f"There is no trusted connection to the Docker engine at {address.url}.",
            why=_short(text),
            fix="Check DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem) and DOCKER_TLS_VERIFY, or the context.",
        )
    if isinstance(said, FileNotFoundError | ConnectionRefusedError) or "refused" in text:
        text = str(said)
    elif not re.search(r"name or service not known|resolve", text, re.IGNORECASE):
        return _lost(address, doing, error)
    return no_engine(address, _short(text))


def no_engine(address: Address, why: str) -> ContainerizeError:
    """Return the error for nobody listening at `address`."""
    return ContainerizeError(
        "no-engine",
        what=f"No Docker engine answers at {address.url} (from {address.source}).",
        why=why,
        fix=(
            "Start it (`sudo systemctl start docker`, or Docker Desktop), set DOCKER_HOST or "
            "`docker context use`, or do without: --builder daemonless, --runtime sandbox."
        ),
    )


def _ssh(address: Address, said: BaseException) -> ContainerizeError:
    host = address.url.removeprefix("ssh://").partition("/")[0]
    user, _, place = host.rpartition("@")
    name, _, port = place.partition(":")
    words = [*(["-p", port] if port else []), f"{user}@{name}" if user else name]
    return ContainerizeError(
        "engine-ssh",
        what=f"ssh does not lead to a Docker engine at {address.url} (from {address.source}).",
        why=_short(str(said)),
        fix=f"Mend what `ssh {' '.join(words)} docker version` says. It must work without a question: "
        "a key that the agent has, a host that is known, and the docker command over there.",
    )


def _lost(address: Address, doing: str, error: Exception) -> ContainerizeError:
    return ContainerizeError(
        "engine-lost",
        what=f"The Docker engine stopped answering while {doing}.",
        why=f"{address.url}: {_short(str(error)) or type(error).__name__}",
        fix="See that it runs (`docker info`), then try again.",
    )


def too_old(why: str) -> ContainerizeError:
    """Return the error for an engine whose API lacks what we need."""
    return ContainerizeError(
        "engine-too-old",
        what="The Docker engine is too old.",
        why=why,
        fix="Update it: Docker 19.03, podman 4, or newer.",
    )


def refused(doing: str, said: str, *, status: int | None = None) -> ContainerizeError:
    """Return the error for what the engine `said` while `doing` something.

    Errors: `port-in-use`, `name-in-use`, `engine-no-space`, `no-gpu`, `mount-missing`,
    `engine-user-ids`, `engine-refused`.
    """
    said = " ".join(said.split())
    for pattern, problem in _KNOWN:
        if re.search(pattern, said, re.IGNORECASE):
            return problem(_short(said))
    return ContainerizeError(
        "engine-refused",
        what=f"The Docker engine refused while {doing}.",
        why=_short(said) + (f" (HTTP {status})" if status else ""),
        fix="See what the engine's own log says about it.",
    )


#: What engines say, and what it means.
_KNOWN: tuple[tuple[str, Callable[[str], ContainerizeError]], ...] = (
    (
        r"port is already allocated|address already in use|ports are not available",
        lambda why: ContainerizeError(
            "port-in-use",
            what="A port of this machine cannot be opened.",
            why=why,
            fix="Choose another one: --port 0:PORT, or --port PORT alone, takes any free one.",
        ),
    ),
    (
        r"name .* is already in use",
        lambda why: ContainerizeError(
            "name-in-use",
            what="The engine has another container of this name.",
            why=why,
            fix="Remove that one (`docker rm NAME`), then try again.",
        ),
    ),
    (
        r"no space left on device|disk quota exceeded",
        lambda why: ContainerizeError(
            "engine-no-space",
            what="The Docker engine has no space left.",
            why=why,
            fix="Free some: `docker system df` shows what takes it, `docker system prune` removes the unused.",
        ),
    ),
    (
        r"could not select device driver|gpu|nvidia",
        lambda why: ContainerizeError(
            "no-gpu",
            what="The Docker engine has no GPU to give.",
            why=why,
            fix="Install the NVIDIA Container Toolkit on its machine, or leave --gpus out.",
        ),
    ),
    (
        r"bind source path does not exist|mount.*no such file",
        lambda why: ContainerizeError(
            "mount-missing",
            what="A path to be mounted does not exist where the Docker engine runs.",
            why=why,
            fix="Mounts are paths of the engine's machine. Correct --mount HOST:PATH, or use a local engine.",
        ),
    ),
    (
        r"additional UIDs or GIDs",
        lambda why: ContainerizeError(
            "engine-user-ids",
            what="Rootless podman has no user IDs to give to containers.",
            why=why,
            fix="Have a range added for you (`sudo usermod --add-subuids 100000-165535 "
            "--add-subgids 100000-165535 $USER`, then `podman system migrate`), or do without: "
            "--runtime sandbox.",
        ),
    ),
)


def _innermost(error: BaseException) -> BaseException:
    """Return the operating system's error, or ssh's, that others were made of."""
    seen = set()
    while id(error) not in seen and not isinstance(error, SshFailedError):
        seen.add(id(error))
        inside = [
            one
            for one in (*error.args, getattr(error, "reason", None))
            if isinstance(one, BaseException)
        ]
        below = inside[0] if inside else error.__cause__ or error.__context__
        if below is None:
            break
        error = below
    return error


def _short(text: str) -> str:
    return text if len(text) <= _WHY else f"{text[: _WHY - 1]}…"


_WHY = 500
