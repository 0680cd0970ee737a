"""What API servers refuse, by their own words (seen on 1.36, or from their sources)."""

from __future__ import annotations

import pytest

from jupyter_containerize.runtimes.kubernetes import problems

FORBIDDEN = 'pods "a-" is forbidden: '


@pytest.mark.parametrize(
    ("status", "message", "code", "words"),
    [
        (403, 'jobs.batch is forbidden: User "anna" cannot patch resource "jobs" in API group "batch" in the namespace "team"', "no-rights", "--resource=jobs.batch"),
        (403, 'jobs.batch is forbidden: User "system:anonymous" cannot patch resource "jobs" in API group "batch"', "cluster-login", "Log in"),
        (403, f"{FORBIDDEN}exceeded quota: q, requested: requests.memory=2Gi, used: requests.memory=0, limited: requests.memory=1Gi", "quota-exceeded", "--memory"),
        (403, f"{FORBIDDEN}maximum memory usage per Container is 1Gi, but limit is 2Gi", "admission-refused", "limits for each container"),
        (403, f'{FORBIDDEN}violates PodSecurity "restricted:latest": runAsNonRoot != true', "admission-refused", "exception"),
        (403, f"{FORBIDDEN}no PriorityClass with name high was found", "admission-refused", "--priority-class"),
        (403, f'{FORBIDDEN}error looking up service account team/bot: serviceaccount "bot" not found', "admission-refused", "--service-account"),
        (403, f'{FORBIDDEN}unable to validate against any security context constraint: [provider "restricted-v2": .spec.securityContext.fsGroup: Invalid value: []int64{{1000}}: 1000 is not an allowed group]', "admission-refused", "add-scc-to-user nonroot-v2"),
        (403, 'admission webhook "policy.example" denied the request: you cannot use this registry', "admission-refused", "names"),
        (403, "<html>nginx</html>", "no-rights", "role"),
        (400, 'admission webhook "validate.kyverno.svc" denied the request: image must be signed', "admission-refused", "names"),
        (422, 'Job.batch "a" is invalid: spec.template.spec.nodeSelector: Invalid value', "cluster-refused", "option"),
        (500, 'Internal error occurred: failed calling webhook "x.y.example": connection refused', "admission-failed", "webhook"),
        (500, "failed to create typed patch object (team/a; jobset.x-k8s.io/v1alpha2, Kind=JobSet): .spec.network: field not declared in schema", "cluster-refused", "version"),
        (504, "Timeout: request did not complete within requested timeout", "cluster-failed", "later"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_by_what_it_means(status, message, code, words):
    answer = {"message": message, "reason": "Forbidden"}
    path = "/apis/batch/v1/namespaces/team/jobs/a"
    error = problems.refused(status, answer, method="PATCH", path=path, namespace="team")
    assert error.code == code
    assert words in error.fix


@pytest.mark.parametrize(
    ("status", "message", "passing"),
    [
        (409, 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified; please apply your changes', True),
        (409, 'Apply failed with 1 conflict: conflict with "kubectl": .spec.replicas', False),
        (403, f"{FORBIDDEN}status unknown for quota: q, resources: cpu", True),
        (403, f'{FORBIDDEN}error looking up service account a/default: serviceaccount "default" not found', True),
        (403, f"{FORBIDDEN}exceeded quota: q", False),
        (500, 'failed calling webhook "x": context deadline exceeded', True),
        (500, "etcdserver: request timed out", False),
    ],
)  # fmt: skip
def test_what_may_be_over_in_a_moment(status, message, passing):
    assert problems.is_passing(status, message) is passing


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[Errno 2] No such file or directory: 'gke-gcloud-auth-plugin'", "gke-gcloud-auth-plugin"),
        ("exec: process returned 255. Error loading SSO Token: Token for x has expired", "aws sso login"),
    ],
)  # fmt: skip
def test_a_program_that_cannot_sign_in_is_told(said, words):
    error = problems.login_failed(said)
    assert error.code == "cluster-login"
    assert words in error.fix
    assert error.why == said
