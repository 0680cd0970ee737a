"""The search for credentials in bytes, at 50 MB/s and more.

Regular expressions with many alternatives read some 6 MB/s. So the bytes are first asked two
quick questions, a megabyte at a time: where are runs of 20 or more word characters (every
known token has one), and where is one of a dozen words (`password`, `token`, `://`, ...)?
Only there, precise patterns look on. Offsets are absolute; a finding ends the look at its line.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from .secret_formats import (
    AFTER_COLON,
    BEFORE_A_COLON,
    BEFORE_A_DOT,
    BY_START,
    DISCORD_WEBHOOK,
    MAILCHIMP,
    SLACK_WEBHOOK,
    Format,
)
from .secret_values import entropy, is_password, is_placeholder, is_token

Data = bytes | mmap.mmap

_CHUNK_BYTES = 1 << 20
_OVERLAP_BYTES = 1024
_RUN = b"a" * 20
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_RUNS_TABLE = bytes(97 if byte in _WORD else 32 for byte in range(256))
_BASE64_SIGNS = (b"+", b"/")
_BLOBS_TABLE = bytes(97 if byte in _WORD | set(b"+/=\\") else 32 for byte in range(256))
_BLOB_CHARS = 1000
_NUMERIC = b"0123456789.,;:+-eE \t\r\n\"'[]()/naNA"
#: How far before a run a token may start.
_BEFORE = 64
_AT_MOST = 2048


class Context(Enum):
    """How a text is written: that decides what an assignment looks like.

    `code` quotes its literals; `settings` (.env, .ini, YAML, shell) need not; `text` is
    anything else: outputs, data.
    """

    CODE = "code"
    SETTINGS = "settings"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Hit:
    """A credential at `offset`; `certain` is false where only its look speaks for it."""

    kind: str
    name: str
    offset: int
    certain: bool = True


def search(data: Data, context: Context) -> Iterator[Hit]:
    """Yield what looks like a credential in `data`, in no particular order, maybe twice."""
    size, start = len(data), 0
    while start < size:
        end = min(start + _CHUNK_BYTES, size)
        chunk = data[start:end]
        if not chunk.translate(None, _NUMERIC):
            start = end
            continue
        yield from _runs(data, chunk, start, context)
        yield from _words(data, chunk, start, context)
        start = end if end == size else end - _OVERLAP_BYTES


# -- runs -------------------------------------------------------------------------------


def _runs(data: Data, chunk: bytes, base: int, context: Context) -> Iterator[Hit]:
    shape = chunk.translate(_RUNS_TABLE) + b" "
    find = shape.find
    start = find(_RUN)
    blobs = b""
    while start >= 0:
        end = find(b" ", start)
        if chunk[end : end + 1] in _BASE64_SIGNS:
            # An image's base64 is one such run after the other: pass over all of it.
            blobs = blobs or chunk.translate(_BLOBS_TABLE) + b" "
            blob_end = blobs.find(b" ", end)
            if blob_end - start > _BLOB_CHARS:
                start = find(_RUN, blob_end)
                continue
        # Runs are many (every UUID is one): here, whoever is no token must cost little.
        found = None
        if chunk[start] in _FIRST_BYTES:
            found = _first(BY_START.get(chunk[start : start + 3], ()), data, base + start)
        if found is None and start:
            if chunk[start - 1] == _DOT:
                found = _around(BEFORE_A_DOT, data, base + start, base + end)
            elif chunk[start - 1] == _COLON and chunk.startswith(AFTER_COLON, start):
                found = _around(BEFORE_A_COLON, data, base + start, base + end)
        if found is None and _HYPHEN in (chunk[end - 4], chunk[end - 5]):
            found = _first(_BY_END, data, base + start)
        if found is not None:
            yield found
        elif context is Context.CODE and _is_bare_entropy(chunk, start, end):
            yield Hit("possible-secret", "a random-looking text", base + start, certain=False)
        start = find(_RUN, end)


def _first(formats: Iterable[Format], data: Data, offset: int) -> Hit | None:
    for known in formats:
        match = known.pattern.match(data, offset, offset + _AT_MOST)
        if match is not None and not is_placeholder(match.group()):
            return Hit(known.kind, known.name, offset)
    return None


def _around(formats: Iterable[Format], data: Data, start: int, end: int) -> Hit | None:
    """Return the token that starts a little before the run from `start` to `end`."""
    near = max(start - _BEFORE, 0)
    window = data[near : end + _BEFORE]
    for known in formats:
        match = known.pattern.search(window)
        if match is None or near + match.start() >= end:
            continue
        if match.start() == 0 or window[match.start() - 1] not in _WORD:
            return _first((known,), data, near + match.start())
    return None


_BY_END = (MAILCHIMP,)
_FIRST_BYTES = frozenset(start[0] for start in BY_START)
_DOT, _COLON, _HYPHEN = b".:-"
_MIN_ENTROPY_CHARS, _MAX_ENTROPY_CHARS, _MIN_BARE_ENTROPY = 32, 200, 4.3


def _is_bare_entropy(chunk: bytes, start: int, end: int) -> bool:
    if not _MIN_ENTROPY_CHARS <= end - start <= _MAX_ENTROPY_CHARS:
        return False
    value = chunk[start:end]
    quotes = chunk[start - 1 : start] + chunk[end : end + 1]
    if quotes not in (b"''", b'""'):
        return False
    kinds = (value.lower() != value, value.upper() != value, any(48 <= b < 58 for b in value))  # noqa: PLR2004 - ASCII digits
    return all(kinds) and entropy(value) >= _MIN_BARE_ENTROPY and not is_placeholder(value)


# -- words ------------------------------------------------------------------------------

_KEY_OF = rb"(?:secret|access|account|api|auth|private|shared|storage|subscription|encryption)"
_ASSIGNMENT = re.compile(
    rb"(?:(?P<password>passw(?:or)?d|passphrase|pwd)"
    rb"|secret(?:[_-]?access)?(?:[_-]?key)?|token|credentials?|key|connection[_-]?string)"
    rb"(?:[_-]?(?:value|base|string|\d+))*(?P<closing>\\?[\"']?)\s{0,4}\]?[ \t]{0,20}"
    rb"(?P<sign>:[ \t]*[\w.\[\]| ]{1,40}=|={1,3}>?|:=?|>|,(?=\s{0,4}[\"'])|[ \t](?=[^\s=:]))\s{0,8}"
    rb"(?:[rRbBuUfF]{0,2}\\?(?P<quote>[\"'])(?P<quoted>(?:(?!\\?(?P=quote))[^\r\n]){4,512})\\?(?P=quote)"
    rb"|(?P<bare>[^\s\"'#,;&<>\\]{4,512}))",
    re.IGNORECASE,
)
_KEY_NAME = re.compile(_KEY_OF + rb"[_-]?$")
_NOT_CREDENTIALS = re.compile(
    rb"(?:page|next|continu\w*|cursor|sync|csrf|public(?:[_-]?key)?|pad|sep|[be]os|mask|unk|cls)[_-]?$"
)
_DIGIT = re.compile(rb"[0-9]")
_OPTION = re.compile(rb"(?:^|\s)--?[\w-]{0,30}$")
_COMMAND_LINE = re.compile(rb"\s*(?:[!%]|export\s|set\s|setenv\s|env\s|ENV\s)")

_URL = re.compile(
    rb"://(?P<user>[^\s:/@\"'<>?#]{0,100}):(?!(?P=user)@(?:localhost|127\.))(?P<value>[^\s/@\"'<>]{3,256})@[\w.\[-]"
)
_PEM = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:\s|\\+[nr]|\"|[\w-]{1,40}: [^\n\\]{1,80}(?:\n|\\n))*(?P<value>[A-Za-z0-9+/=]{40})"
)
_AUTHORIZATION = re.compile(
    rb"authorization\\?[\"']?\]?\s{0,4}[:=,]\s{0,4}[rbf]?\\?[\"']?(?:bearer|token|basic)\s+"
    rb"(?P<value>[\w+/=.~-]{12,})",
    re.IGNORECASE,
)
_DOCKER_AUTH = re.compile(rb"\"auth\"\s*:\s*\"(?P<value>[A-Za-z0-9+/]{12,}={0,2})\"")
_NETRC = re.compile(rb"machine\s+\S+\s+(?:login\s+\S+\s+)?password\s+(?P<value>\S{4,256})")
_CURL = re.compile(
    rb"curl\s[^\n]{0,200}?(?:-u|--user)[ =]?\\?[\"']?[\w.@-]{1,64}:(?P<value>[^\s\"'\\]{3,128})"
)
_AZURE = re.compile(rb"(?:account|access)key=(?P<value>[a-z0-9+/]{40,}={0,2})", re.IGNORECASE)
_KAGGLE = re.compile(
    rb"username\"\s*:\s*\"[^\"]+\"\s*,\s*\"key\"\s*:\s*\"(?P<value>[0-9a-f]{32})\""
)
#: Each word, in lower case, with the pattern that starts there and what it finds.
_SHAPES = (
    (b"://", _URL, "password-in-url", "a password in a URL"),
    (b"-----begin ", _PEM, "private-key", "a private key"),
    (b"authorization", _AUTHORIZATION, "authorization-header", "an authorization header"),
    (b'"auth"', _DOCKER_AUTH, "registry-login", "a registry login"),
    (b"machine", _NETRC, "netrc-password", "a password of a .netrc file"),
    (b"curl ", _CURL, "curl-password", "a password for curl"),
    (b"accountkey=", _AZURE, "azure-key", "an Azure key"),
    (b"accesskey=", _AZURE, "azure-key", "an Azure key"),
    (b"hooks.slack.com/", SLACK_WEBHOOK.pattern, SLACK_WEBHOOK.kind, SLACK_WEBHOOK.name),
    (b"/api/webhooks/", DISCORD_WEBHOOK.pattern, DISCORD_WEBHOOK.kind, DISCORD_WEBHOOK.name),
    (b'username"', _KAGGLE, "kaggle-key", "a Kaggle key"),
)
_NAMES = (
    b"passw",
    b"passphrase",
    b"pwd",
    b"secret",
    b"token",
    b"credential",
    b"key",
    b"connection",
)


def _words(data: Data, chunk: bytes, base: int, context: Context) -> Iterator[Hit]:
    lower = chunk.lower()
    for word, pattern, kind, name in _SHAPES:
        for at in _positions(lower, word):
            match = pattern.match(data, base + at, base + at + _AT_MOST)
            if match and not is_placeholder(match["value"]):
                yield Hit(kind, name, match.start("value"))
    for word in _NAMES:
        for at in _positions(lower, word):
            if word == b"key" and not _KEY_NAME.search(lower, max(at - 16, 0), at):
                continue
            found = _assigned(data, lower, base, at, context)
            if found is not None:
                yield found


def _positions(text: bytes, word: bytes) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))


def _assigned(data: Data, lower: bytes, base: int, at: int, context: Context) -> Hit | None:
    """Return the credential that is assigned to the name at `at`, if one is."""
    match = _ASSIGNMENT.match(data, base + at, base + at + _AT_MOST)
    if match is None or not _is_plausible(match, lower, at, context):
        return None
    value = match["quoted"]
    if match["password"] is None:
        if is_token(value or match["bare"]):
            return Hit("token", "a secret token", match.start())
    else:
        # In settings a bare word is a value; elsewhere it is rather prose or a name.
        sure = value is not None or context is Context.SETTINGS
        if is_password(value or match["bare"], quoted=sure):
            return Hit("password", "a password", match.start())
    return None


def _is_plausible(match: re.Match[bytes], lower: bytes, at: int, context: Context) -> bool:
    """Tell whether what stands around the value makes it one."""
    sign, value = match["sign"], match["quoted"]
    if _NOT_CREDENTIALS.search(lower, max(at - 16, 0), at):
        return False
    if sign.isspace() and not _OPTION.search(lower, max(at - 40, 0), at):
        return False
    if sign == b"," and not (match["closing"] and _DIGIT.search(value or b"")):
        return False  # a list of words rather than a name and its value
    return value is not None or context is not Context.CODE or _is_command(lower, at)


def _is_command(lower: bytes, at: int) -> bool:
    """Tell whether the line is a shell command or a magic: only there values have no quotes."""
    near = max(at - 500, 0)
    start = lower.rfind(b"\n", near, at)
    return (start >= 0 or near == 0) and _COMMAND_LINE.match(lower, start + 1) is not None
