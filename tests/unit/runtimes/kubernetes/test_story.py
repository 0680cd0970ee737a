"""What pods wait for, told from what kubelets really write."""

from __future__ import annotations

import pytest

from jupyter_containerize.runtimes.kubernetes import story

IMAGE = "10.88.0.77:5000/u/train@sha256:0de0"
PULL = 'Failed to pull image "{}": failed to resolve reference "{}": {}'


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("dial tcp 10.88.0.77:5000: connect: no route to host", "registry-not-reachable"),
        ("lookup registry.invalid: no such host", "registry-not-reachable"),
        ("http: server gave HTTP response to HTTPS client", "registry-not-reachable"),
        ("10.88.0.77:5000/u/train@sha256:0de0: not found", "image-not-found-by-nodes"),
        ("pull access denied, repository does not exist", "image-pull-denied"),
        ("unexpected EOF", "image-pull-failed"),
    ],
)
def test_the_reason_is_the_kubelets_own_not_the_name_of_its_state(reason, code):
    told = PULL.format(IMAGE, IMAGE, reason)
    events = [
        {"reason": "Failed", "message": told},
        {"reason": "Failed", "message": "Error: ErrImagePull"},
        {"reason": "Failed", "message": "Error: ImagePullBackOff"},
    ]
    problem = story.image_problem(IMAGE, f'Back-off pulling image "{IMAGE}"', events)
    assert problem.code == code
    assert problem.why == told


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("2Gi", 2 << 30), ("16393244Ki", 16393244 << 10), ("1Ei", 1 << 60), ("500M", 5e8), ("5k", 5000),
        ("3920m", 3.92), ("27262976000m", 27262976), ("250000000n", 0.25), ("129e6", 129e6), ("1.5", 1.5), ("", 0),
    ],
)  # fmt: skip
def test_quantities_are_read_in_every_unit(text, amount):
    assert story.quantity(text) == pytest.approx(amount)


def pod(**status):
    spec = {"containers": [{"name": "training", "resources": {"requests": {"cpu": "1"}}}]}
    return {"metadata": {"name": "a"}, "spec": spec, "status": status}


def unscheduled(message, reason="Unschedulable"):
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    return pod(conditions=[condition])


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "not enough nvidia.com/gpu on 3 of 3 nodes"),
        ("0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu. preemption: 0/3", "not enough cpu on 2 of 3 nodes"),
        ("0/2 nodes are available: 2 node(s) had taint {gpu: }, that the pod didn't tolerate.", "--toleration"),
        ("0/2 nodes are available: 2 node(s) didn't match node selector.", "--node-selector"),
        ("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.", "--node-selector"),
        ("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "no volume"),
        ("0/2 nodes are available: 2 node(s) had volume node affinity conflict.", "bound to others"),
        ('0/1 nodes are available: persistentvolumeclaim "data" not found.', "no volume claim data"),
        ("0/2 nodes are available: 2 node(s) were unschedulable.", "cordoned"),
        ("0/2 nodes are available: 2 Too many pods.", "no room for more pods"),
        ("something of a scheduler nobody knows", "something of a scheduler"),
    ],
)  # fmt: skip
def test_why_no_node_takes_a_pod(message, words):
    assert words in story.phase(unscheduled(message)).text


def test_a_gate_is_a_queue_and_a_node_that_is_being_added_is_told():
    gated = unscheduled(
        "Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated"
    )
    assert story.phase(gated).text == "Waiting in its queue"
    events = [{"reason": "TriggeredScaleUp", "message": "pod triggered scale-up: [{...}]"}]
    told = story.phase(unscheduled("0/3 nodes are available: 3 Insufficient cpu."), events).text
    assert "not enough cpu" in told
    assert told.endswith("The cluster is adding a node")


@pytest.mark.parametrize("reason", ["SignatureValidationFailed", "RegistryUnavailable", "ImageInspectError"])  # fmt: skip
def test_every_way_in_which_a_kubelet_gets_no_image_is_one(reason):
    waiting = {"name": "training", "image": IMAGE, "state": {"waiting": {"reason": reason}}}
    assert story.phase(pod(containerStatuses=[waiting])).problem.code == "image-pull-failed"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("The node was low on resource: memory. Threshold quantity: 100Mi", "--memory"),
        ("The node was low on resource: ephemeral-storage.", "--outputs pvc:"),
        ('Usage of EmptyDir volume "shm" exceeds the limit "1Gi".', "/dev/shm"),
    ],
)
def test_who_is_evicted_is_told_what_to_ask_for(message, words):
    ended = story.ending(pod(phase="Failed", reason="Evicted", message=message))
    assert ended.why == f"evicted: {message}"
    assert words in ended.fix
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message}  # fmt: skip
    ended = story.ending(pod(phase="Failed", conditions=[condition]))
    assert (ended.preempted, ended.evicted) == (True, True)
    assert words in ended.fix


@pytest.mark.parametrize("reason", ["PreemptionByScheduler", "DeletionByTaintManager", "EvictionByEvictionAPI", "DeletionByPodGC"])  # fmt: skip
def test_who_is_taken_away_has_not_failed_and_asked_for_nothing_wrong(reason):
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason}
    killed = {"name": "training", "state": {"terminated": {"exitCode": 137}}}
    ended = story.ending(pod(containerStatuses=[killed], conditions=[condition]))
    assert (ended.preempted, ended.evicted, ended.fix) == (True, False, "")


def test_pulling_is_told_with_its_node():
    waiting = {"name": "training", "image": IMAGE, "state": {"waiting": {"reason": "ContainerCreating"}}}  # fmt: skip
    there = pod(containerStatuses=[waiting])
    there["spec"]["nodeName"] = "node-a"
    pulling = {"reason": "Pulling", "message": f'Pulling image "{IMAGE}"'}
    assert story.phase(there, [pulling]).text == "Pulling the image on node node-a"
    pulled = {"reason": "Pulled", "message": f'Successfully pulled image "{IMAGE}"'}
    assert story.phase(there, [pulling, pulled]).text == "Starting on node node-a"
