"""Which cluster, and who we are to it: kubeconfig, or the pod we are in, as the official client reads them."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from ...model.cluster import Place
from .problems import (
    bad_kubeconfig,
    bad_namespace_file,
    client_missing,
    login_failed,
    no_cluster,
    unknown_context,
)

Json = dict[str, Any]

_NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


def client_modules() -> tuple[Any, Any]:
    """Return the official client's `client` and `config`. Errors: `kubernetes-client-missing`."""
    # Its dynamic client, unused here, would import a validator if there is one: 3.8 s of grammars.
    hidden = "kubernetes_validate" not in sys.modules
    if hidden:
        sys.modules["kubernetes_validate"] = None  # type: ignore[assignment]
    try:
        from kubernetes import client, config  # noqa: PLC0415 - an extra; a second to import
    except ImportError as error:
        raise client_missing(error) from error
    finally:
        if hidden:
            sys.modules.pop("kubernetes_validate", None)
    return client, config


def configure(config: Any, configuration: Any, place: Place) -> tuple[str, str]:
    """Fill in the configuration; return the context's name and its namespace."""
    named = _files(place)
    if not named:
        return _inside(config, configuration)
    known, current = _contexts(named)
    chosen = place.context or current
    context = next((item for item in known if item["name"] == chosen), None)
    if context is None:
        raise unknown_context(chosen, [str(item["name"]) for item in known], named)
    with _heard() as said:
        try:
            config.load_kube_config(
                config_file=named,
                context=chosen,
                client_configuration=configuration,
                persist_config=False,
            )
        except Exception as error:
            raise bad_kubeconfig(named, error) from error
    if said and not (configuration.api_key or configuration.cert_file or configuration.username):
        raise login_failed("; ".join(said))
    return chosen, str(context["context"].get("namespace") or "")


def contexts() -> list[Json]:
    """Return what kubeconfig names: `name`, `namespace` ("" for the default), `current`.

    In a pod without one: a single context without a name. Errors: `no-kubeconfig`,
    `bad-kubeconfig`, `kubernetes-client-missing`.
    """
    client_modules()
    named = _files(Place())
    if not named:
        return [{"name": "", "namespace": "", "current": True}]
    known, current = _contexts(named)
    return [
        {
            "name": str(item["name"]),
            "namespace": str(item["context"].get("namespace") or ""),
            "current": item["name"] == current,
        }
        for item in known
    ]


def _files(place: Place) -> str:
    """Return the kubeconfig files that exist, as `KUBECONFIG` lists them; "" in a pod without."""
    files = place.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    paths = [os.path.expanduser(path) for path in files.split(os.pathsep) if path]
    # An empty file is what is left when the last context was deleted.
    there = [path for path in paths if os.path.exists(path) and os.path.getsize(path)]
    if not there and (place.context or "KUBERNETES_SERVICE_HOST" not in os.environ):
        raise no_cluster(paths)
    return os.pathsep.join(there)


def _contexts(named: str) -> tuple[list[Json], str]:
    """Return the contexts of kubeconfig files, and the name of the current one.

    Of several files the first that names it decides, as kubectl has it (the client takes the last).
    """
    import yaml  # type: ignore[import-untyped]  # noqa: PLC0415 - comes with the client

    known: dict[str, Json] = {}
    current = ""
    for path in named.split(os.pathsep):
        try:
            with open(path, encoding="utf-8") as file:
                document = yaml.safe_load(file) or {}
            for item in document.get("contexts") or ():
                known.setdefault(str(item["name"]), item.get("context") or {})
            current = current or str(document.get("current-context") or "")
        except Exception as error:  # noqa: PERF203 - each file is read
            raise bad_kubeconfig(path, error) from error
    return [{"name": name, "context": context} for name, context in known.items()], current


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what this thread logs as errors: the client tells nowhere else that a plugin failed."""
    said: list[str] = []
    mine = threading.get_ident()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == mine:
                said.append(record.getMessage())

    ear = Ear(logging.ERROR)
    logging.root.addHandler(ear)
    try:
        yield said
    finally:
        logging.root.removeHandler(ear)


def _inside(config: Any, configuration: Any) -> tuple[str, str]:
    """Configure from the pod we are in, as in a JupyterHub on the cluster."""
    try:
        config.load_incluster_config(client_configuration=configuration)
        with open(_NAMESPACE_FILE, encoding="ascii") as file:
            return "", file.read().strip()
    except Exception as error:
        raise bad_namespace_file(error) from error
