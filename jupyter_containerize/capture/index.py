"""The package index, asked through uv: which wheels there are for a platform, and their files.

Source: docs.astral.sh/uv, `uv pip compile` and `uv pip install` (`--python-platform`).
"""

from __future__ import annotations

import configparser
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import ContainerizeError, needs_extra

#: What uv can resolve for: manylinux with these versions of glibc (`uv pip compile --help`).
_GLIBCS = ((2, 17), (2, 28), *((2, minor) for minor in range(31, 41)))
_NEAREST = 3
_NO_WHEEL = re.compile(
    r"no wheels|no usable wheels|no matching|has no .*wheels|not found in the package",
    re.IGNORECASE,
)
_TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True)
class Index:
    """Wheels for `target` (uv's name of a platform) and one Python."""

    uv: tuple[str, ...]
    target: str
    python: str
    interpreter: str

    @classmethod
    def open(cls, *, machine: str, glibc: str, python: str, interpreter: str) -> Index:
        """Return the index for a machine (`aarch64`) with that glibc. Errors: `extra-missing`."""
        major, _, minor = glibc.partition(".")
        fitting = [one for one in _GLIBCS if one <= (int(major), int(minor))]
        if not fitting:
            raise ContainerizeError(
                "platform-not-supported",
                what=f"No wheels are made for glibc {glibc}.",
                fix="Choose a newer base.",
            )
        target = f"{machine}-manylinux_{fitting[-1][0]}_{fitting[-1][1]}"
        if machine == "riscv64":
            target = "riscv64-unknown-linux"
        return cls(_uv(), target, python, interpreter)

    def resolve(
        self, versions: Mapping[str, str], *, more: Sequence[str], known: Mapping[str, str]
    ) -> str:
        """Return the lock: exactly these versions, with hashes; `more` in versions that fit.

        `known` are all of the kernel's versions: what `more` requires gets those. Errors:
        `no-wheel` for every version without one, `index-failed`.
        """
        lines = [f"{name}=={version}" for name, version in sorted(versions.items())]
        if not lines and not more:
            return ""
        done = self._compile(lines + list(more), alone=not more, known=known)
        if done.returncode == 0:
            return done.stdout
        problems = [
            self._no_wheel(name, version)
            for name, version in sorted(versions.items())
            if self._lacks(name, version)
        ]
        raise ContainerizeError.together(problems) if problems else _failed(done.stderr)

    def unpack(self, lock: str, folder: str) -> None:
        """Unpack the locked wheels into `folder`, each checked against its hash."""
        if not lock:
            return
        with tempfile.TemporaryDirectory() as place:
            path = os.path.join(place, "lock.txt")
            with open(path, "w", encoding="utf-8") as file:
                file.write(lock)
            done = self._run(
                "pip", "install", "-q", "--no-deps", "--require-hashes", "--target", folder,
                "--link-mode", "copy", "--no-compile-bytecode", "-r", path,
            )  # fmt: skip
        if done.returncode:
            raise _failed(done.stderr)

    # -- inside -------------------------------------------------------------------------

    def _compile(
        self,
        lines: Sequence[str],
        *,
        alone: bool = True,
        known: Mapping[str, str] | None = None,
        lowest: bool = False,
        hashes: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as place:
            path = os.path.join(place, "wanted.in")
            constraints = os.path.join(place, "known.txt")
            _write(path, lines)
            _write(constraints, [f"{name}=={version}" for name, version in (known or {}).items()])
            return self._run(
                "pip", "compile", "-q", "--no-header", "--no-annotate", path,
                *(["--generate-hashes"] if hashes else []),
                *(["--no-deps"] if alone else ["-c", constraints]),
                *(["--resolution", "lowest"] if lowest else []),
            )  # fmt: skip

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [*self.uv, *words, "--python-platform", self.target, "--python-version",
                 self.python, "--python", self.interpreter, "--only-binary", ":all:",
                 *_indexes()],
                capture_output=True, text=True, check=False, timeout=_TIMEOUT_S, cwd="/",
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(type(error).__name__) from error

    def _lacks(self, name: str, version: str) -> bool:
        done = self._compile([f"{name}=={version}"], hashes=False)
        return done.returncode != 0 and bool(_NO_WHEEL.search(done.stderr))

    def _no_wheel(self, name: str, version: str) -> ContainerizeError:
        older = self._nearest(name, f"<{version}", lowest=False)
        newer = self._nearest(name, f">{version}", lowest=True)
        there = [*reversed(older), *newer]
        return ContainerizeError(
            "no-wheel",
            what=f"{name} {version} has no wheel for {self.target} and Python {self.python}.",
            why=(
                f"Versions that have one: {', '.join(there)}."
                if there
                else "No version of it has one."
            ),
            fix=(
                f"Install {name}=={there[-1]} in the kernel and run the cells again."
                if there
                else "Use another package, or build on a machine of that platform."
            ),
        )

    def _nearest(self, name: str, bound: str, *, lowest: bool) -> list[str]:
        """Return the versions next to a bound that have a wheel, the nearest first."""
        found: list[str] = []
        while len(found) < _NEAREST:
            done = self._compile([f"{name}{bound}"], lowest=lowest, hashes=False)
            match = re.search(r"==(\S+)", done.stdout)
            if done.returncode or match is None:
                break
            found.append(match[1])
            bound = f"{bound[0]}{match[1]}"
        return found


def _uv() -> tuple[str, ...]:
    if importlib.util.find_spec("uv") is not None:
        return (sys.executable, "-m", "uv")
    program = shutil.which("uv")
    if program is None:
        raise needs_extra("platforms", "uv", doing="Resolving packages for another platform")
    return (program,)


def _indexes() -> list[str]:
    """Return options for the indexes that pip is told of, where uv is told of none.

    As pip does, the best version of all of them is taken, whichever has it.
    """
    if any(os.environ.get(name) for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX")):
        return []
    told = [
        ("--default-index", "PIP_INDEX_URL", "index-url"),
        ("--index", "PIP_EXTRA_INDEX_URL", "extra-index-url"),
        ("--find-links", "PIP_FIND_LINKS", "find-links"),
    ]
    options = ["--index-strategy", "unsafe-best-match"]
    for option, variable, setting in told:
        for value in (os.environ.get(variable) or _pip(setting)).split():
            options += [option, value]
    return options


def _pip(name: str) -> str:
    """Return a setting of pip's configuration files. Source: pip.pypa.io, "Configuration"."""
    home = os.path.expanduser("~")
    places = ("/etc/pip.conf", f"{home}/.pip/pip.conf", f"{home}/.config/pip/pip.conf")
    parser = configparser.RawConfigParser()
    try:
        parser.read([*places, os.environ.get("PIP_CONFIG_FILE", "")], encoding="utf-8")
        return parser.get("global", name, fallback="")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return ""


def _write(path: str, lines: Iterable[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def _failed(said: str) -> ContainerizeError:
    # An index's address may hold a password.
    shown = re.sub(r"//[^/@\s]+@", "//…@", said.strip())[-1500:]
    return ContainerizeError(
        "index-failed",
        what="The packages could not be resolved for the other platform.",
        why=shown,
        fix="Check that the index can be reached (UV_DEFAULT_INDEX, PIP_INDEX_URL), then try again.",
    )
