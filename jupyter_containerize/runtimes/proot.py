"""PRoot, where namespaces are refused: its options and what it may touch.

PRoot runs everything as the caller, and cannot make anything read-only. So it gets a private
copy of the image that goes away with the run: whatever happens in there, the store stays
as it is. What must not be written has no write permission in the copy, and where the kernel
has Landlock, that and "nothing outside" are enforced by the kernel.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from ..errors import ContainerizeError
from ..model.run import Mount
from . import confinement
from .launch import Confinement
from .proot_command import PYTHON, SHELL
from .rootfs import Rootfs, in_folder, mount_point

INSTALL = "sudo apt-get install proot   (on Binder: a line `proot` in the file apt.txt)"

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")
_SYSTEM = ("/sys/devices/system/cpu", "/sys/devices/system/node")


def problem() -> tuple[str, str]:
    """Return why PRoot cannot be used here, and what to do; two empty texts if it can."""
    program = shutil.which("proot")
    if program is None:
        return "PRoot is not installed", INSTALL
    if not confinement.supported():
        return f"PRoot's filter does not know this architecture ({os.uname().machine})", ""
    try:
        subprocess.run(
            [program, "-r", "/", program, "--version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        words = (error.stderr or "").strip().splitlines() or ["it failed"]
        return f"PRoot does not work here: {words[0][:200]}", ""
    except (OSError, subprocess.SubprocessError) as error:
        return f"PRoot does not work here: {error}", ""
    return "", ""


def prepare(
    rootfs: Rootfs,
    *,
    folder: str,
    scratch: str,
    writable: tuple[str, ...],
    mounts: tuple[Mount, ...],
    files: dict[str, str],
    working_dir: str,
    network: bool,
) -> tuple[list[str], Confinement]:
    """Copy the image below `scratch`; return PRoot's command line and its confinement."""
    root = os.path.join(scratch, "root")
    rootfs.assemble(root, link=False, mode_mask=0o7555)
    places = {
        rootfs.resolve("/tmp"): os.path.join(scratch, "tmp"),  # noqa: S108 - the container's
        rootfs.resolve("/dev/shm"): os.path.join(scratch, "shm"),  # noqa: S108 - the container's
        rootfs.resolve("/outputs"): os.path.join(folder, "outputs"),
    }
    for source in list(places.values())[:2]:
        os.mkdir(source)
        os.chmod(source, 0o1777)
    shown = {path: source for path, source in files.items()}
    devices = [f"/dev/{name}" for name in _DEVICES if os.path.exists(f"/dev/{name}")]
    shown |= {path: path for path in (*devices, "/proc", *filter(os.path.exists, _SYSTEM))}
    wanted = {rootfs.resolve(mount.path): _no_colon(mount.host, scratch) for mount in mounts}
    for path in writable:
        _open(root, path)
    for path, source in {**shown, **places, **wanted}.items():
        mount_point(root, path, folder=os.path.isdir(source))
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        in_folder(root, "/dev", lambda at: os.symlink(f"/proc/self/fd{target}", f"{at}/{name}"))
    in_folder(root, working_dir, lambda _: None)
    program = shutil.which("proot")
    if program is None:
        raise missing()
    command = [program, "-r", root, "-w", working_dir]
    for path, source in {**shown, **places, **wanted}.items():
        command += ["-b", f"{source}:{path}"]
    start = os.path.join(scratch, "loader")
    with open(start, "wb") as file:
        file.write(loader(program))
    os.chmod(start, 0o755)
    read_only = [wanted[rootfs.resolve(mount.path)] for mount in mounts if mount.read_only]
    return command, Confinement(
        internet=network,
        landlock=confinement.has_landlock(),
        readable=(root, start, *shown.values(), *_libraries(program), *read_only),
        writable=(
            *places.values(),
            *devices,
            *(root + path for path in writable),
            *(source for source in wanted.values() if source not in read_only),
        ),
    )


def reporting(command: tuple[str, ...], rootfs: Rootfs) -> tuple[str, ...]:
    """Return `command` wrapped so that its exit code comes out on `EXIT_CODE_FD`.

    PRoot 5.1 itself returns the code of whichever process ended last, and 0 or 255 for one
    that a signal ended. The image's own shell or Python tells the truth.
    """
    if rootfs.find(rootfs.resolve("/bin/sh")):
        return ("/bin/sh", "-c", SHELL, "sh", *command)
    if re.fullmatch(r"python[0-9.]*", os.path.basename(command[0])):
        return (command[0], "-I", "-S", "-c", PYTHON, *command)
    raise ContainerizeError(
        "no-isolation",
        what="PRoot cannot run this image.",
        why="It has neither /bin/sh nor a Python as its entry point, so that a failure "
        "of its command could not be told from success.",
        fix="Run it where bubblewrap works.",
    )


def missing() -> ContainerizeError:
    """Return the error for a machine without PRoot."""
    return ContainerizeError("no-isolation", what="PRoot is not installed.", fix=INSTALL)


def _open(root: str, path: str) -> None:
    """Give back write permission below the writable folder `path`, made if absent."""
    in_folder(root, path, lambda _: None)
    for folder, folders, files in os.walk(root + path):
        os.chmod(folder, 0o755)
        for name in files:
            file = os.path.join(folder, name)
            if not os.path.islink(file):
                os.chmod(file, os.stat(file).st_mode | 0o200)
        del folders


def _no_colon(path: str, scratch: str) -> str:
    """Return a path without the colon that would end it in PRoot's `-b`."""
    if ":" not in path:
        return path
    link = os.path.join(scratch, f"mount-{abs(hash(path))}")
    os.symlink(path, link)
    return link


def loader(program: str) -> bytes:
    """Return the small static program that PRoot starts all others with, b"" if not found.

    It lies inside PRoot's own file, which 5.1 would unpack into the machine's `/tmp`:
    a place that a run has no business in.
    """
    with open(program, "rb") as file:
        data = file.read()
    # Same class, byte order, ABI and machine as PRoot itself, and a plain executable.
    for found in re.finditer(re.escape(data[:8]), data[1:]):
        at = found.start() + 1
        if data[at + 16 : at + 20] == b"\x02\0" + data[18:20]:
            return data[at:]
    return b""


def _libraries(program: str) -> list[str]:
    """Return the files that PRoot itself needs to start."""
    found = [program, "/etc/ld.so.cache", "/etc/ld.so.preload"]
    # Source: ld.so(8); what ldd does, without needing a shell script on PATH.
    traced = subprocess.run(
        [program],
        env={"LD_TRACE_LOADED_OBJECTS": "1"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return found + re.findall(r"(/\S+) \(0x", traced.stdout)
