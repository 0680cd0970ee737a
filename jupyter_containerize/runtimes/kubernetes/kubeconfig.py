"""Which cluster, and who we are to it: kubeconfig, or the pod we are in, as the official client reads them."""

from __future__ import annotations

import os
import sys
from typing import Any

from ...model.cluster import Place
from .problems import (
    bad_kubeconfig,
    bad_namespace_file,
    client_missing,
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
    known, current = _contexts(config, named)
    chosen = place.context or current
    context = next((item for item in known if item["name"] == chosen), None)
    if context is None:
        raise unknown_context(chosen, [str(item["name"]) for item in known], named)
    try:
        config.load_kube_config(
            config_file=named,
            context=chosen,
            client_configuration=configuration,
            persist_config=False,
        )
    except Exception as error:
        raise bad_kubeconfig(named, error) from error
    return chosen, str(context["context"].get("namespace") or "")


def contexts() -> list[Json]:
    """Return what kubeconfig names: `name`, `namespace` ("" for the default), `current`.

    In a pod without one: a single context without a name. Errors: `no-kubeconfig`,
    `bad-kubeconfig`, `kubernetes-client-missing`.
    """
    _, config = client_modules()
    named = _files(Place())
    if not named:
        return [{"name": "", "namespace": "", "current": True}]
    known, current = _contexts(config, named)
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
    there = [path for path in paths if os.path.exists(path)]
    if not there and (place.context or "KUBERNETES_SERVICE_HOST" not in os.environ):
        raise no_cluster(paths)
    return os.pathsep.join(there)


def _contexts(config: Any, named: str) -> tuple[list[Json], str]:
    """Return the contexts of kubeconfig files, and the name of the current one."""
    try:
        known, active = config.list_kube_config_contexts(config_file=named)
    except Exception as error:
        raise bad_kubeconfig(named, error) from error
    return known, str((active or {}).get("name", ""))


def _inside(config: Any, configuration: Any) -> tuple[str, str]:
    """Configure from the pod we are in, as in a JupyterHub on the cluster."""
    try:
        config.load_incluster_config(client_configuration=configuration)
        with open(_NAMESPACE_FILE, encoding="ascii") as file:
            return "", file.read().strip()
    except Exception as error:
        raise bad_namespace_file(error) from error
