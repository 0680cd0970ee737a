"""Programs that cells call, with the links, interpreters and package files they need to start."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..model.files import FileEntry
from ..model.reasons import Finding, Reason, ReasonKind, Severity
from ..model.snapshot import Executable, Interpreter
from . import trail
from .gpu_driver import DRIVER_TOOLS, driver_finding
from .packages import Owners

_PYTHON = re.compile(r"python[\d.]*")
#: Linux reads this much of a `#!` line. Source: execve(2).
_FIRST_LINE_BYTES = 256
#: What a package's programs read at run time lies elsewhere.
_NOT_AT_RUN_TIME = re.compile(
    r"""
    /(?:usr/)?s?bin/.* | /usr/games/.* |
    /usr/share/(?:doc|doc-base|man|info|locale|lintian|bug|menu|applications|icons|pixmaps|
                  metainfo|bash-completion|zsh|fish|gtk-doc|debhelper|python3)/.* |
    /usr/include/.* | (?:/usr)?/lib/(?:systemd|tmpfiles\.d|sysusers\.d|udev)/.* |
    (?:/usr)?/lib(?:64)?/(?:[^/]+-linux-gnu[^/]*/)?[^/]*\.(?:so(?:\..*)?|a|o|la) |
    /usr/lib/python3.* |
    .*/gconv/.* | /etc/(?:cron\.[^/]*|init\.d|default|pam\.d|logrotate\.d|systemd|apparmor\.d|skel|profile\.d)/.* |
    /var/.*
    """,
    re.VERBOSE,
)


def find(
    commands: Iterable[tuple[str, Reason]],
    *,
    search_path: str,
    included: Iterable[str] = (),
    folder: str = "/",
    packages: Owners,
    interpreter: Interpreter | None = None,
) -> tuple[tuple[Executable, ...], tuple[Finding, ...]]:
    """Return the programs behind `commands`, and findings about those that are not there.

    `commands` are names as called (`grep`, `/usr/bin/env`, `./tool.sh`) with the reason (called
    by cell N). `search_path` is the kernel's PATH, `folder` its current folder. What lies in
    `included` (paths of files that go in as part of a distribution, local code or data) is
    not listed again, but the program that its `#!` line names is. `interpreter` is the
    kernel's: its own executable goes in anyway.
    """
    search = _Search(search_path, folder, frozenset(included), packages, interpreter)
    for name, reason in commands:
        search.add(name, reason)
    search.follow()
    return search.executables(), tuple(search.findings.values())


def resolve(name: str, *, search_path: str, folder: str = "/") -> str:
    """Return the absolute path that calling `name` starts, "" if there is none."""
    if not name or "\0" in name:
        return ""
    if "/" in name:
        paths = [os.path.join(folder, os.path.expanduser(name))]
    else:
        paths = [os.path.join(folder, part, name) for part in search_path.split(":")]
    for path in paths:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.normpath(path) if ".." not in path else os.path.realpath(path)
    return ""


@dataclass
class _Program:
    """A program while its reasons are being collected."""

    name: str
    path: str
    real: str
    reasons: set[Reason] = field(default_factory=set)


class _Search:
    def __init__(
        self,
        search_path: str,
        folder: str,
        included: frozenset[str],
        packages: Owners,
        interpreter: Interpreter | None,
    ) -> None:
        self._search_path = search_path
        self._folder = folder
        self._included = included
        self._packages = packages
        own = interpreter.executable if interpreter else ""
        self._python = os.path.realpath(own) if own else ""
        self._script_folders = {os.path.dirname(own), os.path.dirname(self._python)}
        self._programs: dict[str, _Program] = {}
        self._queue: deque[_Program] = deque()
        self.findings: dict[str, Finding] = {}

    def add(self, name: str, reason: Reason) -> None:
        """Add the program `name`, or a finding why it cannot go in."""
        if DRIVER_TOOLS.fullmatch(os.path.basename(name)):
            self.findings[name] = driver_finding([name])
            return
        path = resolve(name, search_path=self._search_path, folder=self._folder)
        if not path:
            self.findings.setdefault(name, _not_found(name, reason))
            return
        if path not in self._programs:
            program = _Program(name, path, os.path.realpath(path))
            self._programs[path] = program
            self._queue.append(program)
        self._programs[path].reasons.add(reason)

    def follow(self) -> None:
        """Add what the `#!` lines name."""
        while self._queue:
            program = self._queue.popleft()
            if self._is_other_python(program):
                self.findings.setdefault(program.name, _other_python(program))
            reason = Reason(ReasonKind.REQUIRED, program.name)
            for name in _interpreters(program.real):
                path = resolve(name, search_path=self._search_path, folder=self._folder)
                if path and os.path.realpath(path) == self._python:
                    self._check_script(program)
                else:
                    self.add(name, reason)

    def _check_script(self, program: _Program) -> None:
        """Warn of a script of the kernel's own Python whose distribution does not go in."""
        is_entry_point = os.path.dirname(program.path) in self._script_folders
        if is_entry_point and not self._is_included(program):
            self.findings.setdefault(program.name, _script_alone(program))

    def _is_other_python(self, program: _Program) -> bool:
        named_so = _PYTHON.fullmatch(os.path.basename(program.path)) is not None
        return bool(self._python) and named_so and program.real != self._python

    def _is_included(self, program: _Program) -> bool:
        return program.path in self._included or program.real in self._included

    def executables(self) -> tuple[Executable, ...]:
        """Return the programs that do not go in otherwise, sorted by path."""
        return tuple(
            self._executable(program)
            for _, program in sorted(self._programs.items())
            if not self._is_included(program) and program.real != self._python
        )

    def _executable(self, program: _Program) -> Executable:
        package = self._packages.owner(program.real)
        entries = set(trail.entries(program.path)) | set(_support(package, self._packages))
        return Executable(
            name=program.name,
            path=program.path,
            files=tuple(sorted(entries, key=lambda entry: entry.path)),
            package=package,
            reasons=tuple(sorted(program.reasons)),
        )


def _support(package: str, packages: Owners) -> Iterator[FileEntry]:
    """Yield what the package and its halves put beside its programs: modules, plug-ins, data.

    `git` without `/usr/lib/git-core`, or Perl without its modules, starts and does nothing.
    """
    for name in packages.companions(package):
        for path in packages.files(name):
            if not _NOT_AT_RUN_TIME.fullmatch(path) and not os.path.isdir(path):
                yield from trail.entries(path)


def _interpreters(path: str) -> tuple[str, ...]:
    """Return the programs that a script's first line names: `/usr/bin/env` and what it starts."""
    try:
        with open(path, "rb") as file:
            head = file.read(_FIRST_LINE_BYTES)
    except OSError:
        return ()
    if not head.startswith(b"#!"):
        return ()
    words = os.fsdecode(head[2:].split(b"\n", maxsplit=1)[0]).split()
    if words and os.path.basename(words[0]) == "env":
        named = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        return (words[0], *named[:1])
    return tuple(words[:1])


def _cell_of(reason: Reason) -> int | None:
    number = reason.by.removeprefix("cell ")
    return int(number) if number.isdecimal() else None


def _not_found(name: str, reason: Reason) -> Finding:
    return Finding(
        code="command-not-found",
        severity=Severity.WARNING,
        what=f"The program {name!r}, {reason}, is not on this machine.",
        why="No folder of the kernel's PATH has an executable file of that name.",
        fix="Install it before building, or take the call out of the cell.",
        cell=_cell_of(reason),
    )


def _other_python(program: _Program) -> Finding:
    reason = min(program.reasons)
    return Finding(
        code="other-python",
        severity=Severity.WARNING,
        what=f"{program.name!r}, {reason}, is another Python than the kernel's.",
        why=f"The image holds the kernel's standard library and packages, not those of {program.real}.",
        fix="Call the kernel's own Python: `!{sys.executable}` or `%run`.",
        cell=_cell_of(reason),
        path=program.path,
    )


def _script_alone(program: _Program) -> Finding:
    reason = min(program.reasons)
    return Finding(
        code="script-without-its-package",
        severity=Severity.WARNING,
        what=f"{program.name!r}, {reason}, starts a Python package that no cell imports.",
        why="The script goes into the image, the package behind it does not.",
        fix="Import the package in a cell, or take the call out if the image does not need it.",
        cell=_cell_of(reason),
        path=program.path,
    )
