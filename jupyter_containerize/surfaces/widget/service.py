"""Asking a service: what the form sends, and what comes back."""

from __future__ import annotations

import contextlib
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...capture.saving import SAVED_FILE

_TIMEOUT_S = 60.0
_READY_S = 2.0
#: More fields than these are better written as JSON.
MOST_FIELDS = 16
MOST_SHOWN = 20_000
#: Loopback needs no proxy, whatever the environment says.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said: its status (0: nothing came), the text, and how long it took."""

    status: int
    text: str
    seconds: float


def is_ready(endpoint: str) -> bool:
    """Tell whether the service at `endpoint` answers requests."""
    try:
        with _OPENER.open(f"{endpoint}/v2/health/ready", timeout=_READY_S) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
    except (OSError, ValueError):
        return False


def ask(endpoint: str, body: str) -> Answer:
    """POST `body`, as it was written, to the service's /predict."""
    request = urllib.request.Request(  # noqa: S310 - the endpoint is a run's, on loopback
        f"{endpoint}/predict", data=body.encode(), headers={"Content-Type": "application/json"}
    )
    start = time.monotonic()
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_S) as answer:
            status, data = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, data = error.code, error.read()
    except (OSError, ValueError) as error:
        return Answer(0, f"{type(error).__name__}: {error}", time.monotonic() - start)
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return Answer(status, text[:MOST_SHOWN], time.monotonic() - start)


def saved_artifact(folder: str) -> Mapping[str, Any] | None:
    """Return the artifact.json of an object that a kernel saved into `folder`."""
    try:
        with open(os.path.join(folder, SAVED_FILE), encoding="utf-8") as file:
            found: Mapping[str, Any] | None = json.load(file).get("artifact")
    except (OSError, ValueError):
        return None
    return found


def fields(artifact: Mapping[str, Any]) -> dict[str, str]:
    """Return name and example text of each input, where a request is one row of few plain values."""
    given = _row(artifact.get("example"))
    names = [one["name"] for one in artifact["signature"]["inputs"]]
    row = {name: given.get(name, "") for name in names}
    if not given or len(row) > MOST_FIELDS or not all(map(_plain, row.values())):
        return {}
    return {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in row.items()
    }


def body(artifact: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """Return the request that the texts of the fields mean.

    An input of strings takes its text as it is; any other is read as JSON where that is possible,
    and else sent as text, so that the service says what is wrong with it. Empty means left out.
    """
    kinds = {one["name"]: one["dtype"] for one in artifact["signature"]["inputs"]}
    row = {
        name: text if kinds.get(name) == "BYTES" else _read(text)
        for name, text in texts.items()
        if text != "" or kinds.get(name) == "BYTES"
    }
    by_row = "rows" in (artifact.get("example") or {})
    return json.dumps({"rows": [row]} if by_row else {"inputs": row}, ensure_ascii=False)


def example(artifact: Mapping[str, Any]) -> str:
    """Return the example as JSON to be edited."""
    return json.dumps(artifact.get("example"), indent=1, ensure_ascii=False)


def _row(example: Any) -> dict[str, Any]:
    given = example if isinstance(example, dict) else {}
    rows = given.get("rows")
    first = rows[0] if isinstance(rows, list) and rows else given.get("inputs")
    return first if isinstance(first, dict) else {}


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
