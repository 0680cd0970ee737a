"""Paths compiled into the kernel's Python and its OpenSSL, told by that Python itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: Generous: on a cold network file system `import ssl` alone can take seconds.
_TIMEOUT_S = 30
_CACHE_NAME = "compiled-in-1.json"

_QUESTION = """
import json
facts = {}
try:
    import ssl
    paths = ssl.get_default_verify_paths()
    facts["ca_file"], facts["ca_folder"] = paths.openssl_cafile, paths.openssl_capath
except ImportError:
    pass
try:
    import zoneinfo
    facts["tz_folders"] = list(zoneinfo.TZPATH)
except ImportError:
    pass
with open("/proc/self/maps") as maps:
    for line in maps:
        path = line.split(None, 5)[-1].strip()
        if "/libcrypto" in path:
            facts["libcrypto"] = path
print(json.dumps(facts))
"""


@dataclass(frozen=True, slots=True)
class CompiledIn:
    """OpenSSL's certificate file and folder, the mapped libcrypto ("" if linked in), `zoneinfo.TZPATH`."""

    ca_file: str = "/usr/lib/ssl/cert.pem"
    ca_folder: str = "/usr/lib/ssl/certs"
    libcrypto: str = ""
    tz_folders: tuple[str, ...] = ("/usr/share/zoneinfo",)


def ask(executable: str, *, environment: Mapping[str, str], cache: str | None) -> CompiledIn:
    """Return what the Python `executable` says; Debian's values if it cannot be asked.

    The answer is kept in the folder `cache` until the executable changes.
    """
    key = _key(executable, environment)
    kept = _load(cache)
    answer = kept.get(key) if key else None
    if answer is None:
        answer = _run(executable, environment)
        if answer and key and cache:
            _save(cache, {key: answer})
    try:
        return CompiledIn(**{**answer, "tz_folders": tuple(answer.get("tz_folders", ()))})
    except (TypeError, AttributeError):
        return CompiledIn()


def _run(executable: str, environment: Mapping[str, str]) -> dict[str, Any]:
    needed = {name: environment[name] for name in ("LD_LIBRARY_PATH",) if name in environment}
    try:
        done = subprocess.run(
            [executable, "-I", "-S", "-c", _QUESTION],
            env=needed,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return asdict(CompiledIn())
    return answer if isinstance(answer, dict) else {}


def _key(executable: str, environment: Mapping[str, str]) -> str:
    try:
        facts = os.stat(executable)
    except OSError:
        return ""
    libraries = environment.get("LD_LIBRARY_PATH", "")
    return f"{executable} {facts.st_size} {facts.st_mtime_ns} {libraries}"


def _load(cache: str | None) -> dict[str, Any]:
    if cache is None:
        return {}
    try:
        with open(os.path.join(cache, _CACHE_NAME), encoding="utf-8") as file:
            kept = json.load(file)
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _save(cache: str, answers: Mapping[str, Any]) -> None:
    """Keep the answers; a cache that cannot be written only costs time."""
    path = os.path.join(cache, _CACHE_NAME)
    try:
        os.makedirs(cache, exist_ok=True)
        with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as file:
            json.dump(answers, file)
        os.replace(file.name, path)
    except OSError:
        return
