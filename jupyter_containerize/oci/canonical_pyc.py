"""Make hash-based `.pyc` data that does not depend on who compiled it, when, or where.

A program of its own, run by the *kernel's* interpreter (any from 3.10) with nothing but
built-in modules. Requests on standard input, answers on standard output, in order; both are
a 4-byte little-endian length and that many bytes. A request is a marshalled tuple

    (source path, size, mtime_ns, image path, pyc path or empty)

of bytes, int, int, str and bytes. An answer is one letter and data: `C` the `.pyc` data, made
from the existing one; `N` the same, newly compiled; `S` the source does not compile, so it
gets none; `E` a code, a NUL and a path.

What `marshal` writes depends on more than the code: a string gets a reference flag if anything
else in the process holds it; strings and sets that are equal may be one object or two, as
others had interned them before or not; one-letter strings and file names are interned or not;
sets have the order of their hashes, which before 3.12 may be addresses. So here every string is
held, equal ones are made one, and sets are sorted. The code's file name is the path in the
image. Source: PEP 552; CPython's Python/marshal.c and Objects/codeobject.c.
"""

import _frozen_importlib_external as importlib_external
import _imp
import marshal
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

MAGIC = importlib_external.MAGIC_NUMBER
RAW_MAGIC = int.from_bytes(MAGIC, "little")
UNCHECKED = b"\x01\x00\x00\x00"
TIMESTAMP = b"\x00\x00\x00\x00"
HEADER_BYTES = 16
REGULAR_FILE, FILE_TYPE = 0o100000, 0o170000
READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC
# Before 3.11 sets are written as they lie, by hashes; a list is written alike but for its
# first byte, so there a set goes as a list with this at its head, to be found again.
SETS_AS_LISTS = sys.version_info < (3, 11)
SET_MARK = b"\xe6\x9b this was a set \x9b\xe6"
REFERENCED = 0x80  # marshal's flag for what is referred to later
LONGEST_SHORT = 255
CODE = type((lambda: 0).__code__)
PLACEHOLDER = "<not yet named>"
ONE_LETTER = [sys.intern(chr(number)) for number in range(256)]


class Refused(Exception):  # noqa: N818 - not an error of this program: an answer
    """The file is not what the plan says; the text is the answer's code."""


def read(path: bytes) -> "tuple[bytes, posix.stat_result]":
    """Return a regular file's bytes and status, unchanged while read."""
    descriptor = posix.open(path, READ)
    try:
        before = posix.fstat(descriptor)
        if before.st_mode & FILE_TYPE != REGULAR_FILE:
            raise Refused("not-a-file")
        chunks = []
        while chunk := posix.read(descriptor, before.st_size + 1):
            chunks.append(chunk)
        after = posix.fstat(descriptor)
    finally:
        posix.close(descriptor)
    data = b"".join(chunks)
    if before.st_mtime_ns != after.st_mtime_ns or len(data) != after.st_size:
        raise Refused("file-changed")
    return data, after


def read_source(path: bytes, size: int, mtime_ns: int) -> "tuple[bytes, posix.stat_result]":
    """Return the source's bytes and status, checked against the plan's size and time."""
    source, status = read(path)
    if len(source) != size or mtime_ns not in (0, status.st_mtime_ns):
        raise Refused("file-changed")
    return source, status


def existing_code(pyc_path: bytes, status: "posix.stat_result", source_hash: bytes) -> bytes:
    """Return the marshalled code of a `.pyc` that is valid for the source, else nothing."""
    try:
        data, _ = read(pyc_path)
    except (OSError, Refused):
        return b""
    stamp = source_hash
    if data[4:8] == TIMESTAMP:
        stamp = (int(status.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
        stamp += (status.st_size & 0xFFFFFFFF).to_bytes(4, "little")
    valid = data[:4] == MAGIC and data[8:HEADER_BYTES] == stamp
    return data[HEADER_BYTES:] if valid else b""


def new_code(source: bytes, image_path: str) -> bytes:
    """Return the source's marshalled code; nothing if it does not compile (templates, tests)."""
    try:
        return marshal.dumps(compile(source, image_path, "exec", dont_inherit=True, optimize=0))
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return b""


class Parts:
    """What lies below a code object, found in one walk, for this is the hot path of a build."""

    def __init__(self, code: "CodeType") -> None:
        # Interned by the interpreter; qualified names may not be, but each is an object of its own.
        self.names: list[str] = []
        self.texts: list[str] = []
        self.has_sets = False
        self._code(code)
        held = dict(zip(self.names, self.names))  # noqa: B905 - the same list
        hold = held.setdefault
        #: The strings among constants that equal another string but are not it.
        self.strays = [text for text in self.texts if hold(text, text) is not text]

    def _code(self, code: "CodeType") -> None:
        names = self.names
        names += code.co_names
        names += code.co_varnames
        names += code.co_freevars
        names += code.co_cellvars
        names.append(code.co_name)
        names.append(getattr(code, "co_qualname", ""))
        self._constants(code.co_consts)

    def _constants(self, items: "Any") -> None:
        for item in items:
            kind = type(item)
            if kind is str:
                self.texts.append(item)
            elif kind is CODE:
                self._code(item)
            elif kind is tuple:
                self._constants(item)
            elif kind is frozenset:
                self.has_sets = True
                self._constants(item)


def with_interned(data: bytes, strings: "list[str]") -> bytes:
    """Return marshalled `data` with these strings marked as interned: lower to upper case."""
    for string in strings:
        text = string.encode("utf-8", "surrogatepass")
        if not string.isascii():
            old, new, size = b"u", b"t", len(text).to_bytes(4, "little")
        elif len(text) > LONGEST_SHORT:
            old, new, size = b"a", b"A", len(text).to_bytes(4, "little")
        else:
            old, new, size = b"z", b"Z", bytes([len(text)])
        for flag in (0, REFERENCED):
            data = data.replace(
                bytes([old[0] | flag]) + size + text, bytes([new[0] | flag]) + size + text
            )
    return data


def with_one_of_each_set(value: "Any", sets: "dict[str, Any]") -> "Any":
    """Return `value` with equal frozensets below it made one, filled in a fixed order."""
    kind = type(value)
    if kind is CODE:
        constants = with_one_of_each_set(value.co_consts, sets)
        return value if constants is value.co_consts else value.replace(co_consts=constants)
    if kind is tuple:
        items = tuple([with_one_of_each_set(item, sets) for item in value])
        return items if any(map(is_not, items, value)) else value
    if kind is frozenset:
        # Equal numbers of different types are written differently, and so are their repr.
        ordered = sorted([with_one_of_each_set(item, sets) for item in value], key=repr)
        made = [bytes(bytearray(SET_MARK)), *ordered] if SETS_AS_LISTS else frozenset(ordered)
        return sets.setdefault(repr(ordered), made)
    return value


def with_sets_again(data: bytes) -> bytes:
    """Return marshalled `data` with the marked lists turned into sets."""
    mark = marshal.dumps(bytes(bytearray(SET_MARK)))
    unreferenced = bytes([mark[0] & ~REFERENCED]) + mark[1:]
    position = data.find(unreferenced)
    while position >= 0:
        start = position - 5  # the list's type and 4 bytes of size
        kind = b">"[0] | data[start] & REFERENCED
        size = int.from_bytes(data[start + 1 : position], "little") - 1
        head = bytes([kind]) + size.to_bytes(4, "little")
        data = data[:start] + head + data[position + len(unreferenced) :]
        position = data.find(unreferenced, start)
    return data


def is_not(one: object, other: object) -> bool:
    """Whether these are two objects."""
    return one is not other


def canonical(data: bytes, image_path: str) -> bytes:
    """Return marshalled code in the form that only the code and its path decide.

    Nothing, if `data` is no code.
    """
    try:
        code = marshal.loads(data)  # noqa: S302 - as an import would
    except (ValueError, EOFError, TypeError):
        return b""
    if type(code) is not CODE:
        return b""
    parts = Parts(code)
    if parts.strays:
        code = marshal.loads(with_interned(data, parts.strays))  # noqa: S302 - the same again
        parts = Parts(code)
    if parts.has_sets:
        # Rebound, for a reference to the code as it was would be one to its parts, too.
        code = with_one_of_each_set(code, {})
    # Renaming leaves an equal name as it is, shared or not: so twice.
    for name in (PLACEHOLDER, sys.intern(image_path)):
        _imp._fix_co_filename(code, name)  # type: ignore[attr-defined]  # noqa: SLF001 - the import system's own
    data = marshal.dumps(code)
    del parts  # kept until here: so every string had a reference from elsewhere
    return with_sets_again(data) if SETS_AS_LISTS else data


def answer(source_path: bytes, size: int, mtime_ns: int, image_path: str, pyc_path: bytes) -> bytes:
    """Return the answer to one request."""
    try:
        source, status = read_source(source_path, size, mtime_ns)
    except Refused as refused:
        return b"E%s\0%s" % (str(refused).encode(), source_path)
    except OSError as error:
        return b"Eerrno-%d\0%s" % (error.errno or 0, source_path)
    source_hash = _imp.source_hash(RAW_MAGIC, source)
    letter = b"C"
    data = canonical(existing_code(pyc_path, status, source_hash), image_path) if pyc_path else b""
    if not data:
        letter = b"N"
        data = canonical(new_code(source, image_path), image_path)
    return letter + MAGIC + UNCHECKED + source_hash + data if data else b"S"


def main() -> None:
    """Answer until standard input ends."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while length := requests.read(4):
        request = requests.read(int.from_bytes(length, "little"))
        data = answer(*marshal.loads(request))  # noqa: S302 - from the builder, our parent
        answers.write(len(data).to_bytes(4, "little") + data)
        answers.flush()


if __name__ == "__main__":
    main()
