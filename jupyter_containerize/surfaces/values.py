"""Words of a command line as values: sizes, times, pairs, mounts. Errors: `usage`."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable

from ..errors import ContainerizeError
from ..model.options import Mark
from ..model.run import Mount, Port, Restart

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def size_bytes(text: str, option: str) -> int:
    """Parse `512M`, `4GiB` or bytes; K, M, G, T are powers of 1024, as Docker has them."""
    match = _SIZE.fullmatch(text.strip())
    value = float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " ") if match else 0
    if value < 1:
        raise _wrong(option, text, "a size", "512M or 4G")
    return int(value)


def time_s(text: str, option: str) -> float:
    """Parse `90`, `90s`, `10m` or `2h` into seconds."""
    match = _TIME.fullmatch(text.strip())
    value = float(match[1]) * _SECONDS[(match[2] or "").lower()] if match else 0
    if value <= 0:
        raise _wrong(option, text, "a time", "90, 10m or 2h")
    return value


def tolerance(text: str, option: str) -> float:
    """Parse a relative tolerance: a number that is not negative."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise _wrong(option, text, "a tolerance", "1e-6")
    return value


def count(text: str, option: str) -> int:
    """Parse a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise _wrong(option, text, "a number", "100")
    return int(text)


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Parse `name=value` words; the value may hold anything, `=` included."""
    result = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise _wrong(option, name, "a pair", "name=value")
        result[name] = value
    return result


def marks(texts: Iterable[str], option: str) -> tuple[Mark, ...]:
    """Parse `N=TAG` words: a cell's number and a tag for it."""
    result = []
    for text in texts:
        number, _, tag = text.partition("=")
        if not number.isdecimal() or int(number) < 1 or not tag:
            raise _wrong(option, text, "a mark", "3=skip")
        result.append(Mark(int(number), tag))
    return tuple(result)


def variables(texts: Iterable[str], option: str) -> dict[str, str | None]:
    """Parse `NAME=value`, or `NAME` alone (None: the value that it has now)."""
    result: dict[str, str | None] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not _NAME.fullmatch(name):
            raise _wrong(option, name, "a variable", "NAME or NAME=value")
        result[name] = value if equals else None
    return result


def mounts(texts: Iterable[str], option: str) -> tuple[Mount, ...]:
    """Parse `HOST:PATH[:ro]` words; relative paths are seen from the current folder."""
    result = []
    for text in texts:
        parts = text.split(":")
        read_only = len(parts) == 3 and parts[2] == "ro"  # noqa: PLR2004 - HOST, PATH and ro
        if not (len(parts) == 2 or read_only) or not all(parts):  # noqa: PLR2004 - HOST and PATH
            raise _wrong(option, text, "a mount", "HOST:PATH or HOST:PATH:ro")
        host, path = (absolute(part) for part in parts[:2])
        if not os.path.lexists(host):
            raise ContainerizeError(
                "mount-missing",
                what=f"{host} does not exist, so it cannot be mounted.",
                fix=f"Correct `{option} {text}`: the path on this machine comes first.",
            )
        result.append(Mount(host, path, read_only))
    return tuple(result)


def ports(texts: Iterable[str], option: str) -> tuple[Port, ...]:
    """Parse `HOST:PORT` words, or `PORT` alone (host port 0: a free one is chosen)."""
    result = []
    for text in texts:
        host, colon, container = text.rpartition(":")
        numbers = [int(part) if part.isdecimal() else -1 for part in (host or "0", container)]
        if (colon and not host) or not 0 <= numbers[0] < 1 << 16 or not 0 < numbers[1] < 1 << 16:
            raise _wrong(option, text, "a port", "8080, or 9000:8080 (9000 on this machine)")
        result.append(Port(*numbers))
    return tuple(result)


def processors(text: str, option: str) -> float:
    """Parse a number of processors, which may be a part of one."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise _wrong(option, text, "a number of processors", "2 or 0.5")
    return value


def gpus(text: str, option: str) -> str:
    """Parse `all` or a number of GPUs; "" is none."""
    if text and text != "all" and not (text.isdecimal() and int(text)):
        raise _wrong(option, text, "a number of GPUs", "all or 1")
    return text


def restart(text: str, option: str) -> Restart | None:
    """Parse when to start a run again; "" leaves it open."""
    try:
        return Restart(text) if text else None
    except ValueError:
        raise _wrong(option, text, "a restart policy", "no, on-failure or always") from None


def kernel(text: str) -> str:
    """Return a kernelspec's name as it is, the path of a Python (`.venv/bin/python`) absolute."""
    return os.path.abspath(os.path.expanduser(text)) if os.sep in text else text


def absolute(path: str) -> str:
    """Return `path` as an absolute one, `~` expanded, links kept; "" stays ""."""
    return os.path.abspath(os.path.expanduser(path)) if path else ""


def _wrong(option: str, text: str, kind: str, example: str) -> ContainerizeError:
    return ContainerizeError(
        "usage",
        what=f"`{option} {text}` is not {kind}.",
        fix=f"Write it like {example}.",
    )
