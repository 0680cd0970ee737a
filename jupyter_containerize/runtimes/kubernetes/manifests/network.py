"""Who may speak to a run's pods, and to whom they may: nobody, unless there is a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]

#: CoreDNS listens on 53 everywhere but on OpenShift (5353).
_DNS_PORTS = (53, 5353)


def _dns() -> Manifest:
    ports = [{"protocol": kind, "port": port} for port in _DNS_PORTS for kind in ("UDP", "TCP")]
    return {"ports": ports}


def for_training(
    name: str,
    labels: Mapping[str, str],
    pods: Mapping[str, str],
    *,
    together: bool,
    internet: bool,
) -> Manifest:
    """Return the policy of training pods: names, one another, and with `internet` everything."""
    peers = {"podSelector": {"matchLabels": dict(pods)}}
    egress: list[Manifest] = [{}] if internet else [_dns()]
    ingress: list[Manifest] = []
    if together:
        ingress.append({"from": [peers]})
        if not internet:
            egress.append({"to": [peers]})
    return _policy(name, labels, pods, ingress=ingress, egress=egress)


def for_serving(
    name: str, labels: Mapping[str, str], pods: Mapping[str, str], *, port: int, internet: bool
) -> Manifest:
    """Return the policy of serving pods: requests to their port."""
    ingress = [{"ports": [{"protocol": "TCP", "port": port}]}]
    egress: list[Manifest] = [{}] if internet else [_dns()]
    return _policy(name, labels, pods, ingress=ingress, egress=egress)


def _policy(
    name: str,
    labels: Mapping[str, str],
    pods: Mapping[str, str],
    *,
    ingress: list[Manifest],
    egress: list[Manifest],
) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {
            "podSelector": {"matchLabels": dict(pods)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }
