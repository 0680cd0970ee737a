"""PRoot, where namespaces are refused: its options and what it may touch.

PRoot runs everything as the caller, and cannot make anything read-only. Where the kernel has
Landlock, it enforces that and "nothing outside"; then the run's root is made of hard links
to the unpacked image (see `integrity`), with copies of what may be written to. Elsewhere it is
a private copy without write permissions, which goes away with the run: it takes longer, but
whatever happens in there, the store stays as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from ..errors import ContainerizeError
from . import confinement, integrity
from .launch import Confinement
from .layout import SYSTEM, Layout
from .proot_command import PYTHON, SHELL
from .rootfs import Rootfs, mount_point, opened

INSTALL = "sudo apt-get install proot   (on Binder: a line `proot` in the file apt.txt)"

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")
_LINKS = {"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
#: PRoot's loader, below a run's scratch folder.
LOADER = "loader"


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


def prepare(layout: Layout) -> tuple[list[str], Confinement]:
    """Make the root below `layout.scratch`; return PRoot's command line and its confinement."""
    program = shutil.which("proot")
    if program is None:
        raise ContainerizeError("no-isolation", what="PRoot is not installed.", fix=INSTALL)
    landlock = confinement.has_landlock()
    root = _root(layout, link=landlock)
    start = _own_loader(program, layout.scratch)
    resolve = layout.rootfs.resolve
    devices = [f"/dev/{name}" for name in _DEVICES if os.path.exists(f"/dev/{name}")]
    places = {
        resolve("/tmp"): layout.temporary(),  # noqa: S108 - the container's
        resolve("/dev/shm"): layout.place("shm"),  # noqa: S108 - the container's
        resolve("/outputs"): layout.outputs,
    }
    shown = {path: path for path in (*devices, "/proc", *filter(os.path.exists, SYSTEM))}
    mounts = {
        path: _no_colon(mount.host, layout.scratch, number)
        for number, (path, mount) in enumerate(layout.mounts.items())
    }
    # A colon ends a path in `-b`; PRoot is started in the run's folder, whose path may have one.
    own = os.path.dirname(layout.scratch)
    command = [program, "-r", os.path.relpath(root, own), "-w", layout.working_dir]
    for path, source in {**shown, **layout.files, **places, **mounts}.items():
        mount_point(root, path, folder=os.path.isdir(source))
        inside = source.startswith(f"{own}/")
        command += ["-b", f"{os.path.relpath(source, own) if inside else source}:{path}"]
    kept = [path for path, mount in layout.mounts.items() if mount.read_only]
    readable = [root, start, *shown.values(), *layout.files.values(), *_libraries(program)]
    writable = [*places.values(), *devices, *(root + path for path in layout.writable)]
    for path, source in mounts.items():
        (readable if path in kept else writable).append(source)
    return command, Confinement(
        internet=layout.network,
        landlock=landlock,
        readable=tuple(readable),
        writable=tuple(writable),
    )


def _root(layout: Layout, *, link: bool) -> str:
    """Return the run's root file system, of links or copies; writable folders are always copies."""
    root = os.path.join(layout.scratch, "root")
    if link:
        for unpacked in layout.rootfs.layers:
            integrity.record(unpacked)
            integrity.restore(unpacked)
    layout.rootfs.assemble(root, link=link, mode_mask=0o7555, apart=layout.writable)
    for path, folder in layout.points().items():
        mount_point(root, path, folder=folder)
    for path in layout.writable:
        for place, _, files in os.walk(root + path):
            os.chmod(place, 0o755)  # noqa: S103 - what the image says is readable
            for name in files:
                file = os.path.join(place, name)
                if not os.path.islink(file):
                    os.chmod(file, os.stat(file).st_mode | 0o200)
    with opened(root, "/dev") as dev:
        for name, target in _LINKS.items():
            os.symlink(f"/proc/self/{target}", os.path.join(dev, name))
    return root


def _own_loader(program: str, scratch: str) -> str:
    path = os.path.join(scratch, LOADER)
    with open(path, "wb") as file:
        file.write(loader(program))
    os.chmod(path, 0o755)  # noqa: S103 - a program
    return path


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


def _no_colon(path: str, scratch: str, number: int) -> str:
    """Return a path without the colon that would end it in PRoot's `-b`."""
    if ":" not in path:
        return path
    link = os.path.join(scratch, f"mount-{number}")
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
