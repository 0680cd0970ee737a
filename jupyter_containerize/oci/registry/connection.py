"""How a registry is reached: TLS and its certificates, plain HTTP on loopback, proxies.

Source: Docker, "Verify repository client with certificates" (`certs.d`) and
`insecure-registries` of the engine's daemon.json.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import ssl
import urllib.request
from typing import TYPE_CHECKING, Any

from ...errors import needs_extra
from .credentials import DOCKER_HUB

if TYPE_CHECKING:
    import urllib3

_DOCKER_HUB_HOST = "registry-1.docker.io"
#: The body is handed to the socket in pieces of this size.
PIECE_BYTES = 256 << 10
_CONNECT_S, _READ_S = 15.0, 300.0
_CONNECTIONS = 16


def host_of(registry: str) -> str:
    """Return the host (with port) that serves a registry's name."""
    return _DOCKER_HUB_HOST if registry == DOCKER_HUB else registry


def may_be_plain(host: str) -> bool:
    """Whether plain HTTP may be tried, after TLS: on loopback, and where Docker's settings say so."""
    name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(name.strip("[]")).is_loopback:
            return True
    return name == "localhost" or host in _insecure_registries()


def _insecure_registries() -> list[str]:
    with (
        contextlib.suppress(OSError, ValueError, AttributeError, TypeError),
        open("/etc/docker/daemon.json", encoding="utf-8") as file,
    ):
        return [str(one) for one in json.load(file).get("insecure-registries", ())]
    return []


def connections(host: str) -> urllib3.PoolManager:
    """Return connections for requests to `host`, by proxy where the environment names one.

    Errors: `extra-missing`, `registry-certificates-unreadable`.
    """
    try:
        import urllib3  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise needs_extra("registry", "urllib3", doing="Speaking with a registry") from error
    options: dict[str, Any] = {
        "timeout": urllib3.Timeout(connect=_CONNECT_S, read=_READ_S),
        "retries": False,  # ours know about uploads, Retry-After, and being interrupted
        "maxsize": _CONNECTIONS,
        "blocksize": PIECE_BYTES,
        "ssl_context": _tls(host),
    }
    proxy = _proxy(host)
    if not proxy:
        return urllib3.PoolManager(**options)
    place = urllib3.util.parse_url(proxy)
    if place.auth:
        options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=place.auth)
    return urllib3.ProxyManager(place._replace(auth=None).url, **options)


def _proxy(host: str) -> str:
    if may_be_plain(host) or urllib.request.proxy_bypass(host):
        return ""
    return urllib.request.getproxies().get("https", "")


def _tls(host: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for folder in (os.path.expanduser("~/.docker/certs.d"), "/etc/docker/certs.d"):
        place = os.path.join(folder, host)
        try:
            names = sorted(os.listdir(place))
        except OSError:
            continue
        for name in names:
            stem, ending = os.path.splitext(name)
            if ending == ".crt":
                context.load_verify_locations(os.path.join(place, name))
            elif ending == ".cert" and f"{stem}.key" in names:
                context.load_cert_chain(
                    os.path.join(place, name), os.path.join(place, f"{stem}.key")
                )
        break
    return context
