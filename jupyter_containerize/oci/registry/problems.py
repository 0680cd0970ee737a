"""What registries answer and networks do, as errors that say what to do."""

from __future__ import annotations

import json
from typing import Any

from ...errors import ContainerizeError

_MAX_SHOWN = 300
_SERVER_ERROR = 500
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY = 401, 403, 404, 429


def refused(host: str, status: int, body: bytes, *, doing: str) -> ContainerizeError:
    """Return the error for an answer that is none of those expected."""
    said = _said(body)
    why = f"{host} answered {status}{f': {said}' if said else ''}."
    if status == _UNAUTHORIZED:
        return unauthorized(host, why=why)
    if status == _FORBIDDEN:
        return ContainerizeError(
            "registry-denied",
            what=f"{host} does not allow it: {doing}.",
            why=why,
            fix=f"Ask for access to the repository, or log in as another user: docker login {host}",
        )
    if status == _NOT_FOUND:
        return ContainerizeError(
            "registry-not-found",
            what=f"{host} does not have it: {doing}.",
            why=why,
            fix="Check the name; some registries want a repository to be made first.",
        )
    if status == _TOO_MANY:
        return ContainerizeError(
            "registry-busy",
            what=f"{host} takes no more requests for now: {doing}.",
            why=why,
            fix="Try again later: what was sent is kept. Logged-in users often may do more.",
        )
    if status >= _SERVER_ERROR:
        return ContainerizeError(
            "registry-failed",
            what=f"{host} failed: {doing}.",
            why=why,
            fix="Try again: what was sent is kept. If it stays, tell those who run the registry.",
        )
    return ContainerizeError(
        "registry-refused",
        what=f"{host} refused it: {doing}.",
        why=why,
        fix="See what the registry says above.",
    )


def unauthorized(host: str, *, why: str) -> ContainerizeError:
    """Return the error for missing or wrong credentials."""
    return ContainerizeError(
        "registry-unauthorized",
        what=f"{host} wants you to log in.",
        why=why,
        fix=f"docker login {host}",
    )


def unreachable(host: str, error: BaseException, *, doing: str) -> ContainerizeError:
    """Return the error for a registry that cannot be spoken with."""
    return ContainerizeError(
        "registry-unreachable",
        what=f"{host} cannot be reached: {doing}.",
        why=reason(error),
        fix="Check the name, the network and the proxy (HTTPS_PROXY, NO_PROXY), and try again.",
    )


def bad_certificate(host: str, error: BaseException) -> ContainerizeError:
    """Return the error for a certificate that nobody we trust has signed."""
    return ContainerizeError(
        "registry-certificate",
        what=f"The certificate of {host} cannot be verified.",
        why=reason(error),
        fix=(
            f"Put the certificate of its authority in ~/.docker/certs.d/{host}/ca.crt (or "
            f"/etc/docker/certs.d/{host}/ca.crt), or name it in SSL_CERT_FILE."
        ),
    )


def wrong_digest(host: str, *, wanted: str, found: str, doing: str) -> ContainerizeError:
    """Return the error for content that is not what its name says."""
    return ContainerizeError(
        "registry-digest-mismatch",
        what=f"What {host} has is not what was asked for: {doing}.",
        why=f"The digest should be {wanted} and is {found}.",
        fix="Try again; if it stays, a proxy or the registry alters or damages data.",
    )


def reason(error: BaseException) -> str:
    """Return the innermost reason of an error in a few words, without URLs."""
    inner: Any = error
    while True:
        deeper = getattr(inner, "reason", None)
        if not isinstance(deeper, BaseException):
            deeper = inner.args[1] if len(inner.args) > 1 else None
        if not isinstance(deeper, BaseException):
            break
        inner = deeper
    text = getattr(inner, "verify_message", None) or getattr(inner, "strerror", None)
    text = text or str(inner).rpartition(": ")[2]
    return f"{type(inner).__name__}: {text}" if text else type(inner).__name__


def _said(body: bytes) -> str:
    """Return the messages of an error answer. Source: OCI distribution-spec 1.1, "Error Codes"."""
    try:
        errors = json.loads(body)["errors"]
        parts = [f"{one.get('code', '')} {one.get('message', '')}".strip() for one in errors]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    text = "; ".join(parts)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]} …"
