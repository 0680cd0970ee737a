"""Whether a text is a real credential, a placeholder, or something else altogether."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter

#: What documentation and examples write where a credential would stand.
_PLACEHOLDER = re.compile(
    rb"your|example|placeholder|change[_-]?(?:me|this|it)|replace|insert|dummy|fake|redacted|sample"
    rb"|x{4}|\*{3}|\.{3}|\xe2\x80\xa6|todo|undefined|deadbeef|0123456789|1234567890"
    rb"|[<>{}\[\]]|\$\(|\$[A-Za-z_]|%\(|%s|process\.env|environ|getenv|getpass|vault:|env:"
    rb"|not[_-]?a[_-]?real|no[_-]?real|(?:^|[_-])(?:foo|bar|baz|qux|lorem|ipsum)(?:$|[_-])",
    re.IGNORECASE,
)
#: Texts made of these words only say what they stand for.
_WORDS = re.compile(
    rb"(?:my|the|a|an|some|any|user|username|login|db|database|api|key|secret|token|password|passwd"
    rb"|passphrase|pass|pwd|access|auth|authentication|client|app|application|here|id|test|testing"
    rb"|value|super|private|public|enter|string|str|bytes|bool|int|float|default|new|old|name|field"
    rb"|in|input|type|text|hidden|none|null|nil|true|false|optional|required|empty|bearer|basic"
    rb"|email|first|last|mail|url|host|admin|root|guest|demo|mock|invalid|wrong|bad|good|correct"
    rb"|sha|md|rsa|hash|hashed|encrypted|credential|credentials|account|code|number|service)+",
    re.IGNORECASE,
)
_NOT_LETTERS = re.compile(rb"\\\\[nrt]|[^A-Za-z]+")
#: Paths, and dotted names of programs.
_PATH = re.compile(rb"\.{0,2}/|~/|[A-Za-z]:\\\\|[A-Za-z_]+(?:[.:][A-Za-z_]+)+$")
_MIXED_RUN = re.compile(rb"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{8,}")
_SEQUENCE_SHARE = 0.6
_MIN_ENTROPY = 3.0
_MIN_TOKEN_CHARS = 12
_MIN_LETTERS, _WILD_SHARE = 16, 0.4
_MIN_PASSWORD_CHARS = 5


def entropy(value: bytes) -> float:
    """Return Shannon's entropy of `value` in bits a byte."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


def is_placeholder(value: bytes) -> bool:
    """Tell whether `value` stands for a credential without being one."""
    if _PLACEHOLDER.search(value) or len(set(value)) <= 3:  # noqa: PLR2004 - `aaaa`, `0-0-0`
        return True
    letters = _NOT_LETTERS.sub(b"", value)
    if letters and _WORDS.fullmatch(letters):
        return True
    steps = sum(b - a in (0, 1) for a, b in itertools.pairwise(value))
    return steps > _SEQUENCE_SHARE * (len(value) - 1)


def is_token(value: bytes) -> bool:
    """Tell whether `value` looks made by a machine: long, mixed, without order."""
    return (
        len(value) >= _MIN_TOKEN_CHARS
        and b" " not in value
        and (_MIXED_RUN.search(value) is not None or _has_wild_case(value))
        and entropy(value) >= _MIN_ENTROPY
        and not is_placeholder(value)
    )


def _has_wild_case(value: bytes) -> bool:
    """Tell whether upper and lower case change more often than in CamelCase."""
    changes = sum(
        a.isupper() != b.isupper() for a, b in itertools.pairwise(value.decode("latin-1"))
    )
    return len(value) >= _MIN_LETTERS and value.isalpha() and changes > _WILD_SHARE * len(value)


def is_password(value: bytes, *, quoted: bool) -> bool:
    """Tell whether `value`, assigned to something called a password, may be one.

    Without quotes a plain word may be prose or a name in a program, so a digit or a sign
    among letters is asked for.
    """
    if len(value) < _MIN_PASSWORD_CHARS or is_placeholder(value):
        return False
    if (
        _PATH.match(value)
        or any(byte in b" \t" for byte in value)
        or value.endswith((b":", b"(", b","))
    ):
        return False
    if quoted:
        return True
    return not value.isalpha() and not value.isdigit() and b"(" not in value
