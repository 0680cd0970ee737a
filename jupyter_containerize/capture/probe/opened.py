"""Joins what wrappers, inotify and the process itself tell about opened files."""

from __future__ import annotations

import os
import stat
import time

from .journal import facts_of

try:
    import fcntl
except ImportError:  # Windows: there is no /proc either, which is what it is for
    fcntl = None  # type: ignore[assignment] # there is none there

#: Files that the import system or the front end opens, not a cell.
_NOT_CELLS = (".pyc", ".ipynb")
_SYSTEM = ("/usr/", "/lib", "/dev/")
_LAST = 1 << 60


def opened(journal, watched, mapped, apart):
    """Return the record's `opens` in order, each path, mode and execution once.

    `watched` are inotify's rows, `mapped` the mapped files, `apart` paths that are not the
    cells': modules' own files, IPython's history.
    """
    found = list(journal.opens.values())
    found += [row for row in watched if not row[1].endswith(_NOT_CELLS)]
    known = {row[1] for row in found} | {path for path, executable in mapped if executable}
    for path, _ in mapped:
        if path not in known and not path.startswith(_SYSTEM):
            facts = facts_of(path)
            if facts is not None and stat.S_ISREG(facts.st_mode):
                found.append((_LAST, path, "", "r", "mapped", 0, facts))
    rows = {}
    for _, path, given, mode, via, seq, facts in sorted(found, key=lambda row: row[0]):
        if path not in apart and (path, mode, seq) not in rows:
            rows[path, mode, seq] = {
                "path": path,
                "given": given or journal.given.get(path, ""),
                "mode": mode,
                "via": via,
                "seq": seq,
                "size": facts.st_size if facts else None,
                "mtime_ns": facts.st_mtime_ns if facts else None,
            }
    return list(rows.values())


class Descriptors:
    """Files that are still open after a cell: C code may have opened them anywhere."""

    def __init__(self, journal):
        self.journal = journal
        self.known = set(_open_files())

    def note(self, seconds):
        """Tell the journal what was opened in the execution that took `seconds`."""
        for fd, path in _open_files():
            if (fd, path) in self.known:
                continue
            self.known.add((fd, path))
            seq = self.journal.seq
            if not any((path, mode, seq) in self.journal.opens for mode in ("r", "w", "rw")):
                before = self.journal.before_open(path, _kind(fd, path, seconds))
                if before:
                    self.journal.opened((before[0], before[1], "", before[3]), "descriptor")


def _kind(fd, path, seconds):
    if not fcntl.fcntl(fd, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR):
        return "r"
    facts = facts_of(path)
    return "w" if facts and time.time() - facts.st_ctime < seconds else "rw"


def _open_files():
    """Yield `(descriptor, path)` of each open file with a name."""
    try:
        fds = os.listdir("/proc/self/fd")
    except OSError:
        return
    for fd in fds:
        try:
            path = os.readlink("/proc/self/fd/" + fd)
        except OSError:
            continue
        if path.startswith("/") and not path.endswith(" (deleted)"):
            yield int(fd), path
