"""Why a cell failed or differs, most likely, and the option that mends it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .text import rendered
from .tokens import without_values

Cause = tuple[str, str]

NONDETERMINISTIC = "tag the cell `nondeterministic`"
_RANDOM = re.compile(
    r"\b(?:random|rand[ni]?|randint|shuffle|permutation|choice|sample|train_test_split|KMeans"
    r"|RandomForest\w*|default_rng|RandomState|keras|torch|tf|tensorflow|jax|xgboost|lightgbm)\b"
)
_DRAWS = re.compile(r"\b(?:random|randn?|randint|shuffle|permutation|choice|sample)\b")
_SET_A_SEED = (
    f"Set one (`np.random.seed(0)`, `keras.utils.set_random_seed(0)`), or {NONDETERMINISTIC}."
)
_SEED = re.compile(
    r"\bseed\w*\(|set_seed|set_random_seed|manual_seed|random_state|default_rng\(\w|PRNGKey"
    r"|RandomState\(\w"
)
_NETWORK = re.compile(
    r"gaierror|Name or service not known|Temporary failure in name resolution|URLError"
    r"|ConnectionError|ConnectTimeout|NewConnectionError|Network is unreachable|MaxRetryError"
    r"|Could not resolve host|ConnectionRefused|ProxyError|RemoteDisconnected|HTTPError"
)
_COMMAND = re.compile(r"(?:^|: )(?P<name>[\w.+-]+): (?:command )?not found", re.MULTILINE)
_LISTS = re.compile(
    r"(?m)\b(?:listdir|scandir|iterdir|r?glob|os\.walk)\(|(?:^|[=!%;|]) *(?:ls|ll|dir|find|tree|du)\b"
)
# Calls and magics, for `df["date"]` and a variable called `time` tell nothing.
_CLOCK = re.compile(
    r"\btime\.\w+\(|\b(?:time(?:_ns)?|ctime|(?:utc)?now|today|localtime|gmtime|perf_counter(?:_ns)?"
    r"|monotonic(?:_ns)?|process_time(?:_ns)?|default_timer|timeit)\("
    r"|(?m:^\s*%%?time(?:it)?\b|[!|;]\s*(?:date|time|uptime)\b)|%%bash[\s\S]*\bdate\b"
)
_ABSOLUTE = re.compile(
    r"(?<![\w<])/(?:home|Users|root|opt|srv|mnt|tmp|usr|var|content)/[^\s'\":,)]+"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about one cell: all sources, its own, the two sides as text, its error."""

    sources: tuple[str, ...] = ()
    source: str = ""
    recorded: str = ""
    executed: str = ""
    error: Mapping[str, Any] | None = None

    def with_sides(self, recorded: str, executed: str, error: Mapping[str, Any] | None) -> Evidence:
        """Return this with the two sides and the error."""
        return replace(self, recorded=recorded, executed=executed, error=error)

    @property
    def traceback(self) -> str:
        """The error's traceback without colours; "" when there is no error."""
        return rendered("\n".join(self.error.get("traceback", []))) if self.error else ""


def likely_cause(evidence: Evidence) -> Cause:
    """Return one sentence each: the likely cause, and what mends it; both "" when unknown."""
    rules = _BY_ERROR if evidence.error else _BY_TEXT
    for rule in rules:
        cause = rule(evidence)
        if cause:
            return cause
    return "", ""


def _network(evidence: Evidence) -> Cause | None:
    if not _NETWORK.search(f"{evidence.traceback}\n{evidence.executed}"):
        return None
    return (
        "The cell uses the network, and the proof runs without it.",
        "Download the data first and `--include PATH` it; `run --network` gives a run the network.",
    )


def _command(evidence: Evidence) -> Cause | None:
    found = _COMMAND.search(evidence.executed)
    name = found["name"] if found else ""
    if evidence.error and evidence.error["ename"] == "FileNotFoundError":
        inside = "subprocess.py" in evidence.traceback or "_execute_child" in evidence.traceback
        missing = re.search(r"'([^']+)'", evidence.error["evalue"])
        name = missing[1] if inside and missing else name
    if not name:
        return None
    return (
        f"The program {name} is not in the image.",
        f"Call it as `!{name}`, so that it is seen, or `--include` the program's path.",
    )


def _file(evidence: Evidence) -> Cause | None:
    text = f"{evidence.error['evalue'] if evidence.error else ''}\n{evidence.executed}"
    missing = re.search(
        r"(?:No such file or directory|does not exist|not found|Unable to (?:synchronously )?open)"
        r"[^'\"\n]*['\"]([^'\"\n]+)['\"]",
        text,
    ) or re.search(
        r"['\"]?([\w./~-]*[\w~-][./][\w./-]+)['\"]?:? (?:No such file or directory|not found)", text
    )
    if missing is None:
        return None
    path = missing[1]
    mount = shlex.quote(f"HOST:{path}:ro")
    return (
        f"The file {path} is not in the image.",
        f"Add it with `--include {shlex.quote(path)}`, or mount it with `--mount {mount}`.",
    )


def _variable(evidence: Evidence) -> Cause | None:
    if not evidence.error or evidence.error["ename"] != "KeyError":
        return None
    name = evidence.error["evalue"].strip("'\"")
    if "environ" not in evidence.traceback or not re.fullmatch(r"\w+", name):
        return None
    return (
        f"The environment variable {name} is not set in the image.",
        f"Give it with `--env {name}` (as it is here), or `--env {name}=VALUE`.",
    )


def _module(evidence: Evidence) -> Cause | None:
    if not evidence.error or evidence.error["ename"] not in ("ModuleNotFoundError", "ImportError"):
        return None
    named = re.search(r"(?:No module named|from) '([\w.]+)'", evidence.error["evalue"])
    name = named[1] if named else "the module"
    return (
        f"{name} is not in the image: nothing showed that the notebook needs it.",
        f"Import it in a cell (`import {name}`), or add its files with `--include PATH`.",
    )


def _permission(evidence: Evidence) -> Cause | None:
    name = evidence.error["ename"] if evidence.error else ""
    text = f"{evidence.error['evalue']}" if evidence.error else evidence.executed
    if name != "PermissionError" and not re.search("Permission denied|Read-only file system", text):
        return None
    return (
        "The cell writes where a container may not.",
        "Write to the notebook's folder, HOME, /tmp or /outputs.",
    )


def _memory(evidence: Evidence) -> Cause | None:
    text = f"{evidence.error['ename']} {evidence.traceback}" if evidence.error else ""
    if not re.search(r"MemoryError|ResourceExhausted|Cannot allocate memory|Bus error", text):
        return None
    return "The memory did not suffice.", "Raise the limit with `--memory`, or use less data."


def _input(evidence: Evidence) -> Cause | None:
    if not evidence.error or evidence.error["ename"] != "StdinNotImplementedError":
        return None
    return (
        "The cell asks for input, and nobody is there to answer.",
        "Make it a parameter: tag its cell `parameters` and give it with `-p name=value`.",
    )


def _state(evidence: Evidence) -> Cause | None:
    if not evidence.error or evidence.error["ename"] != "NameError":
        return None
    return (
        "The name was defined by a cell that is gone, or ran in another order.",
        "Restart the kernel, run all cells, then build again.",
    )


def _order(evidence: Evidence) -> Cause | None:
    sides = [sorted("".join(s.split())) for s in (evidence.recorded, evidence.executed)]
    if sides[0] != sides[1]:
        return None
    return (
        "The same is put out in another order, as sets, threads or folder listings give it.",
        f"Sort it in the cell, give both sides `--env PYTHONHASHSEED=0`, or {NONDETERMINISTIC}.",
    )


def _seed(evidence: Evidence) -> Cause | None:
    everything = "\n".join(evidence.sources)
    if without_values(evidence.recorded) != without_values(evidence.executed):
        return None
    if not _RANDOM.search(everything):
        return None
    if _SEED.search(everything):
        return (
            "Numbers differ although a seed is set: a cell ran twice, or a generator has none.",
            f"Restart the kernel, run all cells and build again, raise `--rtol`, or {NONDETERMINISTIC}.",
        )
    return "The numbers are random and no seed is set.", _SET_A_SEED


def _drawn(evidence: Evidence) -> Cause | None:
    """Blame chance at last: more than numbers differs, as where something random was chosen."""
    everything = "\n".join(evidence.sources)
    if not _DRAWS.search(everything) or _SEED.search(everything):
        return None
    return "Something is drawn at random and no seed is set.", _SET_A_SEED


def _clock(evidence: Evidence) -> Cause | None:
    if not _CLOCK.search(evidence.source):
        return None
    return (
        "The cell puts out the time, a date or how long something took.",
        NONDETERMINISTIC.capitalize() + ".",
    )


def _packages(evidence: Evidence) -> Cause | None:
    if not re.search(
        r"\b(?:pip3?|conda|mamba|uv)\s+(?:\w+\s+)?(?:list|freeze|show)\b", evidence.source
    ):
        return None
    return (
        "The cell lists what is installed, and the image holds only what the notebook needs.",
        NONDETERMINISTIC.capitalize() + ", or `skip` to leave it out.",
    )


def _listing(evidence: Evidence) -> Cause | None:
    if not _LISTS.search(evidence.source):
        return None
    return (
        "The cell lists a folder, and the image holds only the files that cells open.",
        f"Add the folder with `--include PATH`, or {NONDETERMINISTIC}.",
    )


def _place(evidence: Evidence) -> Cause | None:
    sides = [_ABSOLUTE.sub("<path>", s) for s in (evidence.recorded, evidence.executed)]
    if sides[0] != sides[1]:
        return None
    return (
        "The cell puts out a path or user of the machine.",
        f"Put out a relative path, or {NONDETERMINISTIC}.",
    )


def _counted(evidence: Evidence) -> Cause | None:
    texts = (evidence.recorded, evidence.executed)
    counters = [re.findall(r"[a-z]_\d+\b", text) for text in texts]
    sides = [re.sub(r"(?<=[a-z])_\d+\b", "", without_values(text)) for text in texts]
    if counters[0] == counters[1] or sides[0].split() != sides[1].split():
        return None
    return (
        "Names carry a counter (`dense_1`) that the kernel had raised by earlier executions.",
        "Restart the kernel, run all cells, then build again.",
    )


def _numbers(evidence: Evidence) -> Cause | None:
    if without_values(evidence.recorded) != without_values(evidence.executed):
        return None
    return (
        "Numbers differ by more than the tolerance.",
        f"Raise `--rtol` if they are close enough, or {NONDETERMINISTIC}.",
    )


_BY_ERROR: tuple[Callable[[Evidence], Cause | None], ...] = (
    _input, _module, _network, _command, _variable, _memory, _permission, _file, _state,
)  # fmt: skip
_BY_TEXT: tuple[Callable[[Evidence], Cause | None], ...] = (
    _network, _command, _permission, _file, _order, _clock, _packages, _listing, _seed, _place, _numbers, _counted,
    _drawn,
)  # fmt: skip
