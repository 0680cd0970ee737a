"""The wrapped functions, and how to put the originals back."""

from __future__ import annotations

import builtins
import functools
import io
import os
import subprocess
import sys
from urllib.parse import unquote

from .journal import kind_of_mode


class Wrappers:
    """The wrapped functions, and how to put the originals back."""

    def __init__(self, journal):
        self.undo = []
        self._wrap_opens(journal)
        self._wrap_sqlite(journal)
        self._wrap_commands(journal)

    def replace(self, owner, name, wrapper):
        original = owner.__dict__.get(name, self)
        self.undo.append((owner, name, original))
        setattr(owner, name, wrapper)

    def restore(self):
        os.supports_dir_fd.discard(os.open)
        for owner, name, original in reversed(self.undo):
            if original is self:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        if self.takes_folders:
            os.supports_dir_fd.add(os.open)

    def _wrap_opens(self, journal):
        real, real_os = io.open, os.open

        @functools.wraps(real)
        def open(*args, **options):  # noqa: A001 - its name shows in tracebacks and pickles
            __tracebackhide__ = True
            kind = kind_of_mode(str(args[1] if len(args) > 1 else options.get("mode", "r")))
            before = journal.before_open(args[0] if args else options.get("file", 0), kind)
            result = real(*args, **options)
            if before is not None:
                journal.opened(before, "open")
            return result

        @functools.wraps(real_os)
        def os_open(path, flags, *args, **options):
            __tracebackhide__ = True
            access = flags & (os.O_WRONLY | os.O_RDWR)
            kind = ("w" if flags & os.O_TRUNC else "rw") if access else "r"
            folder = options.get("dir_fd")
            before = None
            if folder is None:
                before = journal.before_open(path, kind)
            elif not isinstance(path, int):
                before = journal.before_open(_below(folder, path), kind)
            result = real_os(path, flags, *args, **options)
            if before is not None:
                journal.opened(before, "os.open")
            return result

        open.__module__, os_open.__module__ = "io", "os"
        self.replace(builtins, "open", open)
        self.replace(io, "open", open)
        self.replace(os, "open", os_open)
        self.takes_folders = real_os in os.supports_dir_fd
        if self.takes_folders:
            os.supports_dir_fd.add(os_open)
        interactive = sys.modules.get("IPython.core.interactiveshell")
        if getattr(interactive, "io_open", None) is real:
            self.replace(interactive, "io_open", open)

    def _wrap_sqlite(self, journal):
        for owner in (sys.modules.get("sqlite3"), sys.modules.get("sqlite3.dbapi2")):
            if owner is not None:
                self.replace(owner, "connect", _sqlite_connect(owner.connect, journal))

    def _wrap_commands(self, journal):
        real_init, real_system = subprocess.Popen.__init__, os.system

        @functools.wraps(real_init)
        def __init__(self, args, *more, **options):  # noqa: N807 - it is Popen's
            __tracebackhide__ = True
            real_init(self, args, *more, **options)
            shell, cwd, env = (
                options.get(name, more[place] if len(more) > place else None)
                for place, name in ((7, "shell"), (8, "cwd"), (9, "env"))
            )
            journal.called(args, shell, "subprocess", cwd, env)

        @functools.wraps(real_system)
        def system(command):
            __tracebackhide__ = True
            journal.called(command, True, "os.system")  # noqa: FBT003 - a shell reads it
            return real_system(command)

        system.__module__ = "os"
        self.replace(subprocess.Popen, "__init__", __init__)
        self.replace(os, "system", system)
        for name in ("IPython.core.interactiveshell", "ipykernel.zmqshell"):
            owner = sys.modules.get(name)
            if callable(
                getattr(owner, "system", None)
            ):  # already expanded: our frame disturbs nothing
                self.replace(owner, "system", _ipython_system(owner.system, journal))


def _below(folder, path):
    return os.path.join(os.readlink("/proc/self/fd/{}".format(folder)), os.fsdecode(path))


def _sqlite_connect(real, journal):
    @functools.wraps(real)
    def connect(*args, **options):
        __tracebackhide__ = True
        before = None
        try:
            name = os.fsdecode(args[0] if args else options["database"])
            kind = "rw"
            if name.startswith("file:") and options.get("uri"):
                name, _, query = name[5:].partition("?")
                name, kind = (
                    unquote(name),
                    "r" if "mode=ro" in query or "immutable=1" in query else "rw",
                )
                name = ":" if "mode=memory" in query else name
            if name and not name.startswith(":"):
                before = journal.before_open(name, kind)
        except Exception:
            before = None
        result = real(*args, **options)
        if before is not None:
            journal.opened(before, "sqlite3.connect")
        return result

    return connect


def _ipython_system(real, journal):
    @functools.wraps(real)
    def system(command):
        __tracebackhide__ = True
        journal.called(command, True, "system")  # noqa: FBT003 - a shell reads it
        return real(command)

    return system
