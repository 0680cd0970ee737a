"""Pods that wait, fail, are killed, evicted, preempted or stopped: what is told, and what comes back.

Pods follow scripts; the outputs are real files that the real guest lists and sends.
"""

from __future__ import annotations

import json
import os
import time

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.event import FindingRaised
from jupyter_containerize.model.run import RunState


@pytest.fixture
def lab(scripted_lab):
    return scripted_lab


def test_out_of_memory_tells_the_limit_and_what_to_raise_it_to(lab, cluster_lab):
    def script(pod, node):
        yield cluster_lab.LINES[0]
        yield "end", {"exitCode": 137, "reason": "OOMKilled"}

    lab.node(script)
    run = lab.run()
    assert (run.state, run.exit_code) == (RunState.FAILED, 137)
    assert "limit of 256 MiB" in run.reason
    assert "--memory 1G" in run.reason
    assert cluster_lab.arrived(run) == lab.files  # a run that was killed returns its outputs too


def waits(reason, message="", event=None):
    def begin(pod, node):
        if event:
            node.fake.event(pod, *event)
        node.status(
            pod,
            containers={"training": {"waiting": {"reason": reason, "message": message}}},
            spec={"nodeName": "node-a"},
        )
        return False

    return begin


@pytest.mark.parametrize(
    ("reason", "message", "code"),
    [
        ("ErrImagePull", 'rpc error: "r.example/a:1": not found', "image-not-found-by-nodes"),
        ("ImagePullBackOff", "pull access denied, 401 Unauthorized", "image-pull-denied"),
        ("ErrImagePull", "dial tcp 10.0.0.1:5000: connect: connection refused", "registry-not-reachable"),
        ("ErrImagePull", "x509: certificate signed by unknown authority", "registry-not-reachable"),
        ("ErrImageNeverPull", "Container image is not present with pull policy of Never", "image-not-on-node"),
        ("ErrImagePull", "something else", "image-pull-failed"),
        ("CreateContainerError", "no such device", "pod-cannot-start"),
    ],
)  # fmt: skip
def test_what_keeps_a_pod_from_starting_is_told_and_the_run_given_up(
    lab, reason, message, code, cluster_lab
):
    lab.node(cluster_lab.lines_then(0), pod=waits(reason, message))
    with pytest.raises(ContainerizeError) as caught:
        lab.run()
    assert caught.value.code == code
    assert caught.value.fix
    (run,) = lab.runtime.list(store=lab.store)
    assert run.state is RunState.FAILED
    assert lab.fake.one("jobs")["spec"]["suspend"] is True


def test_waiting_for_room_is_told_with_what_is_missing(lab, cluster_lab):
    message = "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available"
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }

    def begin(pod, node):
        node.status(pod, conditions=[condition])
        until = time.monotonic() + 20
        while not any("not enough" in text for text in lab.story) and time.monotonic() < until:
            time.sleep(0.05)
        node.status(pod, conditions=[])

    lab.node(cluster_lab.lines_then(0), pod=begin)
    assert lab.run().state is RunState.SUCCEEDED
    assert any("not enough memory on 3 of 3 nodes" in text for text in lab.story)
    assert any("memory 256 MiB" in text for text in lab.story)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('pods "a" is forbidden: exceeded quota: team, requested: memory=2Gi, used: 0, limited: 1Gi', "quota-exceeded"),
        ('pods "a" is forbidden: violates PodSecurity "restricted:latest"', "admission-refused"),
    ],
)  # fmt: skip
def test_pods_that_would_be_refused_are_told_before_anything_is_pushed(
    lab, message, code, cluster_lab
):
    lab.fake.controllers.pod_admission.append(lambda _: message)
    error = lab.refused(cluster={"registry": "registry.invalid/team"})
    assert error.code == code
    assert message.partition("forbidden: ")[2] in error.why
    # Who may not ask about pods learns it from the Job's own events.
    lab.fake.denied.add(("create", "pods"))
    lab.node(cluster_lab.lines_then(0))
    with pytest.raises(ContainerizeError) as caught:
        lab.run()
    assert caught.value.code == code
    assert message.partition("forbidden: ")[2] in caught.value.why


def test_a_preempted_pod_is_no_failure(lab, cluster_lab):
    seen = []

    def script(pod, node):
        seen.append(pod)
        time.sleep(1.0)  # it is followed by now
        if len(seen) == 1:
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "PreemptionByScheduler",
            }
            yield "status", {"conditions": [condition]}
            node.released.add(pod["metadata"]["uid"])
            yield 143
            return
        yield from cluster_lab.LINES
        yield 0

    lab.node(script)
    run = lab.run()
    assert run.state is RunState.SUCCEEDED
    assert any("preempted by a run of higher priority" in text for text in lab.story)
    assert len(seen) == 2


def test_a_failed_attempt_is_repeated_and_the_last_one_counts(lab):
    codes = iter([1, 0])

    def script(pod, node):
        yield f"attempt of {pod['metadata']['name']}\n"
        yield next(codes)

    lab.node(script)
    run = lab.run(cluster={"retries": 1})
    assert (run.state, run.exit_code) == (RunState.SUCCEEDED, 0)
    assert len(lab.lines) == 2
    assert any("the cluster makes another one" in text for text in lab.story)


def test_outputs_that_changed_on_their_way_are_said_to_be_incomplete(lab, cluster_lab):
    lab.node(cluster_lab.lines_then(0))
    started = lab.start()
    listing = lab.control / "listing.json"
    facts = {
        "path": "empty",
        "mode": 0o644,
        "mtime": 0,
        "kind": "file",
        "size": 0,
        "sha256": "0" * 64,
    }
    listing.write_text(json.dumps({"version": 1, "files": [facts]}))
    run = lab.runtime.follow(started.id, store=lab.store, emit=lab.events.append)
    assert "outputs are not complete: empty" in run.reason
    codes = [event.finding.code for event in lab.events if isinstance(event, FindingRaised)]
    assert codes == ["outputs-not-complete"]


def test_a_pod_that_names_a_file_outside_its_outputs_writes_nothing_there(lab, cluster_lab):
    lab.node(cluster_lab.lines_then(0))
    started = lab.start()
    (lab.outputs / "escape").symlink_to("/etc")
    run = lab.runtime.follow(started.id, store=lab.store, emit=lab.events.append)
    assert "escape: a link out of the outputs" in run.reason
    assert not os.path.lexists(os.path.join(run.outputs, "escape"))


def test_a_run_that_is_stopped_elsewhere_ends_as_stopped_for_who_follows_it(lab, cluster_lab):
    def script(pod, node):
        yield cluster_lab.LINES[0]
        while not (lab.control / "stop").exists():
            time.sleep(0.02)
        yield 143

    lab.node(script)
    started = lab.start()
    wait = cluster_lab.following_in_a_thread(lab, started)
    until = time.monotonic() + 60
    while not lab.lines:
        assert time.monotonic() < until
        time.sleep(0.02)
    stopped = lab.runtime.stop(started.id, store=lab.store)
    followed = wait()
    assert stopped.state is followed.state is RunState.STOPPED
    assert followed.outputs == stopped.outputs
    assert cluster_lab.arrived(stopped) == lab.files
    assert lab.runtime.get(started.id, store=lab.store).state is RunState.STOPPED


def test_a_run_that_is_stopped_while_it_waits_ends_for_who_follows_it(lab, cluster_lab):
    lab.node(cluster_lab.lines_then(0), pod=lambda *_: False)
    started = lab.start()
    wait = cluster_lab.following_in_a_thread(lab, started)
    until = time.monotonic() + 60
    while not lab.story:
        assert time.monotonic() < until
        time.sleep(0.02)
    lab.runtime.stop(started.id, store=lab.store)
    assert wait().state is RunState.STOPPED


def test_a_step_before_the_training_that_fails_is_told_with_its_words(lab, cluster_lab):
    def begin(pod, node):
        state = {
            "exitCode": 1,
            "reason": "Error",
            "message": "s3://b/x could not be fetched: no such key",
        }
        node.status(pod, inits={"fetch": {"terminated": state}}, phase="Failed")
        return False

    lab.node(cluster_lab.lines_then(0), pod=begin)
    run = lab.run()
    assert run.state is RunState.FAILED
    assert "`fetch`" in run.reason
    assert "no such key" in run.reason


def test_a_worker_that_its_node_evicts_again_and_again_is_given_up(lab):
    def script(pod, node):
        condition = {
            "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet",
            "message": "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.",
        }  # fmt: skip
        yield "status", {"conditions": [condition]}
        node.released.add(pod["metadata"]["uid"])
        yield 137

    lab.node(script)
    with pytest.raises(ContainerizeError) as caught:
        lab.run()
    assert caught.value.code == "run-evicted"
    assert "exceeds the total limit" in caught.value.why
    assert "--outputs pvc:" in caught.value.fix
    assert lab.fake.one("jobs")["spec"]["suspend"] is True


def test_workers_of_which_a_quota_lets_only_some_be_made(lab):
    made = []

    def quota(pod):
        made.append(pod)
        return "" if len(made) < 3 else 'pods "a" is forbidden: exceeded quota: team, limited: 1'

    lab.fake.controllers.pod_admission.append(quota)
    lab.node(lambda *_: iter(lambda: time.sleep(0.02) or "waiting\n", None))
    with pytest.raises(ContainerizeError) as caught:
        lab.run(workers=3)
    assert caught.value.code == "quota-exceeded"
    assert any("of 3 pods are made: The namespace's quota" in text for text in lab.story)


def test_one_worker_that_fails_fails_the_whole(lab):
    def script(pod, node):
        index = pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
        yield f"worker {index}\n"
        if index == "1":
            node.released.add(pod["metadata"]["uid"])
            yield 3
            return
        time.sleep(1.0)
        yield 0

    lab.node(script)
    run = lab.run(workers=2)
    assert (run.state, run.exit_code) == (RunState.FAILED, 3)
    assert "worker 1" in run.reason
    assert "[worker 1] worker 1\n" in lab.lines
