"""Standard output and error of the cells, caught where ipykernel catches them.

Python's writes come through `CellStream`; what C code and child processes write to file
descriptors 1 and 2 comes through a pipe. Both reach the recorder in order.
"""

from __future__ import annotations

import codecs
import io
import os
import select
import threading

from .outputs import Recorder


class CellStream(io.TextIOBase):
    """What `sys.stdout` or `sys.stderr` is while cells run; has ipykernel's `OutStream`'s traits.

    No terminal, no `buffer`; `fileno()` is the container's log, as it is the server's in a kernel.
    """

    encoding = "UTF-8"

    def __init__(self, name: str, fd: int, recorder: Recorder) -> None:
        self.name = name
        self._recorder = recorder
        self._fd = fd
        self._pid = os.getpid()
        self._child_line = ""
        self._open = True
        self._lock = threading.RLock()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._log_fd = os.dup(fd)
        self._pipe, write_end = os.pipe()
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)
        os.dup2(write_end, fd)
        os.close(write_end)
        threading.Thread(target=self._watch, name=f"{name} watcher", daemon=True).start()

    def fileno(self) -> int:
        """Return the descriptor of the container's log."""
        return self._log_fd

    def isatty(self) -> bool:
        """Return false: a notebook's cell has no terminal."""
        return False

    def writable(self) -> bool:
        """Return true."""
        return True

    def write(self, text: str) -> int:
        """Emit `text` behind all that reached the file descriptor before."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        if os.getpid() != self._pid:  # a forked child: its memory is not the cell's
            self._child_line += text
            if "\n" in text:
                self.flush()
            return len(text)
        with self._lock:
            self.drain()
            self._recorder.stream(self.name, text)
        return len(text)

    def flush(self) -> None:
        """Emit what has reached the file descriptor; a child writes there."""
        if os.getpid() == self._pid:
            self.drain()
            self._recorder.flush()
            return
        data, self._child_line = memoryview(self._child_line.encode(errors="replace")), ""
        while data:
            data = data[os.write(self._fd, data) :]

    def drain(self) -> None:
        """Emit everything that lies in the pipe now."""
        with self._lock:
            while self._open and self._poll.poll(0):
                data = os.read(self._pipe, 65536)
                self._open = bool(data)  # a cell may close the descriptor
                self._recorder.stream(self.name, self._decoder.decode(data))

    def _watch(self) -> None:
        waiting = select.poll()
        waiting.register(self._pipe, select.POLLIN)
        while self._open:
            waiting.poll()
            self.drain()
