"""Where the API serves each kind of object."""

from __future__ import annotations

from typing import Any

_PLURALS = {
    "Job": "jobs",
    "Pod": "pods",
    "Service": "services",
    "Secret": "secrets",
    "Event": "events",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "NetworkPolicy": "networkpolicies",
    "Deployment": "deployments",
    "ReplicaSet": "replicasets",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Ingress": "ingresses",
    "HTTPRoute": "httproutes",
    "JobSet": "jobsets",
    "TrainJob": "trainjobs",
    "InferenceService": "inferenceservices",
}
JOBS = ("batch/v1", "Job")
PODS = ("v1", "Pod")
EVENTS = ("v1", "Event")
DEPLOYMENTS = ("apps/v1", "Deployment")
REPLICA_SETS = ("apps/v1", "ReplicaSet")
AUTOSCALERS = ("autoscaling/v2", "HorizontalPodAutoscaler")
#: Objects of other controllers that can carry a run.
CARRIERS = (
    ("jobset.x-k8s.io/v1alpha2", "JobSet"),
    ("trainer.kubeflow.org/v1alpha1", "TrainJob"),
    ("serving.kserve.io/v1beta1", "InferenceService"),
)
GROUPS = "/apis"
NODES = "/api/v1/nodes"
VERSION = "/version"


def collection(version: str, kind: str, namespace: str) -> str:
    """Return the path of all objects of a kind in a namespace."""
    root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    return f"{root}/namespaces/{namespace}/{_PLURALS[kind]}"


def of(manifest: dict[str, Any], namespace: str) -> str:
    """Return the path of a manifest's object."""
    where = collection(manifest["apiVersion"], manifest["kind"], namespace)
    return f"{where}/{manifest['metadata']['name']}"


def pod(name: str, namespace: str, below: str = "") -> str:
    """Return the path of a pod, or of something below it (`log`, `exec`, `portforward`)."""
    path = f"{collection(*PODS, namespace)}/{name}"
    return f"{path}/{below}" if below else path
