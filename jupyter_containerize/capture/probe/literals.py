"""Which folders a cell's text points at, so that they can be watched before it runs."""

from __future__ import annotations

import os
import re
import sys

_WORDS = re.compile(
    r"""(["'])(?P<quoted>(?:\\.|(?!\1)[^\\\n]){1,4096})\1"""
    r"""|(?P<bare>[^\s"'=(),;|&<>\[\]]*/[^\s"'=(),;|&<>\[\]]*|\.\.)"""
)
_NAMES = re.compile(r"[^\W\d]\w*")
_GLOB = re.compile(r"[*?\[{]")
_MAX_WORDS = 5_000
_PATH_MAX = 4096
_NEVER = ("/proc", "/sys", "/dev", "/usr", "/lib", "/bin", "/etc")


def folders(source, names, cwd, home):
    """Yield `(given, folder, file or "", deep)` for each path that `source` names."""
    seen = set()
    words = [match.group("quoted") or match.group("bare") for match in _WORDS.finditer(source)]
    values = [names.get(name) for name in _NAMES.findall(source)[:_MAX_WORDS]]
    values += [os.environ.get(word) for word in words if word and word.isupper()]
    words = words[:_MAX_WORDS] + [_as_text(value) for value in values]
    for word in words:
        if not word or word in seen or "\0" in word or len(word) > _PATH_MAX:
            continue
        seen.add(word)
        start = _GLOB.search(word)
        text = word[: word.rfind("/", 0, start.start()) + 1] if start else word
        path = os.path.normpath(os.path.join(cwd, os.path.expanduser(text or ".")))
        if os.path.isdir(path):
            if not _within(path, _NEVER) and not _within(path, (sys.prefix, sys.base_prefix)):
                yield word, path, "", not _within(home, (path,)) and path.count("/") > 1
        elif "/" in text or os.path.lexists(path):
            folder = os.path.dirname(path)
            if os.path.isdir(folder) and not _within(folder, _NEVER):
                yield word, folder, path, False


def _as_text(value):
    if isinstance(value, os.PathLike) and type(value).__module__.startswith("pathlib"):
        return os.fspath(value)
    return value if type(value) is str and "\n" not in value[:_PATH_MAX] else ""


def _within(path, roots):
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)
