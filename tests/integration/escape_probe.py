"""Runs inside a container: looks for a folder of the machine outside in every way it knows."""

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import struct
import sys

outside, host_pid = sys.argv[1:]
secret, program = f"{outside}/secret.txt", f"{outside}/program"
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
ARM = os.uname().machine == "aarch64"
NUMBERS = {
    # name: (x86-64, arm64)
    "statx": (332, 291),
    "openat2": (437, 437),
    "faccessat2": (439, 439),
    "fchmodat2": (452, 452),
    "name_to_handle_at": (303, 264),
    "renameat2": (316, 276),
    "execveat": (322, 281),
    "open_tree": (428, 428),
    "io_uring_setup": (425, 425),
    "mount_setattr": (442, 442),
    "quotactl": (179, 60),
    "setxattrat": (463, 463),
    "file_getattr": (468, 468),
    "fspick": (433, 433),
}


def outcome(do):
    try:
        do()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    except Exception as error:  # noqa: BLE001 - any surprise is an outcome
        return repr(error)
    return "ok"


def call(name, *arguments):
    def do():
        if libc.syscall(NUMBERS[name][ARM], *arguments) < 0:
            raise OSError(ctypes.get_errno(), name)

    return do


def read(path, flags=os.O_RDONLY, dir_fd=None):
    return lambda: os.close(os.open(path, flags, dir_fd=dir_fd))


def through_link():
    os.symlink(secret, "/tmp/link")
    try:
        os.close(os.open("/tmp/link", os.O_RDONLY))
    finally:
        os.unlink("/tmp/link")


def through_exchange():
    with open("/tmp/mine", "w"):
        pass
    call("renameat2", AT_FDCWD, secret.encode(), AT_FDCWD, b"/tmp/mine", 0)()


def execute(do):
    def run():
        child = os.fork()
        if child == 0:
            try:
                do()
            except OSError as error:
                os._exit(error.errno)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            raise OSError(code, "exec")

    return run


buffer = ctypes.create_string_buffer(4096)
how = struct.pack("=QQQ", os.O_RDONLY, 0, 0)
raw = secret.encode()
root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
absent = {
    "stat": lambda: os.stat(secret),
    "lstat": lambda: os.lstat(secret),
    "open": read(secret),
    "open a path only": read(secret, os.O_PATH),
    "creat": read(f"{outside}/new", os.O_WRONLY | os.O_CREAT),
    "from the root": read(secret[1:], dir_fd=root),
    "dots": read("../" * 40 + secret[1:]),
    "dots from the root": read("../../.." + secret, dir_fd=root),
    "list": lambda: os.listdir(outside),
    "list its parent": lambda: os.listdir(os.path.dirname(outside)),
    "chdir": lambda: os.chdir(outside),
    "readlink": lambda: os.readlink(secret),
    "link": through_link,
    "hard link": lambda: os.link(secret, "/tmp/hard"),
    "rename": lambda: os.rename(secret, "/tmp/renamed"),
    "unlink": lambda: os.unlink(secret),
    "chmod": lambda: os.chmod(secret, 0o777),
    "utime": lambda: os.utime(secret),
    "statvfs": lambda: os.statvfs(outside),
    "truncate": lambda: os.truncate(secret, 0),
    "xattr": lambda: os.listxattr(secret),
    "own root": read(f"/proc/self/root{secret}"),
    "own thread's root": read(f"/proc/thread-self/root{secret}"),
    "first process's root": read(f"/proc/1/root{secret}"),
    "another's root": read(f"/proc/{host_pid}/root{secret}"),
    "another's folder": lambda: os.listdir(f"/proc/{host_pid}/cwd/"),
    "parent's root": read(f"/proc/{os.getppid()}/root{secret}"),
    "another's memory": read(f"/proc/{host_pid}/mem"),
    "execute": execute(lambda: os.execv(program, [program])),
    "statx": call("statx", AT_FDCWD, raw, 0, 0xFFF, buffer),
    "openat2": call("openat2", AT_FDCWD, raw, how, len(how)),
    "faccessat2": call("faccessat2", AT_FDCWD, raw, os.R_OK, 0),
    "fchmodat2": call("fchmodat2", AT_FDCWD, raw, 0o777, 0),
    "name_to_handle_at": call(
        "name_to_handle_at", AT_FDCWD, raw, struct.pack("=Ii", 128, 0) + bytes(128), buffer, 0
    ),
    "renameat2": through_exchange,
    "execveat": execute(call("execveat", AT_FDCWD, program.encode(), None, None, 0)),
    "open_tree": call("open_tree", AT_FDCWD, raw, 0),
    "mount_setattr": call("mount_setattr", AT_FDCWD, raw, 0, buffer, 32),
    "quotactl": call("quotactl", 0, raw, 0, None),
    "setxattrat": call("setxattrat", AT_FDCWD, raw, 0, b"user.x", bytes(16), ctypes.c_long(16)),
    "file_getattr": call("file_getattr", AT_FDCWD, raw, buffer, 24, 0),
    "fspick": call("fspick", AT_FDCWD, raw, 0),
    "a disk's device": lambda: os.mknod("/tmp/disk", 0o060600, os.makedev(254, 0)),
    "chroot": lambda: os.chroot(outside),
}
sockets = {
    "internet": lambda: socket.create_connection(("192.0.2.1", 80), 1),
    "internet 6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(
        ("2001:db8::1", 9)
    ),
    "packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
}


def i386():
    if os.uname().machine != "x86_64":
        return "not x86"
    child = os.fork()
    if child == 0:
        # mov eax, 20 (getpid); int 0x80; ret
        page = mmap.mmap(-1, 4096, prot=7)
        page.write(b"\xb8\x14\0\0\0\xcd\x80\xc3")
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        os._exit(0)
    return "killed" if os.waitpid(child, 0)[1] & 127 == signal.SIGSYS else "works"


def local():
    for end in socket.socketpair():
        end.close()
    server = socket.socket(socket.AF_UNIX)
    server.bind("/tmp/socket")
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect("/tmp/socket")


def x32():
    if libc.syscall(0x40000000 | 39) < 0:
        raise OSError(ctypes.get_errno(), "x32")


if ARM:
    x32 = call("statx", AT_FDCWD, raw, 0, 0xFFF, buffer)
found = {
    "absent": {name: outcome(do) for name, do in absent.items()},
    "present": {
        "stat": outcome(lambda: os.stat("/etc/passwd")),
        "list": outcome(lambda: os.listdir("/bin")),
        "execute": outcome(execute(lambda: os.execv("/bin/true", ["true"]))),
        "own program": outcome(lambda: os.stat("/proc/self/exe")),
        "terminal": outcome(lambda: [os.close(fd) for fd in os.openpty()]),
        "random": outcome(read("/dev/urandom")),
        "nothing": outcome(read("/dev/null", os.O_WRONLY)),
        "renamed": outcome(
            lambda: (os.mkdir("/tmp/a"), os.mkdir("/tmp/b"), os.rename("/tmp/a", "/tmp/b/a"))
        ),
    },
    "sockets": {name: outcome(do) for name, do in sockets.items()},
    "local sockets": outcome(local),
    "i386": i386(),
    "x32": outcome(x32),
}
print(json.dumps(found))
