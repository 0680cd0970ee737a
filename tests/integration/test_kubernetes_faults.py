"""What breaks between a client and its cluster: cut streams, lost watches, a server that is away, credentials that end."""

from __future__ import annotations

import os
import time

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import RunState


@pytest.fixture
def lab(scripted_lab):
    return scripted_lab


@pytest.mark.parametrize(("workers", "objects"), [(1, 2), (3, 3)])
def test_a_run_costs_few_calls_and_little_time(lab, registry, workers, objects):
    """A Job, its policy, for workers a service: two calls each; two more: its nodes, a pod of it."""
    options = {"registry": f"{registry.url}/calls"}
    lab.start(cluster=options)  # the client is imported once, and the image pushed
    before = len(lab.fake.calls)
    began = time.process_time()
    lab.start(cluster=options, workers=workers)
    calls = lab.fake.calls[before:]
    assert len(calls) == 2 * objects + 2, calls
    written = [call for call in calls if "dryRun" not in call[1] and call[0] != "GET"]
    assert len(written) == objects
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("after", [1, 100, 333, 700, 1500])
def test_a_log_that_is_cut_anywhere_is_told_whole_and_once(lab, after, cluster_lab):
    lab.fake.cut("GET", "/log", after, times=3)
    lab.node(cluster_lab.lines_then(0))
    run = lab.run()
    assert run.state is RunState.SUCCEEDED
    assert lab.lines == cluster_lab.LINES


@pytest.mark.parametrize("after", [1, 5_000, 300_000, 1_000_000])
def test_outputs_arrive_whole_though_their_stream_is_cut(lab, after, cluster_lab):
    lab.fake.cut("EXEC", "exec.*send", after, times=2)
    lab.node(cluster_lab.lines_then(0))
    run = lab.run()
    assert cluster_lab.arrived(run) == lab.files
    assert os.readlink(os.path.join(run.outputs, "link")) == "files/model.bin"
    assert run.reason == ""


def test_a_watch_survives_cuts_bookmarks_and_410(lab, cluster_lab):
    def script(pod, node):
        yield from cluster_lab.LINES[:20]
        lab.fake.objects.forget()
        time.sleep(0.3)
        yield from cluster_lab.LINES[20:]
        yield 0

    lab.fake.cut("GET", "watch=true", 300, times=4)
    lab.node(script)
    assert lab.run().state is RunState.SUCCEEDED
    assert lab.lines == cluster_lab.LINES


def test_the_server_may_go_away_for_a_while(lab, cluster_lab):
    def script(pod, node):
        yield from cluster_lab.LINES[:20]
        cluster_lab.until(lambda: lab.lines)
        lab.fake.go_away(1.5)
        yield from cluster_lab.LINES[20:]
        yield 0

    lab.node(script)
    assert lab.run().state is RunState.SUCCEEDED
    assert lab.lines == cluster_lab.LINES


def test_a_busy_server_is_asked_again_when_it_wants(lab, cluster_lab):
    lab.fake.fail("PATCH", "/jobs/", 429, headers={"Retry-After": "1"}, reason="TooManyRequests")
    lab.fake.fail("PATCH", "/jobs/", 503)
    lab.node(cluster_lab.lines_then(0))
    began = time.monotonic()
    assert lab.run().state is RunState.SUCCEEDED
    assert time.monotonic() - began > 0.8


def test_an_expired_token_is_renewed(lab, cluster_lab):
    def script(pod, node):
        yield from cluster_lab.LINES[:20]
        cluster_lab.until(lambda: lab.lines)
        lab.fake.tokens = {"secret-token", "another"}
        lab.fake.kubeconfig(lab.folder, token="another", context="kind-test")
        lab.fake.tokens = {"another"}
        lab.fake.go_away(0.1)  # every connection is made anew
        yield from cluster_lab.LINES[20:]
        yield 0

    lab.node(script)
    assert lab.run().state is RunState.SUCCEEDED
    assert lab.lines == cluster_lab.LINES


def test_credentials_that_nobody_renews_are_told(lab):
    lab.fake.tokens = set()
    with pytest.raises(ContainerizeError) as caught:
        lab.start()
    assert caught.value.code == "cluster-login"
