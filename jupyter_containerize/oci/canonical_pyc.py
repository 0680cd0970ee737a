"""Make hash-based `.pyc` data that does not depend on who compiled it, when, or where.

A program of its own, run by the *kernel's* interpreter (any from 3.10) with nothing but
built-in modules. Requests on standard input, answers on standard output, in order; both are
a 4-byte little-endian length and that many bytes. A request is a marshalled tuple

    (source path, size, mtime_ns, image path, pyc path or b"")

whose first and last are bytes,
and an answer is one letter and data: `C` the `.pyc` data, made from the existing one; `N` the
same, newly compiled; `S` the source does not compile (left out); `E` a code, a NUL and a path.

What `marshal` writes depends on more than the code: a string gets a reference flag if
anything else in the process holds it, a one-letter string is interned or not, sets have the
order of their hashes. So every string is held here, every one-letter string interned, sets
sorted (3.11 and later sort them; before, `PYTHONHASHSEED=0` and a fixed order of insertion),
and the source's path is the one in the image. Source: PEP 552, Python/marshal.c.
"""

import sys

# Started as a script: our own folder must not hide the standard library's modules.
sys.path[:] = []

import _frozen_importlib_external as importlib_external  # noqa: E402 - see above
import _imp  # noqa: E402
import marshal  # noqa: E402 - built in, as the next one
import posix  # noqa: E402

MAGIC = importlib_external.MAGIC_NUMBER
RAW_MAGIC = int.from_bytes(MAGIC, "little")
UNCHECKED = b"\x01\x00\x00\x00"
HOLD_STRINGS = sys.version_info < (3, 12)
SORT_SETS = sys.version_info < (3, 11)
CODE = type((lambda: 0).__code__)
PLACEHOLDER = "<not yet named>"
ONE_LETTER = [sys.intern(chr(number)) for number in range(256)]


class Refused(Exception):  # noqa: N818 - not an error of the program: an answer
    """The source is not what the plan says; the answer names the reason."""


def read(path, size=None, mtime_ns=None):
    """Return a file's bytes and status; with `size`, checked against the plan."""
    descriptor = posix.open(
        path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC
    )
    try:
        before = posix.fstat(descriptor)
        if before.st_mode & 0o170000 != 0o100000:
            raise Refused("not-a-file")
        chunks = []
        while chunk := posix.read(descriptor, before.st_size + 1):
            chunks.append(chunk)
        data = b"".join(chunks)
        after = posix.fstat(descriptor)
    finally:
        posix.close(descriptor)
    same = before.st_mtime_ns == after.st_mtime_ns and len(data) == after.st_size
    if size is not None:
        same = same and len(data) == size and mtime_ns in (0, after.st_mtime_ns)
    if not same:
        raise Refused("file-changed")
    return data, after


def code_from(pyc_path, source_status, source_hash):
    """Return the code of an existing `.pyc` that is valid for the source, else None."""
    try:
        data, _ = read(pyc_path)
        if data[:4] != MAGIC:
            return None
        if data[4:8] == b"\0\0\0\0":
            stamp = (int(source_status.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
            stamp += (source_status.st_size & 0xFFFFFFFF).to_bytes(4, "little")
        else:
            stamp = source_hash
        if data[8:16] != stamp:
            return None
        code = marshal.loads(memoryview(data)[16:])
    except (OSError, Refused, ValueError, EOFError, TypeError):
        return None
    return code if type(code) is CODE else None


def hold(value, held):
    """Append every string below `value` to `held`, so that all have two references."""
    kind = type(value)
    if kind is str:
        held.append(value)
    elif kind is CODE:
        held += value.co_names
        held += value.co_varnames
        held += value.co_freevars
        held += value.co_cellvars
        held.append(value.co_name)
        held.append(getattr(value, "co_qualname", ""))
        for constant in value.co_consts:
            hold(constant, held)
    elif kind is tuple or kind is frozenset:
        for item in value:
            hold(item, held)


def with_sorted_sets(value):
    """Return `value` with every frozenset filled in a fixed order (3.10 only)."""
    kind = type(value)
    if kind is CODE:
        constants = with_sorted_sets(value.co_consts)
        return value if constants is value.co_consts else value.replace(co_consts=constants)
    if kind is tuple:
        items = tuple([with_sorted_sets(item) for item in value])
        changed = any(new is not old for new, old in zip(items, value))
        return items if changed else value
    if kind is frozenset:
        return frozenset(sorted(value, key=lambda item: (type(item).__name__, repr(item))))
    return value


def canonical(code, image_path):
    """Return the marshalled `code`, named after `image_path`."""
    if SORT_SETS:
        code = with_sorted_sets(code)
    # Renaming does nothing where the name is equal already, shared or not: so twice.
    _imp._fix_co_filename(code, PLACEHOLDER)
    _imp._fix_co_filename(code, image_path)
    held = []
    if HOLD_STRINGS:
        hold(code, held)
    return marshal.dumps(code)


def answer(source_path, size, mtime_ns, image_path, pyc_path):
    """Return the letter and data for one request."""
    try:
        source, status = read(source_path, size, mtime_ns)
    except Refused as refused:
        return b"E", b"%s\0%s" % (str(refused).encode(), source_path)
    except OSError as error:
        return b"E", b"errno-%d\0%s" % (error.errno, source_path)
    source_hash = _imp.source_hash(RAW_MAGIC, source)
    letter = b"C"
    code = code_from(pyc_path, status, source_hash) if pyc_path else None
    if code is None:
        letter = b"N"
        try:
            code = compile(source, image_path, "exec", dont_inherit=True, optimize=0)
            # As read back from a file: so that both ways give the same bytes.
            code = marshal.loads(marshal.dumps(code))
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            return b"S", b""
    return letter, MAGIC + UNCHECKED + source_hash + canonical(code, image_path)


def main():
    """Answer until standard input ends."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while length := requests.read(4):
        letter, data = answer(*marshal.loads(requests.read(int.from_bytes(length, "little"))))
        answers.write((len(data) + 1).to_bytes(4, "little") + letter)
        answers.write(data)
        answers.flush()


if __name__ == "__main__":
    main()
