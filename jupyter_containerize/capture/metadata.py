"""The few fields of a distribution's METADATA or PKG-INFO that a snapshot needs.

Source: core metadata specifications, packaging.python.org. `importlib.metadata` parses the
whole file, description and all, with the e-mail package: for a hundred distributions that
takes longer than everything else together, so the headers are read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CLASSIFIER_LICENSES = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: zlib/libpng License": "Zlib",
}
#: What a free-text License field may say to be taken for an SPDX expression.
_SPDX = re.compile(
    r"MIT|ISC|Zlib|Unlicense|0BSD|BSD-[23]-Clause|Apache-2\.0|MPL-2\.0|PSF-2\.0"
    r"|(?:A|L)?GPL-[23]\.[01](?:-only|-or-later)"
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """Name and version as written, requirements as written, license ("" when not SPDX-like)."""

    name: str
    version: str
    summary: str
    license: str
    requires: tuple[str, ...]


def parse(text: str) -> Metadata:
    """Read the headers of `text`; missing ones are empty. Never fails."""
    fields = _headers(text)

    def first(name: str) -> str:
        return fields.get(name, [""])[0].strip()

    summary = first("summary")
    return Metadata(
        name=first("name"),
        version=first("version"),
        summary="" if summary == "UNKNOWN" else summary,
        license=_license(first("license-expression"), first("license"), fields),
        requires=tuple(value.strip() for value in fields.get("requires-dist", ())),
    )


def normalise(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _headers(text: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    values: list[str] = []
    for raw in text.split("\n"):
        line = raw.rstrip("\r")
        if not line:
            break  # a line of blanks continues the header before it: licences have them
        if line[0] in " \t":
            if values:
                values[-1] += "\n" + line.strip()
            continue
        name, _, value = line.partition(":")
        values = fields.setdefault(name.lower(), [])
        values.append(value.strip())
    return fields


def _license(expression: str, text: str, fields: dict[str, list[str]]) -> str:
    if expression:
        return expression
    known = [_CLASSIFIER_LICENSES.get(value, "") for value in fields.get("classifier", ())]
    by_classifier = " AND ".join(sorted({value for value in known if value}))
    if by_classifier:
        return by_classifier
    return text if text != "UNKNOWN" and _SPDX.fullmatch(text) else ""
