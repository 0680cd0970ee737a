"""Every route as data: the handlers, the OpenAPI document and the tests are made from this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .api import Api
from .commands import COMMANDS
from .log_file import MOST_LINES, MOST_MATCHES

PREFIX = "containerize/api"

_TEXT = {"type": "string", "maxLength": 4096}
_NAME = {"type": "string", "maxLength": 253, "default": ""}
_PATH = {"type": "string", "minLength": 1, "maxLength": 4096}
_LINE = {"type": "integer", "minimum": -MOST_LINES, "maximum": 10**12}
_FROM = {"type": "integer", "minimum": 0, "maximum": 10**12}

#: Characters of a request to a served model.
MOST_ASKED = 10_000_000

JOB = {"type": "string", "pattern": "^[0-9a-f]{13}-[0-9a-f]{8}$"}
IMAGE = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
RUN = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"}
OUTPUT = {"type": "string", "minLength": 1, "maxLength": 4096}

_NOTEBOOK = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {
        "path": _PATH,
        "kernel": {"type": "string", "maxLength": 128},
        "content": {"type": "object"},
    },
}


#: Further options, as `forms` names them.
_FORM = {
    "type": "object",
    "maxProperties": 100,
    "additionalProperties": {
        "anyOf": [
            _TEXT,
            {"type": "boolean"},
            {"type": "array", "items": _TEXT, "maxItems": 1000},
        ]
    },
}


@dataclass(frozen=True)
class Route:
    """One method at one path.

    `action` is what Jupyter Server's authorizer is asked for (`read`, `write`, `execute`);
    `call` gets the API and the checked values of path, query and body by name. `sends` is
    `json`, or `file` when `call` returns the path of a file to download.
    """

    method: str
    path: str
    action: str
    summary: str
    call: Callable[..., Any]
    parts: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    status: int = 200
    sends: str = "json"


def _body(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


ROUTES: tuple[Route, ...] = (
    Route("GET", "status", "read", "Versions, commands and the store's state", Api.status),
    Route(
        "GET", "doctor", "read", "What works on this machine", Api.doctor, query={"notebook": _TEXT}
    ),
    Route("GET", "forms", "read", "The options of commands, as fields of forms", Api.forms),
    Route("GET", "jobs", "read", "All jobs, newest first", lambda api: {"jobs": api.jobs.all()}),
    Route(
        "POST",
        "jobs",
        "execute",
        "Start a command in a process of its own",
        Api.start,
        body=_body(
            ["command"],
            command={"type": "string", "enum": list(COMMANDS)},
            options={"type": "object"},
            notebook=_NOTEBOOK,
            form=_FORM,
        ),
        status=201,
    ),
    Route(
        "GET",
        "jobs/{job}",
        "read",
        "One job; an ended one with its last event",
        lambda api, job: api.jobs.get(job),
        parts={"job": JOB},
    ),
    Route(
        "POST",
        "jobs/{job}/cancel",
        "execute",
        "Stop a job; with force, at once",
        lambda api, job, force=False: api.jobs.cancel(job, force=force),
        parts={"job": JOB},
        body=_body([], force={"type": "boolean"}),
    ),
    Route(
        "DELETE",
        "jobs/{job}",
        "write",
        "Forget an ended job",
        lambda api, job: api.jobs.forget(job),
        parts={"job": JOB},
    ),
    Route("GET", "images", "read", "All images, newest first", Api.images),
    Route(
        "GET",
        "images/{image}",
        "read",
        "What an image holds and why",
        Api.image,
        parts={"image": IMAGE},
    ),
    Route(
        "GET",
        "images/{image}/compare/{other}",
        "read",
        "What changed from one image to another",
        Api.compare,
        parts={"image": IMAGE, "other": IMAGE},
    ),
    Route(
        "DELETE",
        "images/{image}",
        "write",
        "Delete an image",
        lambda api, image: api.remove(image),
        parts={"image": IMAGE},
    ),
    Route("GET", "contexts", "read", "The clusters that kubeconfig knows", Api.contexts),
    Route(
        "GET",
        "runs",
        "read",
        "All runs, newest first; those of a cluster too, where one is named",
        Api.runs,
        query={"context": _NAME, "namespace": _NAME},
    ),
    Route("GET", "runs/{run}", "read", "One run", Api.run, parts={"run": RUN}),
    Route(
        "DELETE",
        "runs/{run}",
        "write",
        "Delete an ended run with its outputs",
        lambda api, run: api.remove(run),
        parts={"run": RUN},
    ),
    Route(
        "GET",
        "runs/{run}/log",
        "read",
        "Lines of a run's log",
        Api.log,
        parts={"run": RUN},
        query={
            "first": {**_LINE, "default": -MOST_LINES},
            "count": {"type": "integer", "minimum": 1, "maximum": MOST_LINES, "default": 500},
        },
    ),
    Route(
        "GET",
        "runs/{run}/search",
        "read",
        "Lines of a run's log that hold a text",
        Api.search,
        parts={"run": RUN},
        query={
            "text": {"type": "string", "minLength": 1, "maxLength": 1000},
            "first": {**_FROM, "default": 0},
            "count": {"type": "integer", "minimum": 1, "maximum": MOST_MATCHES, "default": 1000},
        },
    ),
    Route(
        "GET",
        "runs/{run}/usage",
        "read",
        "Processor time and memory of a run that lives here",
        Api.usage,
        parts={"run": RUN},
    ),
    Route(
        "GET",
        "runs/{run}/example",
        "read",
        "A request that a served model understands",
        Api.example,
        parts={"run": RUN},
    ),
    Route(
        "POST",
        "runs/{run}/predict",
        "execute",
        "Ask a served model",
        Api.predict,
        parts={"run": RUN},
        body=_body(["body"], body={"type": "string", "maxLength": MOST_ASKED}),
    ),
    Route(
        "GET",
        "runs/{run}/outputs",
        "read",
        "Files that a run left",
        Api.outputs,
        parts={"run": RUN},
    ),
    Route(
        "GET",
        "runs/{run}/outputs/{path}",
        "read",
        "Download one output",
        Api.output,
        parts={"run": RUN, "path": OUTPUT},
        sends="file",
    ),
    Route(
        "POST",
        "runs/{run}/open",
        "write",
        "Put the executed notebook beside the notebook",
        Api.open_executed,
        parts={"run": RUN},
        body=_body(["notebook"], notebook=_TEXT),
        status=201,
    ),
)
