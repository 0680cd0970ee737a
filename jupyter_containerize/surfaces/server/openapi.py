"""The OpenAPI 3.1 document of the routes. Source: spec.openapis.org/oas/v3.1.0."""

from __future__ import annotations

import json
from typing import Any

from ..._version import __version__
from .commands import COMMANDS, options_schema
from .routes import PREFIX, ROUTES, Route

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "what", "why", "fix", "also"],
            "properties": {
                "code": {"type": "string"},
                "what": {"type": "string"},
                "why": {"type": "string"},
                "fix": {"type": "string"},
                "also": {"type": "array", "items": {"type": "object"}},
            },
        }
    },
}


def document() -> dict[str, Any]:
    """Return the document."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(f"/{PREFIX}/{route.path}", {})[route.method.lower()] = _operation(route)
    paths[f"/{PREFIX}/events"] = {
        "get": {
            "summary": "A websocket with the events of jobs, and what changed in the store",
            "operationId": "events",
            "x-jupyter-action": "read",
            "responses": {"101": {"description": "Switching to a websocket"}},
        }
    }
    paths[f"/{PREFIX}/openapi.json"] = {
        "get": {
            "summary": "This document",
            "operationId": "openapi",
            "x-jupyter-action": "read",
            "responses": {"200": {"description": "OpenAPI"}},
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jupyter-containerize",
            "version": __version__,
            "description": "Every route needs a Jupyter Server login; `x-jupyter-action` is what "
            "the server's authorizer is asked for, on the resource `containerize`.",
        },
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR, **_options()}},
    }


def _operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}_{route.path}".replace("/", "_")
        .replace("{", "")
        .replace("}", ""),
        "x-jupyter-action": route.action,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": kind}
                for name, kind in route.parts.items()
            ),
            *(
                {"name": name, "in": "query", "schema": kind, "required": "minLength" in kind}
                for name, kind in route.query.items()
            ),
        ],
        "responses": {
            str(route.status): {"description": "Done"},
            "default": {
                "description": "An error: what happened, why, and what to do",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if route.body is not None:
        found["requestBody"] = {"content": {"application/json": {"schema": route.body}}}
    return found


def _options() -> dict[str, Any]:
    """Return the schema of each command's options as one component, its parts inside."""
    found = {}
    for command in COMMANDS:
        name = f"options.{command}"
        text = json.dumps(options_schema(command))
        found[name] = json.loads(text.replace("#/$defs/", f"#/components/schemas/{name}/$defs/"))
        found[name].pop("$schema", None)
    return found
