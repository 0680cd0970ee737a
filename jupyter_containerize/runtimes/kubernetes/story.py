"""What a pod is doing, in plain words: pure functions of its status and of events about it.

Sources: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/, the kubelet's
container states (`ErrImagePull`, `CreateContainerConfigError`, ...), the scheduler's messages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ContainerizeError
from .manifests.pods import FOLDERS, TRAINING
from .problems import rule_fix

Json = Mapping[str, Any]

_PULLING = (
    "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName",
    "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
)  # fmt: skip
_UNITS: dict[str, float] = {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", 1)}
_UNITS |= {letter: 1000.0**power for power, letter in enumerate("kMGTPE", 1)}
_UNITS |= {"n": 1e-9, "u": 1e-6, "m": 1e-3}
_LACK = re.compile(r"(\d+) Insufficient ([\w./-]+)")
_NODES = re.compile(r"(\d+)/(\d+) nodes are available")
_NAME_ONLY = re.compile(r"Error: \w+")
OOM_EXIT = 137


@dataclass(frozen=True, slots=True)
class Phase:
    """What goes on: a sentence; `problem` when it will not get better by itself."""

    text: str
    problem: ContainerizeError | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ended; `why` is empty for an ordinary exit.

    `preempted` is nobody's failure; `evicted` is that too, but the pod may have asked for too little.
    """

    exit_code: int
    why: str = ""
    fix: str = ""
    preempted: bool = False
    evicted: bool = False
    at: str = ""


def phase(pod: Json, events: Sequence[Json] = (), *, work: str = TRAINING) -> Phase | None:  # noqa: PLR0911 - one line a state
    """Return what a pod waits for; None when its work runs or has ended."""
    status = pod.get("status") or {}
    states = status.get("containerStatuses") or ()
    if has_started(pod, work=work):
        return None
    for one in [*(status.get("initContainerStatuses") or ()), *states]:
        told = _container(one, events)
        if told is not None:
            return told
    unscheduled = _condition(pod, "PodScheduled")
    if unscheduled is not None and unscheduled.get("status") == "False":
        if unscheduled.get("reason") == "SchedulingGated":
            return Phase("Waiting in its queue")
        text = _unschedulable(pod, str(unscheduled.get("message", "")))
        growing = any(event.get("reason") in _GROWING for event in events)
        return Phase(f"{text}. The cluster is adding a node" if growing else text)
    warnings = [event for event in events if event.get("reason") in _WARNINGS]
    if warnings:
        return Phase(f"{_WARNINGS[warnings[-1]['reason']]}: {warnings[-1].get('message', '')}")
    if any(event.get("reason") == "Pulling" for event in events) and not any(
        event.get("reason") == "Pulled" for event in events
    ):
        return Phase(f"Pulling the image on node {_node(pod)}")
    if _node(pod):
        return Phase(f"Starting on node {_node(pod)}")
    return Phase("Waiting for a node")


#: What cluster autoscalers and Karpenter write about a pod for which they make room.
_GROWING = ("TriggeredScaleUp", "Nominated")
_WARNINGS = {
    "FailedMount": "A volume cannot be mounted yet",
    "FailedAttachVolume": "A volume cannot be attached yet",
    "FailedCreatePodSandBox": "The node cannot prepare the pod",
}


def has_started(pod: Json, *, work: str = TRAINING) -> bool:
    """Tell whether a pod's work runs or has ended: from then on it has a log."""
    states = (pod.get("status") or {}).get("containerStatuses") or ()
    return any(one["name"] == work and not _waiting(one) for one in states)


def _node(pod: Json) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _waiting(container: Json) -> bool:
    state = container.get("state") or {}
    return "running" not in state and "terminated" not in state


def _condition(pod: Json, kind: str) -> Json | None:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == kind), None)


def _container(container: Json, events: Sequence[Json]) -> Phase | None:  # noqa: PLR0911 - one line a state
    state = container.get("state") or {}
    name = container["name"]
    waiting, ended = state.get("waiting"), state.get("terminated")
    if name == FOLDERS and "running" in state:
        return Phase("Copying the notebook's folders")
    if ended is not None and ended.get("exitCode"):
        why = str(ended.get("message") or ended.get("reason") or "").strip()
        code = "pod-cannot-start"
        what = f"The step `{name}` before the run failed with exit code {ended['exitCode']}."
        return Phase(what, ContainerizeError(code, what=what, why=why, fix=_fix_of(why)))
    if waiting is None:
        return None
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    if reason in _PULLING:
        problem = image_problem(str(container.get("image", "")), message, events, reason)
        return Phase(problem.what, problem)
    if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        if "secret" in message and "not found" in message:
            return Phase("Waiting for the run's secret")
        problem = ContainerizeError(
            "pod-cannot-start",
            what=f"The container `{name}` cannot be started.",
            why=message,
            fix="Correct the option that the message names, and start the run again.",
        )
        return Phase(problem.what, problem)
    return None


def _fix_of(why: str) -> str:
    if "No space" in why:
        return "The node's disk is full: run it on others, with --node-selector."
    if "No such file" in why:
        return "Build the image again with this version of jupyter-containerize."
    return "The message is what the step wrote; correct what it names."


def image_problem(
    image: str, message: str, events: Sequence[Json] = (), reason: str = ""
) -> ContainerizeError:
    """Return why a node cannot get an image: not there, no right, not reachable, or otherwise."""
    texts = [
        str(e.get("message", "")) for e in events if e.get("reason") in ("Failed", "FailedPull")
    ]
    whole = " ".join([message, *texts])
    low = whole.lower()
    registry = image.partition("/")[0]
    # Beside the reason the kubelet writes an event that has only a name: "Error: ErrImagePull".
    telling = [text for text in texts if "pull" in text.lower() and not _NAME_ONLY.fullmatch(text)]
    why = telling[-1] if telling else message
    if reason == "ErrImageNeverPull":
        return ContainerizeError(
            "image-not-on-node",
            what=f"The image {image} is not on the node.",
            why=why,
            # Seen on 1.36: the kubelet's check of who may use what it pulled ends in this state too.
            fix=(
                "Push it: --registry HOST/NAME. (Newer nodes refuse a loaded image also when they "
                "once pulled the same one from a registry.)"
            ),
        )
    if any(
        word in low
        for word in (
            "unauthorized",
            "authentication required",
            "403 forbidden",
            "denied",
            "no basic auth",
        )
    ):
        return ContainerizeError(
            "image-pull-denied",
            what=f"The nodes may not pull {image}.",
            why=why,
            fix=(
                "Give them credentials: --pull-secret NAME for a secret in the namespace, or "
                "--pull-secret docker to make one from your own Docker login."
            ),
        )
    if any(word in low for word in ("not found", "manifest unknown", "name unknown", "404")):
        return ContainerizeError(
            "image-not-found-by-nodes",
            what=f"The nodes do not find {image} in the registry.",
            why=why,
            fix="Push it again (`run` does), or correct --registry.",
        )
    if any(
        word in low
        for word in (
            "no such host", "connection refused", "i/o timeout", "timeout", "deadline exceeded",
            "x509", "server gave http response", "no route to host", "dial tcp", "tls:",
        )
    ):  # fmt: skip
        return ContainerizeError(
            "registry-not-reachable",
            what=f"The cluster's nodes cannot reach the registry {registry}.",
            why=why,
            fix=(
                "This machine can push to it, but the nodes see another network (or do not trust "
                "its certificate). Choose a registry that both reach: --registry HOST/NAME"
            ),
        )
    return ContainerizeError(
        "image-pull-failed",
        what=f"The nodes cannot pull {image}.",
        why=why,
        fix="The message is the node's own; show it to who runs the cluster or the registry.",
    )


def _unschedulable(pod: Json, message: str) -> str:
    nodes = _NODES.search(message)
    total = nodes[2] if nodes else "?"
    lacking = [
        f"{name.rstrip('.')} on {count} of {total} nodes" for count, name in _LACK.findall(message)
    ]
    others = []
    claim = _NO_CLAIM.search(message)
    if claim:
        return f"There is no volume claim {claim[1]} in the namespace (--outputs, --data)"
    for text, words in _SCHEDULER_WORDS:
        if text in message and words not in others:
            others.append(words)
    if lacking:
        asked = _asked(pod)
        return f"No node has room: not enough {', '.join(lacking)}. The run asks for {asked}" + (
            f"; other nodes have {', '.join(others)}" if others else ""
        )
    if others:
        return f"No node suits: the nodes have {', '.join(others)}"
    return f"No node suits: {message}" if message else "Waiting for a node"


_NO_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
#: Parts of the scheduler's messages, those of older versions too.
_SCHEDULER_WORDS = (
    ("untolerated taint", "taints that the run does not tolerate (--toleration)"),
    ("that the pod didn't tolerate", "taints that the run does not tolerate (--toleration)"),
    ("didn't match Pod's node affinity", "other labels than --node-selector asks for"),
    ("didn't match node selector", "other labels than --node-selector asks for"),
    ("unbound immediate PersistentVolumeClaims", "no volume for the claim"),
    ("volume node affinity conflict", "no access to the claim's volume, which is bound to others"),
    ("were unschedulable", "been closed to new pods (cordoned)"),
    ("Too many pods", "no room for more pods"),
)


def _asked(pod: Json) -> str:
    containers = (pod.get("spec") or {}).get("containers") or ()
    requests = containers[0].get("resources", {}).get("requests", {}) if containers else {}
    return ", ".join(f"{name} {_readable(name, str(value))}" for name, value in requests.items())


def _readable(name: str, value: str) -> str:
    return size(quantity(value)) if name == "memory" else value


def quantity(text: str) -> float:
    """Return a Kubernetes quantity as a number: `500m`, `2Gi`, `1.5`, `129e6`."""
    for unit, factor in _UNITS.items():
        if text.endswith(unit):
            return float(text[: -len(unit)]) * factor
    return float(text or 0)


def size(amount: float) -> str:
    """Return bytes in the units of `--memory`."""
    for unit, factor in (("Gi", 1 << 30), ("Mi", 1 << 20)):
        if amount >= factor:
            return f"{amount / factor:.4g} {unit}B"
    return f"{amount:.0f} bytes"


def ending(pod: Json, *, work: str = TRAINING) -> Ending | None:  # noqa: PLR0911 - one line a state
    """Return how a pod's work ended; None while it has not."""
    status = pod.get("status") or {}
    disrupted = _condition(pod, "DisruptionTarget")
    taken = disrupted is not None and disrupted.get("status") == "True"
    for one in status.get("containerStatuses") or ():
        state = (one.get("state") or {}).get("terminated")
        if one["name"] == work and state is not None:
            code = int(state.get("exitCode", 1))
            at = str(state.get("finishedAt") or "")
            if state.get("reason") == "OOMKilled":
                return out_of_memory(pod, work, code, at)
            if taken and disrupted is not None and code:
                return _taken_away(disrupted, code, at)
            return Ending(code, at=at)
    if status.get("phase") == "Failed":
        reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
        if taken and disrupted is not None:
            return _taken_away(disrupted, 1, "")
        if reason == "Evicted":
            return Ending(1, f"evicted: {message}", _room_fix(message))
        for one in status.get("initContainerStatuses") or ():
            step = _container(one, ())
            if step is not None and step.problem is not None:
                return Ending(
                    1, f"{step.problem.what} {step.problem.why}".strip(), step.problem.fix
                )
        return Ending(1, message or reason or "the pod failed")
    return None


def _taken_away(condition: Json, code: int, at: str) -> Ending:
    evicted = condition.get("reason") == "TerminationByKubelet"
    fix = _room_fix(str(condition.get("message") or "")) if evicted else ""
    return Ending(code, _disruption(condition), fix, preempted=True, evicted=evicted, at=at)


def _room_fix(message: str) -> str:
    """Return what to ask for, so that a node does not evict the pod again."""
    if "shm" in message:
        return "What it writes to /dev/shm counts: raise --memory."
    if "ephemeral" in message or "EmptyDir" in message:
        return (
            "It fills the node's disk: write less, or keep outputs in a volume: --outputs pvc:SIZE."
        )
    return "Ask for what it needs: --memory, --cpus."


def _disruption(condition: Json) -> str:
    words = {
        "PreemptionByScheduler": "preempted by a run of higher priority",
        "PreemptionByKubeScheduler": "preempted by a run of higher priority",
        "EvictionByEvictionAPI": "its node was drained",
        "DeletionByTaintManager": "its node became unusable",
        "DeletionByPodGC": "its node is gone",
        "TerminationByKubelet": "evicted by its node",
    }
    reason = str(condition.get("reason") or "")
    said = str(condition.get("message") or "")
    return words.get(reason, "taken away by the cluster") + (f" ({said})" if said else "")


def out_of_memory(pod: Json, work: str, code: int, at: str) -> Ending:
    """Return the ending of a container that used more than its limit: what to raise it to."""
    containers = (pod.get("spec") or {}).get("containers") or ()
    limit = next(
        (
            str(one.get("resources", {}).get("limits", {}).get("memory", ""))
            for one in containers
            if one["name"] == work
        ),
        "",
    )
    amount = quantity(limit) if limit else 0
    raised = max(1, -(-int(amount * 2) >> 30)) if amount else 0
    return Ending(
        code or OOM_EXIT,
        f"out of memory: it used more than its limit of {size(amount)}"
        if amount
        else "out of memory",
        f"Raise the limit: --memory {raised}G" if raised else "Raise the limit with --memory.",
        at=at,
    )


def job_problem(events: Sequence[Json]) -> ContainerizeError | None:
    """Return why a job makes no pods: a quota, or an admission rule."""
    for event in events:
        if event.get("reason") == "FailedCreate":
            message = str(event.get("message", ""))
            if "exceeded quota" in message:
                return ContainerizeError(
                    "quota-exceeded",
                    what="The namespace's quota does not allow the run's pods.",
                    why=message.partition("is forbidden: ")[2] or message,
                    fix="Ask for less (--memory, --cpus, --workers), remove ended runs, or ask for more quota.",
                )
            return ContainerizeError(
                "admission-refused",
                what="A rule of the cluster refuses the run's pods.",
                why=message,
                fix=rule_fix(message),
            )
    return None
