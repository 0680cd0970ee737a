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
