"""inotify: sees reads that Python does not, such as those of parquet, HDF5 or OpenCV."""

from __future__ import annotations

import collections
import ctypes
import errno
import itertools
import os
import select
import struct
import sys
import threading

from .journal import MAX_OPENS, facts_of

MAX_FOLDERS = 2_000
MAX_ENTRIES = 100_000
_SKIPPED = {"__pycache__", "node_modules", "site-packages", "dist-packages"}

_ENVIRONMENT = {"pyvenv.cfg", "conda-meta"}


def _entries(folder):
    try:
        with os.scandir(folder) as found:
            return list(itertools.islice(found, MAX_ENTRIES))
    except OSError:
        return []


class Watch(threading.Thread):
    """inotify: sees reads that Python does not, such as those of parquet, HDF5 or OpenCV."""

    ACCESS, MODIFY, CLOSE_WRITE, OPEN, MOVED_TO, CREATE = 1, 2, 8, 0x20, 0x80, 0x100
    ONLY_FOLDERS, MASK_ADD = 0x01000000, 0x20000000
    MAKING = MOVED_TO | CREATE | ONLY_FOLDERS | MASK_ADD
    ALL = ACCESS | MODIFY | CLOSE_WRITE | OPEN | MAKING
    IS_FOLDER, OVERFLOW = 0x40000000, 0x4000

    def __init__(self, journal):
        threading.Thread.__init__(self, name="containerize-watch", daemon=True)
        self.journal = journal
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        self.stopping, self.stopper = os.pipe()
        self.lock = threading.Lock()
        self.folders = {}  # watch → [names of the folder]
        self.full = set()  # watches that tell of files, not only of new folders
        self.deep = set()  # watches whose subfolders are watched too
        self.roots = set()  # folders to watch whole, now or when they are made
        self.wanted = set()  # those and the folders above them that are not there yet
        self.links = {}  # real path → [symlinks to it in watched folders]
        self.files = {}  # (path, seq) → state
        self.others = set(threading.enumerate())

    def run(self):
        try:
            while self.stopping not in select.select([self.fd, self.stopping], [], [])[0]:
                self.drain()
        except Exception as error:
            self.journal.problem("watching ended: {}".format(type(error).__name__))

    def restore(self):
        os.write(self.stopper, b"x")
        self.join(2)
        for fd in (self.fd, self.stopping, self.stopper):
            os.close(fd)

    def add(self, root, deep=False, new=False, limit=MAX_FOLDERS, mask=ALL):
        """Watch `root`, and if `deep` what is below it, nearest first.

        `new` is a folder that was just made: files already in it are too.
        """
        queue, folders, entries = collections.deque([root]), 0, 0
        while queue:
            folder = queue.popleft()
            watch = self.place(folder, mask)
            if watch < 0 or not deep or watch in self.deep:
                continue
            self.deep.add(watch)
            inside = _entries(folder)
            folders, entries = folders + 1, entries + len(inside)
            if folders > limit or entries >= MAX_ENTRIES:
                self.journal.problem("too many files to watch; reads may be missed below " + root)
                return
            if folder == root or not any(entry.name in _ENVIRONMENT for entry in inside):
                queue.extend(self.subfolders(inside, new))

    def place(self, folder, mask):
        """Watch one folder; return the watch's number, negative if there is none."""
        watch = self.libc.inotify_add_watch(self.fd, os.fsencode(folder), mask)
        if watch < 0:
            if ctypes.get_errno() == errno.ENOSPC:  # fs.inotify.max_user_watches
                self.journal.problem("inotify has no watches left; reads may be missed")
            return watch
        if mask == self.ALL:
            self.full.add(watch)
        names = self.folders.setdefault(watch, [])
        if folder not in names:
            names.append(folder)
        return watch

    def subfolders(self, inside, new):
        """Return the folders to go down into; note symlinks and new files on the way."""
        found = []
        for entry in inside:
            if entry.is_symlink():
                self.link(entry.path)
            if entry.is_dir():
                if not self.skips(entry.path):
                    found.append(entry.path)
            elif new:
                self.saw(entry.path, self.CREATE)
        return found

    def skips(self, path):
        name = os.path.basename(path)
        return name in _SKIPPED or (name.startswith(".") and path not in self.wanted)

    def link(self, path):
        """Watch behind the symlink `path`: opening it is an event where the real file is."""
        real = os.path.realpath(path)
        if real != path and os.path.isfile(real) and path not in self.links.setdefault(real, []):
            self.links[real].append(path)
            self.add(os.path.dirname(real))

    def want(self, folder):
        """Watch `folder` now, or once it and its parents are made."""
        self.roots.add(folder)
        self.wanted.add(folder)
        deep = True
        while not os.path.isdir(folder) and folder != "/":
            deep = False
            self.wanted.add(folder)
            folder = os.path.dirname(folder)
        # Others read files in HOME all the time: there only new folders matter.
        self.add(folder, deep, mask=self.ALL if deep else self.MAKING)

    def drain(self):
        with self.lock:
            busy = self.journal.running or self.others_run()
            while True:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:
                    return
                place = 0
                while place < len(data):
                    watch, mask, _, size = struct.unpack_from("iIII", data, place)
                    name = data[place + 16 : place + 16 + size].rstrip(b"\0")
                    place += 16 + size
                    if mask & self.OVERFLOW:
                        self.journal.problem("inotify lost events: too many files at once")
                    elif name and (busy or mask & self.IS_FOLDER):
                        for folder in tuple(self.folders.get(watch, ())):
                            self.event(os.path.join(folder, os.fsdecode(name)), mask, watch)

    def others_run(self):
        """While no cell runs, other programs' reads are not ours, unless the user has threads."""
        children = getattr(sys.modules.get("multiprocessing.process"), "_children", ())
        return bool(children) or any(
            thread is not self and thread not in self.others for thread in threading.enumerate()
        )

    def event(self, path, mask, watch):
        if not mask & self.IS_FOLDER:
            if watch not in self.full:
                return
            if mask & (self.CREATE | self.MOVED_TO) and os.path.islink(path):
                self.link(path)
            for name in (path, *self.links.get(path, ())):
                self.saw(name, mask)
        elif mask & (self.CREATE | self.MOVED_TO):
            if path in self.wanted:
                self.add(path, deep=path in self.roots, new=True)
                for root in [root for root in self.roots if root.startswith(path + "/")]:
                    self.want(root)
            elif watch in self.deep and not self.skips(path):
                self.add(path, deep=True, new=True)

    def saw(self, path, mask):
        key = (path, self.journal.seq)
        state = self.files.get(key)
        if state is None:
            if len(self.files) >= MAX_OPENS:
                self.journal.problem("more than {} files were opened".format(MAX_OPENS))
                return
            made = bool(mask & (self.CREATE | self.MOVED_TO))
            state = {"tick": next(self.journal.ticks), "made": made, "facts": facts_of(path)}
            self.files[key] = state
        if mask & self.ACCESS and not state.get("modified"):
            state["read"] = True
        if mask & self.MODIFY:
            state["modified"] = True
        if mask & self.CLOSE_WRITE:
            state["writable"] = True

    def rows(self):
        for (path, seq), state in list(self.files.items()):
            mode = "rw" if state.get("writable") or state.get("modified") else "r"
            if state["made"] or (state.get("modified") and not state.get("read")):
                mode = "w"
            yield state["tick"], path, "", mode, "inotify", seq, state["facts"]
