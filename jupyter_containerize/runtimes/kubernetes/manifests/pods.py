"""Pods: the `restricted` Pod Security Standard, a read-only root, the writable places.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ....model.plan import GUEST_FOLDER, LABEL_WRITABLE, OUTPUTS_FOLDER, ImageConfig
from ....model.run import Limits, RunSpec
from .volumes import Source

Manifest = dict[str, Any]

TRAINING = "training"
COLLECTOR = "collector"
FOLDERS = "folders"
FETCH = "fetch"
CONTROL_FOLDER = "/run/jupyter-containerize"
#: The same in pods to which no volume of ours can be given.
HELD_FOLDER = "/tmp/jupyter-containerize-control"  # noqa: S108 - the container's
POD_STEPS = f"{GUEST_FOLDER}/pod.py"
#: What a pod gets that asks for nothing: a notebook's training, not a batch farm's.
DEFAULT_MEMORY_BYTES = 2 << 30
DEFAULT_CPUS = 1.0
_SHM_BYTES = 1 << 30
_WORK = "/run/jupyter-containerize-folders"
_TMP = "/tmp"  # noqa: S108 - the container's
_SHM = "/dev/shm"  # noqa: S108 - the container's


@dataclass(frozen=True, slots=True)
class PodImage:
    """An image as nodes find it: by digest from a registry, or already there (`pull` false)."""

    reference: str
    config: ImageConfig
    pull: bool = True
    pull_secret: str = ""
    ours: bool = True


@dataclass(frozen=True, slots=True)
class PodPlan:
    """What a pod template is made from. `environment` names a secret's keys, never values.

    `even`: our own steps ask for as much as the work, where a namespace has no room for small ones.
    """

    name: str
    labels: Mapping[str, str]
    selector: Mapping[str, str]
    image: PodImage
    spec: RunSpec
    secret: str = ""
    sources: tuple[Source, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    even: bool = False


def python_of(image: PodImage) -> str:
    """Return the interpreter that the image's entry point names."""
    return image.config.entrypoint[0]


def template(plan: PodPlan, pod: Manifest) -> Manifest:
    """Return a pod template: `pod`'s containers and volumes within everything that is common."""
    spec, options = plan.spec, plan.spec.cluster
    made: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            **_identity(plan.image.config.user),
            "fsGroup": 1000,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(plan.selector)},
            }
        ],
        **pod,
    }
    if plan.image.pull_secret:
        made["imagePullSecrets"] = [{"name": plan.image.pull_secret}]
    if options.service_account:
        made["serviceAccountName"] = options.service_account
    if options.priority_class:
        made["priorityClassName"] = options.priority_class
    if options.node_selector:
        made["nodeSelector"] = dict(options.node_selector)
    tolerations = [toleration(text) for text in options.tolerations]
    if spec.gpus:
        tolerations.append(
            {"key": options.gpu_resource, "operator": "Exists", "effect": "NoSchedule"}
        )
    if tolerations:
        made["tolerations"] = tolerations
    metadata: Manifest = {"labels": dict(plan.labels)}
    if plan.annotations:
        metadata["annotations"] = dict(plan.annotations)
    return {"metadata": metadata, "spec": made}


def _identity(user: str) -> dict[str, int]:
    uid, _, gid = user.partition(":")
    if not uid.isdecimal() or uid == "0":
        return {"runAsUser": 1000, "runAsGroup": 0}
    return {"runAsUser": int(uid), "runAsGroup": int(gid) if gid.isdecimal() else 0}


def toleration(text: str) -> Manifest:
    """Return `KEY[=VALUE][:EFFECT]` as a toleration."""
    pair, _, effect = text.partition(":")
    key, equals, value = pair.partition("=")
    made: Manifest = {"key": key, "operator": "Equal" if equals else "Exists"}
    if equals:
        made["value"] = value
    if effect:
        made["effect"] = effect
    return made


def security() -> Manifest:
    """Return what every container of ours may not do."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def container(
    plan: PodPlan,
    name: str,
    command: Sequence[str],
    *,
    resources: Manifest,
    mounts: Sequence[Manifest],
    environment: Sequence[Manifest] = (),
) -> Manifest:
    """Return one container of the image."""
    made: Manifest = {
        "name": name,
        "image": plan.image.reference,
        "imagePullPolicy": "IfNotPresent" if plan.image.pull else "Never",
        "command": list(command),
        "resources": resources,
        "securityContext": security(),
        "volumeMounts": list(mounts),
        # The last lines of a failed container's log, for who looks at the pod alone.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if plan.image.config.working_dir:
        made["workingDir"] = plan.image.config.working_dir
    if environment:
        made["env"] = list(environment)
    return made


def variable(name: str, value: str) -> Manifest:
    """Return an environment variable; `$(` in a value is the cluster's syntax, so it is escaped."""
    return {"name": name, "value": value.replace("$(", "$$(")}


def secret_variables(names: Sequence[str], secret: str) -> list[Manifest]:
    """Return variables whose values lie in a secret."""
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}
        for name in names
    ]


def work_resources(limits: Limits, *, gpus: str = "", gpu_resource: str = "") -> Manifest:
    """Return requests and limits of the container that does the work."""
    memory = str(limits.memory_bytes or DEFAULT_MEMORY_BYTES)
    cpus = millicpus(limits.cpus or DEFAULT_CPUS)
    made: Manifest = {"requests": {"cpu": cpus, "memory": memory}, "limits": {"memory": memory}}
    # Without a number from the user, idle processors of the node may be used.
    made["limits"]["cpu"] = cpus if limits.cpus else millicpus(DEFAULT_CPUS * 4)
    if gpus:
        made["limits"][gpu_resource] = "1" if gpus == "all" else gpus
        made["requests"][gpu_resource] = made["limits"][gpu_resource]
    return made


def own_resources(plan: PodPlan) -> Manifest:
    """Return requests and limits of our own small steps."""
    if plan.even:
        return work_resources(plan.spec.limits)
    return {
        "requests": {"cpu": "20m", "memory": "64Mi"},
        "limits": {"cpu": "1", "memory": "256Mi"},
    }


def millicpus(cpus: float) -> str:
    """Return processors as the API writes them."""
    milli = math.ceil(cpus * 1000)
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


@dataclass(frozen=True, slots=True)
class Folders:
    """The writable folders of an image: their volumes, mounts, and the container that fills them."""

    volumes: tuple[Manifest, ...]
    mounts: tuple[Manifest, ...]
    init: Manifest | None


def writable(plan: PodPlan) -> Folders:
    """Return the writable folders that every runtime gives; `/outputs` is the caller's."""
    config = plan.image.config
    try:
        named = json.loads(config.labels.get(LABEL_WRITABLE, "[]"))
    except ValueError:
        named = []
    own = {_SHM, OUTPUTS_FOLDER}
    paths = {path for path in named if isinstance(path, str) and path.startswith("/")} | {_TMP}
    filled = sorted(paths - own)
    mounts: list[Manifest] = [
        {"name": "folders", "mountPath": path, "subPath": str(number)}
        for number, path in enumerate(filled)
    ]
    mounts.append({"name": "shm", "mountPath": _SHM})
    memory = plan.spec.limits.memory_bytes or DEFAULT_MEMORY_BYTES
    volumes = (
        {"name": "folders", "emptyDir": {}},
        {
            "name": "shm",
            # What is written there counts as the container's memory.
            "emptyDir": {"medium": "Memory", "sizeLimit": str(min(_SHM_BYTES, memory // 2))},
        },
    )
    init = None
    if plan.image.ours:
        pairs = [f"{path}={_WORK}/{number}" for number, path in enumerate(filled)]
        command = [python_of(plan.image), "-I", POD_STEPS, "folders", *pairs]
        mount = [{"name": "folders", "mountPath": _WORK}]
        init = container(plan, FOLDERS, command, resources=own_resources(plan), mounts=mount)
        init["workingDir"] = "/"
    return Folders(volumes, tuple(mounts), init)
