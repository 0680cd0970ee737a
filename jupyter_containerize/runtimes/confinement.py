"""What PRoot runs behind: a seccomp filter and, where the kernel has it, Landlock. No root needed.

PRoot translates the paths of the system calls that it knows. Those it does not know reach the
host as they are (`statx`, `openat2`, ... in 5.1), and it isolates no network. The filter
answers ENOSYS to the former, so that programs fall back to calls that are translated, and
EPERM to internet sockets. Landlock then makes the kernel itself refuse what lies outside.

Sources: seccomp(2), `linux/filter.h`, landlock(7); PRoot 5.1, `src/syscall/enter.c`.
Only the standard library: this runs between fork and exec.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 38, 22, 24
_MODE_FILTER = 2
_CAPABILITIES = 64


@dataclass(frozen=True)
class _Machine:
    audit: int
    unknown: tuple[int, ...]
    refused: tuple[int, ...]
    sockets: tuple[int, ...]
    clone: int
    truncate: int
    open: tuple[tuple[int, int], ...]


# unknown to PRoot: name_to_handle_at, open_by_handle_at, fanotify_init, fanotify_mark,
#   renameat2, execveat, statx, quotactl, bpf
# open: open and openat, with the position of their flags
# refused: mount, umount2, pivot_root, chroot, unshare, setns; sockets: socket, socketpair
_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        unknown=(303, 304, 300, 301, 316, 322, 332, 179, 321),
        refused=(165, 166, 155, 161, 272, 308),
        sockets=(41, 53),
        clone=56,
        truncate=76,
        open=((2, 1), (257, 2)),
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        unknown=(264, 265, 262, 263, 276, 281, 291, 60, 280),
        refused=(40, 39, 41, 51, 97, 268),
        sockets=(198, 199),
        clone=220,
        truncate=45,
        open=((56, 2),),
    ),
}
#: From here on all architectures share their numbers, and PRoot 5.1 knows none of them.
_FIRST_NEW = 424
# pidfd_send_signal, pidfd_open, close_range, epoll_pwait2, memfd_secret, process_mrelease,
# futex_waitv, set_mempolicy_home_node, cachestat, map_shadow_stack, futex_wake, futex_wait,
# futex_requeue, mseal: descriptors and memory only, no paths.
_HARMLESS_NEW = (424, 434, 436, 441, 447, 448, 449, 450, 451, 453, 454, 455, 456, 462)
#: `x32` calls carry this bit on x86-64.
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020000
_AF_UNIX = 1

_LOAD, _JEQ, _JGE, _JSET, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCH, _ARG0 = 0, 4, 16


def supported() -> bool:
    """Tell whether there is a filter for this machine's architecture."""
    return os.uname().machine in _MACHINES


def program(*, internet: bool, old_landlock: bool = False, machine: str | None = None) -> bytes:
    """Return the filter as `struct sock_filter[]`. Errors: `KeyError` (unknown machine).

    `old_landlock` refuses the two ways to empty a file that version 2 does not cover:
    `truncate`, and opening with O_TRUNC for reading.
    """
    kind = machine or os.uname().machine
    numbers = _MACHINES[kind]
    code = [(_LOAD, 0, 0, _ARCH), (_JEQ, 1, 0, numbers.audit), (_RETURN, 0, 0, _KILL)]
    code += [(_LOAD, 0, 0, _NR)]
    if kind == "x86_64":
        code += [(_JGE, 0, 1, _X32), _fail(errno.ENOSYS)]
    for number in _HARMLESS_NEW:
        code += [(_JEQ, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    code += [(_JGE, 0, 1, _FIRST_NEW), _fail(errno.ENOSYS)]
    for number in numbers.unknown:
        code += [(_JEQ, 0, 1, number), _fail(errno.ENOSYS)]
    for number in numbers.refused:
        code += [(_JEQ, 0, 1, number), _fail(errno.EPERM)]
    code += [(_JEQ, 0, 4, numbers.clone), (_LOAD, 0, 0, _ARG0)]
    code += [(_JSET, 0, 1, _NEW_NAMESPACES), _fail(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    if old_landlock:
        code += [(_JEQ, 0, 1, numbers.truncate), _fail(errno.EPERM)]
        for number, position in numbers.open:
            code += [(_JEQ, 0, 5, number), (_LOAD, 0, 0, _ARG0 + 8 * position)]
            code += [(_AND, 0, 0, os.O_ACCMODE | os.O_TRUNC), (_JEQ, 0, 1, os.O_TRUNC)]
            code += [_fail(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    for number in () if internet else numbers.sockets:
        code += [(_JEQ, 0, 4, number), (_LOAD, 0, 0, _ARG0)]
        code += [(_JEQ, 1, 0, _AF_UNIX), _fail(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    code += [(_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def _fail(number: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _ERRNO | number)


def apply(
    *, internet: bool, landlock: bool, readable: Sequence[str], writable: Sequence[str]
) -> None:
    """Confine the calling process and all it will become. Errors: `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    _drop_capabilities(libc)
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    if landlock:
        _restrict(libc, readable, writable)
    old = landlock and landlock_version() < _LANDLOCK_TRUNCATE
    code = program(internet=internet, old_landlock=old)
    lines = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(lines))
    _check(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, header, 0, 0), "seccomp")


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    for number in range(_CAPABILITIES):
        libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    version_3 = struct.pack("=Ii", 0x20080522, 0)
    _check(libc.capset(version_3, struct.pack("=6I", 0, 0, 0, 0, 0, 0)), "capset")


# -- Landlock ----------------------------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
#: Version 1 lets nothing be renamed into another folder; 2 is Linux 5.19.
_LANDLOCK_NEEDED, _LANDLOCK_TRUNCATE, _LANDLOCK_IOCTL, _LANDLOCK_SCOPES = 2, 3, 5, 6
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2


def landlock_version() -> int:
    """Return the kernel's Landlock version, 0 when it is absent or switched off."""
    version: int = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, 1)
    return max(0, version)


def has_landlock() -> bool:
    """Tell whether Landlock can keep a run from altering what it may only read."""
    return landlock_version() >= _LANDLOCK_NEEDED


def _restrict(libc: ctypes.CDLL, readable: Sequence[str], writable: Sequence[str]) -> None:
    version = landlock_version()
    handled = _TRUNCATE - 1
    if version >= _LANDLOCK_TRUNCATE:
        handled |= _TRUNCATE
    if version >= _LANDLOCK_IOCTL:
        handled |= _IOCTL_DEVICE
    scopes = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if version >= _LANDLOCK_SCOPES else 0
    attributes = struct.pack("=QQQ", handled, 0, scopes)
    size = 24 if scopes else 8
    rules = _check(libc.syscall(_CREATE_RULESET, attributes, size, 0), "landlock_create_ruleset")
    for path in readable:
        _allow(libc, rules, path, _READ & handled)
    for path in writable:
        _allow(libc, rules, path, handled & ~(_MAKE_CHAR | _MAKE_BLOCK))
    _check(libc.syscall(_RESTRICT_SELF, rules, 0), "landlock_restrict_self")
    os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        rights &= _FILE_RIGHTS
    rule = struct.pack("=Qi", rights, place)
    _check(libc.syscall(_ADD_RULE, rules, 1, rule, 0), f"landlock_add_rule {path}")
    os.close(place)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
