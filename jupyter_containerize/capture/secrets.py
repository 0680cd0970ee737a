"""Credentials must not go into an image: what cells, outputs, files and variables hold.

Known token formats and assigned credentials block a build; a text that is only random-looking
warns. No finding holds any part of a value.
"""

from __future__ import annotations

import codecs
import json
import mmap
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..model.files import FileEntry, FileKind
from ..model.reasons import Finding, Severity
from ..model.snapshot import Cell, TextCell
from .secret_search import Context, Data, Hit, search
from .secret_values import is_password, is_token

#: No more findings of one kind from one cell, output or file than a person reads.
_MAX_EACH = 20
_SNIFF_BYTES = 8192
_CODE = (
    ".py",
    ".pyx",
    ".r",
    ".jl",
    ".js",
    ".ts",
    ".java",
    ".c",
    ".cpp",
    ".h",
    ".rs",
    ".go",
    ".scala",
)
_SETTINGS = (
    ".env", ".ini", ".cfg", ".conf", ".toml", ".yaml", ".yml", ".properties", ".sh", ".bash",
    ".zsh", ".netrc", ".pgpass", ".envrc", ".credentials", ".pypirc", ".npmrc", ".s3cfg", ".tfvars",
)  # fmt: skip
_TABLES = {".csv": b",", ".tsv": b"\t"}
_COLUMN = re.compile(
    rb"(?:.*[_ .-])?(?:(passw(?:or)?d|passphrase|pwd)|secret|token|api[_-]?key)", re.IGNORECASE
)
_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,[A-Za-z0-9+/=\s\\]+")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a text lies: how a sentence begins, and how `--allow-secret` names it."""

    text: str
    names: tuple[str, ...]
    cell: int | None = None
    path: str | None = None


def scan(
    *,
    cells: Iterable[Cell] = (),
    texts: Iterable[TextCell] = (),
    files: Iterable[FileEntry] = (),
    variables: Mapping[str, str] | None = None,
    allow: Sequence[str] = (),
) -> tuple[Finding, ...]:
    """Return a finding for each credential in what goes into an image, in order.

    `cells` with their outputs, `texts` between them, `files` (local code and data; binary ones are passed over),
    `variables` with the values that would be set. `allow` names accepted findings: a code,
    `cell N`, a path (or its end), `variable NAME`, or `CODE@` and one of these; they stay,
    as information. Codes: `secret-<kind>`, `possible-secret` (never blocks),
    `secret-scan-incomplete`.
    """
    found: list[Finding] = []
    for cell in cells:
        found += _in_cell(cell, allow)
    for text_cell in texts:
        place = _Place(f"The text before cell {text_cell.before}", (f"text {text_cell.before}",))
        text = text_cell.source.encode("utf-8", "surrogateescape")
        found += _findings(text, search(text, Context.TEXT), place, allow)
    for entry in files:
        if entry.kind is FileKind.FILE:
            found += _in_file(entry.path, allow)
    for name, value in (variables or {}).items():
        place = _Place(f"The environment variable {name}", (f"variable {name}", name))
        text = f"{name}={value}\n".encode("utf-8", "surrogateescape")
        found += _findings(text, search(text, Context.SETTINGS), place, allow, lines=False)
    return tuple(found)


def is_secret(name: str, value: str) -> bool:
    """Tell whether the environment variable `name` holds a credential."""
    return any(f.severity is Severity.BLOCKING for f in scan(variables={name: value}))


def without_secrets(text: str) -> str:
    """Return `text` for a message, or only what kind of credential it holds."""
    data = text.encode("utf-8", "surrogateescape")
    for hit in search(data, Context.TEXT):
        if hit.certain:
            return f"(not shown: it holds {hit.name})"
    return text


# -- cells ------------------------------------------------------------------------------


def _in_cell(cell: Cell, allow: Sequence[str]) -> Iterator[Finding]:
    names = (f"cell {cell.number}",)
    source = cell.source.encode("utf-8", "surrogateescape")
    place = _Place(f"Cell {cell.number}", names, cell=cell.number)
    yield from _findings(source, search(source, Context.CODE), place, allow)
    output = "\n".join(_output_texts(cell.outputs or ()))
    text = _DATA_URI.sub("", output).encode("utf-8", "surrogateescape")
    place = _Place(f"The output of cell {cell.number}", names, cell=cell.number)
    yield from _findings(text, search(text, Context.TEXT), place, allow)


def _output_texts(outputs: Iterable[Any]) -> Iterator[str]:
    """Yield what outputs say in words: streams, tracebacks, text and JSON; never images."""
    for output in outputs:
        if not isinstance(output, dict):
            continue
        yield _joined(output.get("text", ""))
        yield _joined(output.get("traceback", ""))
        yield _joined(output.get("evalue", ""))
        data = output.get("data")
        for mime, value in data.items() if isinstance(data, dict) else ():
            if mime.startswith("text/") or mime in ("application/javascript", "image/svg+xml"):
                yield _joined(value)
            elif mime.endswith("json"):
                yield value if isinstance(value, str) else json.dumps(value)


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


# -- files ------------------------------------------------------------------------------


def _in_file(path: str, allow: Sequence[str]) -> list[Finding]:
    place = _Place(f"The file {path}", (path,), path=path)
    try:
        with open(path, "rb") as stream:
            head = stream.read(_SNIFF_BYTES)
            if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                stream.seek(0)
                wide = stream.read().decode("utf-16", "replace").encode()
                return _in_data(wide, path, place, allow)
            if b"\0" in head or not head:
                return []
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _in_data(data, path, place, allow)
    except (OSError, ValueError) as error:
        return [
            Finding(
                "secret-scan-incomplete",
                Severity.WARNING,
                f"The file {path} could not be searched for secrets.",
                f"{type(error).__name__}: {error}",
                "Make it readable, or leave it out of the image.",
                path=path,
            )
        ]


def _in_data(data: Data, path: str, place: _Place, allow: Sequence[str]) -> list[Finding]:
    name = os.path.basename(path).lower()
    ending = os.path.splitext(name)[1] or (name if name.startswith(".") else "")
    context = Context.TEXT
    if ending in _CODE:
        context = Context.CODE
    elif ending in _SETTINGS or name.startswith((".env", "dockerfile")) or name == "credentials":
        context = Context.SETTINGS
    hits = search(data, context)
    found = list(_findings(data, hits, place, allow))
    if ending in _TABLES:
        found += _findings(data, _in_columns(data, _TABLES[ending]), place, allow)
    return found


def _in_columns(data: Data, separator: bytes) -> Iterator[Hit]:
    """Yield the first credential of each column that is named as if it held some."""
    end = data.find(b"\n")
    header = [cell.strip(b" \"'\r") for cell in data[: max(end, 0)].split(separator)]
    named = {i: match for i, cell in enumerate(header) if (match := _COLUMN.fullmatch(cell))}
    if not named:
        return
    start, seen = end + 1, set[int]()
    for _ in range(1000):
        end = data.find(b"\n", start)
        row = data[start : end if end >= 0 else len(data)].split(separator)
        for index, match in named.items():
            value = row[index].strip(b" \"'\r") if index < len(row) else b""
            real = is_password(value, quoted=False) if match[1] else is_token(value)
            if real and index not in seen:
                seen.add(index)
                yield Hit("password" if match[1] else "token", "a column of credentials", start)
        if end < 0:
            return
        start = end + 1


# -- findings ---------------------------------------------------------------------------


def _findings(
    data: Data, hits: Iterable[Hit], place: _Place, allow: Sequence[str], *, lines: bool = True
) -> list[Finding]:
    """Return one finding a line, of its most telling hit; of each kind only the first lines."""
    chosen: dict[int, Hit] = {}
    line, counted = 1, 0
    for hit in sorted(_first_of_each_kind(hits), key=lambda hit: hit.offset):
        line += data[counted : hit.offset].count(b"\n")
        counted = hit.offset
        if line not in chosen or _weight(hit) > _weight(chosen[line]):
            chosen[line] = hit
    return [_finding(hit, place, allow, n if lines else None) for n, hit in chosen.items()]


def _first_of_each_kind(hits: Iterable[Hit]) -> Iterator[Hit]:
    """Yield few hits of each kind: many of one that was accepted must not hide another."""
    seen: Counter[str] = Counter()
    for hit in hits:
        seen[hit.kind] += 1
        if seen[hit.kind] <= _MAX_EACH:
            yield hit


def _weight(hit: Hit) -> int:
    """Return how telling a hit is: a known format most, then a name, a mere look least."""
    if not hit.certain:
        return 0
    return 1 if hit.kind in ("password", "token") else 2


def _finding(hit: Hit, place: _Place, allow: Sequence[str], line: int | None) -> Finding:
    where = f"{place.text}, line {line}," if line is not None else place.text
    if not hit.certain:
        found = Finding(
            "possible-secret",
            Severity.WARNING,
            f"{where} holds {hit.name} (not shown).",
            "It may be a credential; whoever gets the image could read it.",
            "Take it out if it is one.",
            cell=place.cell,
            line=line,
            path=place.path,
        )
    else:
        found = Finding(
            f"secret-{hit.kind}",
            Severity.BLOCKING,
            f"{where} holds {hit.name} (not shown).",
            "Whoever gets the image could read it.",
            (
                "Take it out, read it from a variable that you set when you run the image "
                "(--env NAME=VALUE), or accept it with "
                f"--allow-secret 'secret-{hit.kind}@{place.names[0]}'."
            ),
            cell=place.cell,
            line=line,
            path=place.path,
        )
    if any(_allows(text, found.code, place) for text in allow):
        accepted = "Accepted with --allow-secret."
        return replace(found, severity=Severity.INFO, why=accepted, fix="")
    return found


def _allows(text: str, code: str, place: _Place) -> bool:
    """Tell whether one value of `--allow-secret` names this finding."""
    wanted, at, where = text.partition("@")
    if at and wanted == code:
        return _is_at(where, place)
    return text == code or _is_at(text, place)


def _is_at(where: str, place: _Place) -> bool:
    if where in place.names:
        return True
    return place.path is not None and place.path.endswith("/" + where.removeprefix("./"))
