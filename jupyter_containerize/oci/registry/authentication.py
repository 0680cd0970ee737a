"""Proving who we are: `WWW-Authenticate` challenges, tokens, basic authentication.

Source: RFC 9110 section 11; distribution/distribution, docs/spec/auth (token, oauth).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from ...errors import ContainerizeError
from .credentials import Credentials
from .problems import refused, unauthorized

_SCHEME = re.compile(r"\s*([A-Za-z]+)\s*(.*)", re.DOTALL)
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')
_OK = 200
_NO_POST = (400, 404, 405)
_CLIENT = "jupyter-containerize"

#: `fetch(method, url, headers, body) -> (status, body)`: how a token server is asked.
Fetch = Callable[[str, str, Mapping[str, str], bytes], tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Challenge:
    """One `WWW-Authenticate` header: the scheme in lower case and its parameters."""

    scheme: str
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, header: str) -> Challenge:
        """Parse the first challenge of a header; an empty one has the scheme ""."""
        match = _SCHEME.match(header)
        if match is None:
            return cls("", {})
        found = {name: quoted or bare for name, quoted, bare in _PARAMETER.findall(match[2])}
        return cls(match[1].lower(), found)


@dataclass(slots=True)
class Authenticator:
    """Answers the challenges of one registry. Thread-safe.

    `scopes` is what will be done there (`repository:name:pull,push`). `secure` tells that the
    registry is spoken to over TLS: then credentials go nowhere in the clear.
    """

    host: str
    credentials: Callable[[], Credentials | None]
    scopes: tuple[str, ...]
    fetch: Fetch
    secure: bool
    _header: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def header(self) -> str:
        """The `Authorization` header to send, "" before the first challenge."""
        return self._header

    def answer(self, challenge_header: str, *, sent: str) -> str:
        """Return a new `Authorization` header after a 401 to a request that had `sent`.

        Errors: `registry-unauthorized` when there is nothing (else) to try.
        """
        with self._lock:
            if self._header != sent:
                return self._header  # another thread was challenged, and answered
            header = self._answer(Challenge.parse(challenge_header))
            if not header or (header == sent and header.startswith("Basic ")):
                known = "The credentials it was given were refused." if sent else ""
                raise unauthorized(self.host, why=known or "No credentials for it were found.")
            self._header = header
            return header

    def _answer(self, challenge: Challenge) -> str:
        found = self.credentials()
        if found is not None and found.registry_token:
            return f"Bearer {found.registry_token}"
        if challenge.scheme == "basic":
            return found.basic if found is not None else ""
        if challenge.scheme == "bearer":
            return f"Bearer {self._token(challenge.parameters, found)}"
        return ""

    def _token(self, asked: Mapping[str, str], known: Credentials | None) -> str:
        realm = asked.get("realm", "")
        place = urlsplit(realm)
        if place.scheme not in ("http", "https") or (self.secure and place.scheme != "https"):
            raise ContainerizeError(
                "registry-refused",
                what=f"{self.host} asks to log in at a place that is not safe.",
                why=f"The place is {place.scheme or 'no'}://{place.hostname or ''}.",
                fix="Tell those who run the registry; nothing was sent there.",
            )
        fields = [("service", asked["service"])] if asked.get("service") else []
        fields += [("scope", scope) for scope in self.scopes or filter(None, [asked.get("scope")])]
        if known is not None and known.identity_token:
            status, body = self._exchange(realm, fields, known.identity_token)
        else:
            headers = {"Authorization": known.basic} if known is not None and known.basic else {}
            status, body = self.fetch("GET", f"{realm}?{urlencode(fields)}", headers, b"")
        if status in (401, 403):
            given = "were refused" if known is not None else "were not found"
            raise unauthorized(self.host, why=f"Credentials for it {given}.")
        if status != _OK:
            raise refused(self.host, status, body, doing="getting a token")
        try:
            answer = json.loads(body)
            return str(answer.get("token") or answer["access_token"])
        except (ValueError, KeyError, AttributeError, TypeError):
            raise refused(self.host, status, b"", doing="getting a token") from None

    def _exchange(
        self, realm: str, fields: list[tuple[str, str]], identity_token: str
    ) -> tuple[int, bytes]:
        """Trade an identity token for an access token. Source: auth/oauth.md, "refresh_token"."""
        scopes = " ".join(value for name, value in fields if name == "scope")
        form = [(name, value) for name, value in fields if name != "scope"]
        form += [("grant_type", "refresh_token"), ("client_id", _CLIENT), ("scope", scopes)]
        form += [("refresh_token", identity_token)]
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        status, body = self.fetch("POST", realm, headers, urlencode(form).encode())
        if status not in _NO_POST:
            return status, body
        # Servers without OAuth take the token as a password.
        headers = {"Authorization": Credentials(_CLIENT, identity_token).basic}
        return self.fetch("GET", f"{realm}?{urlencode(fields)}", headers, b"")
