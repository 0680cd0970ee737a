"""Canonical `.pyc` data from the kernel's interpreter, in processes beside the builder."""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from ..errors import ContainerizeError
from ..model.plan import BytecodeContent
from .sources import file_changed, not_a_file, source_error

_PROGRAM = os.path.join(os.path.dirname(__file__), "canonical_pyc.py")
_MARSHAL_VERSION = 4  # every interpreter since 3.4 reads it
_PIPE_BYTES = 1 << 20  # what an unprivileged pipe may hold: how far a process runs ahead


@dataclass(frozen=True, slots=True)
class Bytecode:
    """One `.pyc`: `data` is None where the source does not compile, then it is left out."""

    data: bytes | None
    compiled: bool


@contextlib.contextmanager
def bytecode_for(
    contents: Sequence[BytecodeContent], *, interpreter: str, processes: int
) -> Iterator[Iterator[Bytecode]]:
    """Yield an iterator over the bytecode of `contents`, in their order.

    The work is done ahead of the reader, by up to `processes` processes. Leaving the
    context ends them. Errors while iterating: `file-changed`, `file-vanished`,
    `file-unreadable`, `not-a-file`, `interpreter-failed`.
    """
    count = min(processes, len(contents))
    with contextlib.ExitStack() as stack:
        shares = [contents[number::count] for number in range(count)]
        answers = [stack.enter_context(_worker(interpreter, share)) for share in shares]
        yield _in_turn(contents, answers, interpreter)


def _in_turn(
    contents: Sequence[BytecodeContent], answers: list[IO[bytes]], interpreter: str
) -> Iterator[Bytecode]:
    for number, content in enumerate(contents):
        yield _read_answer(answers[number % len(answers)], content, interpreter)


@contextlib.contextmanager
def _worker(interpreter: str, contents: Sequence[BytecodeContent]) -> Iterator[IO[bytes]]:
    """Start one process on `contents`; yield where its answers come from."""
    command = [interpreter, "-I", "-S", "-B", "-W", "ignore", _PROGRAM]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
    except OSError as error:
        raise _interpreter_failed(interpreter, str(error)) from error
    requests, answers = process.stdin, process.stdout
    if requests is None or answers is None:  # for the type checker: both are pipes
        raise _interpreter_failed(interpreter, "no pipes")
    with contextlib.suppress(OSError, AttributeError):  # only Linux can
        fcntl.fcntl(answers.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    feeder = threading.Thread(target=_feed, args=(requests, contents), daemon=True)
    feeder.start()
    try:
        yield answers
    finally:
        process.kill()
        process.wait()
        feeder.join()
        answers.close()


def _feed(requests: IO[bytes], contents: Sequence[BytecodeContent]) -> None:
    """Send all requests; a process that died is noticed where its answers are read."""
    with contextlib.suppress(OSError), requests:
        for content in contents:
            source = content.source
            request = marshal.dumps(
                (
                    os.fsencode(source.path),
                    source.size_bytes,
                    source.mtime_ns,
                    content.filename,
                    os.fsencode(content.pyc.path) if content.pyc else b"",
                ),
                _MARSHAL_VERSION,
            )
            requests.write(len(request).to_bytes(4, "little") + request)


def _read_answer(answers: IO[bytes], content: BytecodeContent, interpreter: str) -> Bytecode:
    length = int.from_bytes(answers.read(4), "little")
    answer = answers.read(length)
    if length == 0 or len(answer) != length:
        why = f"It ended while it made the bytecode of {content.source.path!r}."
        raise _interpreter_failed(interpreter, why)
    letter, data = answer[:1], answer[1:]
    if letter == b"E":
        raise _refusal(data.partition(b"\0")[0].decode(), content.source.path)
    return Bytecode(data=None if letter == b"S" else data, compiled=letter == b"N")


def _refusal(code: str, path: str) -> ContainerizeError:
    if code == "file-changed":
        return file_changed(path)
    if code == "not-a-file":
        return not_a_file(path)
    number = int(code.removeprefix("errno-"))
    return source_error(path, OSError(number, os.strerror(number)))


def _interpreter_failed(interpreter: str, why: str) -> ContainerizeError:
    return ContainerizeError(
        "interpreter-failed",
        what=f"The kernel's Python, {interpreter}, could not make bytecode.",
        why=why,
        fix="Check that this Python still starts, then capture the notebook again.",
    )
