"""Serving: a Deployment that loses no request while it changes, and what belongs to it.

Sources: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/ (rolling
updates), https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ (termination),
https://kserve.github.io/website/docs/concepts/ (InferenceService),
https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPRoute)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....errors import ContainerizeError
from ....model.cluster import Scheduling, Serving
from ....model.run import RunSpec
from . import network
from .names import IMAGE, LABEL_KIND, RECORD, labels, selector
from .pods import (
    Manifest,
    PodImage,
    PodPlan,
    container,
    secret_variables,
    template,
    variable,
    work_resources,
    writable,
)

SERVICE = "service"
#: What KServe calls the container that serves.
KSERVE_CONTAINER = "kserve-container"
PORT = 8080
LIVE, READY = "/v2/health/live", "/v2/health/ready"
#: How long an ending pod still takes requests: until every balancer has heard that it ends.
_DRAIN_S = 10
_GRACE_S = 60
#: How long a new pod may take to be ready before a rollout counts as failed.
PROGRESS_S = 600
_METRIC = "http_requests_per_second"


@dataclass(frozen=True, slots=True)
class Service:
    """One service as the manifests see it. `even`: see `PodPlan`."""

    name: str
    run_id: str
    spec: RunSpec
    image: PodImage
    record: Mapping[str, Any] = field(default_factory=dict)
    even: bool = False

    @property
    def wishes(self) -> Serving:
        """How it is to be served."""
        return self.spec.cluster.serving

    @property
    def title(self) -> str:
        """The image's name, which the labels tell."""
        return self.spec.image_name or self.name

    @property
    def secret(self) -> str:
        """The secret that holds the values of `--env`."""
        return f"{self.name}-env" if self.spec.environment else ""

    def labels(self) -> dict[str, str]:
        """Return the labels of every object."""
        made = labels(self.name, self.run_id, component="inference", title=self.title)
        made[LABEL_KIND] = "inference"
        return made


def objects(service: Service) -> list[Manifest]:
    """Return everything that serving needs, the owner of the rest first. Errors: `usage`."""
    wishes = service.wishes
    if wishes.max_replicas and wishes.max_replicas < wishes.replicas:
        raise ContainerizeError(
            "usage",
            what=f"`--max-replicas {wishes.max_replicas}` is less than `--replicas {wishes.replicas}`.",
            fix="Write the smaller number after --replicas.",
        )
    if service.spec.cluster.scheduling is Scheduling.KSERVE:
        made = [inference_service(service)]
    else:
        made = [deployment(service), cluster_service(service)]
        if wishes.replicas > 1 or wishes.max_replicas > 1:
            made.append(disruption_budget(service))
        if wishes.max_replicas:
            made.append(autoscaler(service))
        if wishes.host:
            made.append(route(service) if wishes.gateway else ingress(service))
    if service.secret:
        made.append(environment_secret(service))
    policy = network.for_serving(
        service.name,
        service.labels(),
        selector(service.run_id),
        port=PORT,
        internet=service.spec.network,
    )
    return [*made, policy]


def environment_secret(service: Service) -> Manifest:
    """Return the secret with the values of `--env`."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": service.secret, "labels": service.labels()},
        "type": "Opaque",
        "stringData": dict(service.spec.environment),
    }


def deployment(service: Service) -> Manifest:
    """Return the Deployment; without `replicas` where an autoscaler decides about them."""
    spec: Manifest = {
        "selector": {"matchLabels": selector(service.run_id)},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": PROGRESS_S,
        # Never fewer than asked for: a pod goes only when its successor is ready.
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
        "template": pod_template(service),
    }
    if not service.wishes.max_replicas:
        spec["replicas"] = service.wishes.replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(service),
        "spec": spec,
    }


def _metadata(service: Service) -> Manifest:
    notes = {IMAGE: service.image.reference}
    if service.record:
        notes[RECORD] = json.dumps(service.record, sort_keys=True)
    return {"name": service.name, "labels": service.labels(), "annotations": notes}


def pod_template(service: Service) -> Manifest:
    """Return the pod: probed, and taking requests until everybody knows that it ends."""
    spec = service.spec
    plan = PodPlan(
        name=service.name,
        labels=service.labels(),
        selector=selector(service.run_id),
        image=service.image,
        spec=spec,
        secret=service.secret,
        annotations={IMAGE: service.image.reference},
        even=service.even,
    )
    folders = writable(plan)
    environment = [
        variable("CONTAINERIZE_PORT", str(PORT)),
        *secret_variables(sorted(spec.environment), service.secret),
    ]
    config = service.image.config
    command = list(spec.entrypoint or (*config.entrypoint, *config.command))
    work = container(
        plan,
        SERVICE,
        [word.replace("$(", "$$(") for word in command],
        resources=work_resources(
            spec.limits, gpus=spec.gpus, gpu_resource=spec.cluster.gpu_resource
        ),
        mounts=[*folders.mounts, {"name": "outputs", "mountPath": "/outputs"}],
        environment=environment,
    )
    work["ports"] = [{"name": "http", "containerPort": PORT, "protocol": "TCP"}]
    work["startupProbe"] = _probe(READY, period=2, failures=PROGRESS_S // 2)
    work["readinessProbe"] = _probe(READY, period=3, failures=2)
    work["livenessProbe"] = _probe(LIVE, period=10, failures=6)
    # The kernel's python is certain to be there; a shell is not.
    work["lifecycle"] = {
        "preStop": {"exec": {"command": [command[0], "-c", f"import time; time.sleep({_DRAIN_S})"]}}
    }
    pod: Manifest = {
        "terminationGracePeriodSeconds": _GRACE_S,
        "containers": [work],
        "volumes": [*folders.volumes, {"name": "outputs", "emptyDir": {}}],
    }
    if folders.init:
        pod["initContainers"] = [folders.init]
    return template(plan, pod)


def _probe(path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def cluster_service(service: Service) -> Manifest:
    """Return the Service: one address for all pods that are ready."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service.name, "labels": service.labels()},
        "spec": {
            "selector": selector(service.run_id),
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def disruption_budget(service: Service) -> Manifest:
    """Return the budget: drained nodes take one pod at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": service.name, "labels": service.labels()},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(service.run_id)},
        },
    }


def autoscaler(service: Service) -> Manifest:
    """Return the autoscaler: by requests a second where they are asked for, else by CPU."""
    wishes = service.wishes
    metric: Manifest = {
        "type": "Resource",
        "resource": {
            "name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": wishes.target_cpu},
        },
    }
    if wishes.target_rps:
        metric = {
            "type": "Pods",
            "pods": {
                "metric": {"name": _METRIC},
                "target": {"type": "AverageValue", "averageValue": str(wishes.target_rps)},
            },
        }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": service.name, "labels": service.labels()},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": service.name},
            "minReplicas": wishes.replicas,
            "maxReplicas": wishes.max_replicas,
            "metrics": [metric],
        },
    }


def ingress(service: Service) -> Manifest:
    """Return the Ingress for `--host`."""
    backend = {"service": {"name": service.name, "port": {"name": "http"}}}
    spec: Manifest = {
        "rules": [
            {
                "host": service.wishes.host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }
        ]
    }
    if service.wishes.ingress_class:
        spec["ingressClassName"] = service.wishes.ingress_class
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": service.name, "labels": service.labels()},
        "spec": spec,
    }


def route(service: Service) -> Manifest:
    """Return the HTTPRoute for `--host` at `--gateway` (`NAMESPACE/NAME`, or a name here)."""
    namespace, _, name = service.wishes.gateway.rpartition("/")
    parent: Manifest = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": service.name, "labels": service.labels()},
        "spec": {
            "parentRefs": [parent],
            "hostnames": [service.wishes.host],
            "rules": [{"backendRefs": [{"name": service.name, "port": 80}]}],
        },
    }


def inference_service(service: Service) -> Manifest:
    """Return a KServe InferenceService with our container, which speaks its V2 protocol."""
    wishes = service.wishes
    pod = pod_template(service)["spec"]
    for name in ("topologySpreadConstraints", "enableServiceLinks"):
        pod.pop(name, None)
    pod["containers"][0]["name"] = KSERVE_CONTAINER
    predictor: Manifest = {**pod, "minReplicas": wishes.replicas}
    if wishes.max_replicas:
        predictor["maxReplicas"] = wishes.max_replicas
    about = _metadata(service)
    # Its other mode, on Knative, allows pods neither a hook before their end nor a grace period.
    about["annotations"]["serving.kserve.io/deploymentMode"] = "RawDeployment"
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": about,
        "spec": {"predictor": predictor},
    }
