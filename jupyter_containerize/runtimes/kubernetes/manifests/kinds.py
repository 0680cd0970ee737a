"""A training run as other controllers' objects: JobSet, Kubeflow's TrainJob."""

from __future__ import annotations

from .jobs import job_spec, metadata, pod_template
from .plan import Training
from .pods import TRAINING, Manifest

#: What the Trainer calls the container that trains.
TRAINJOB_CONTAINER = "node"


def jobset(training: Training) -> Manifest:
    """Return a JobSet of one replicated job.

    Source: https://jobset.sigs.k8s.io/docs/reference/
    """
    spec = job_spec(training)
    ttl = spec.pop("ttlSecondsAfterFinished")
    suspended = spec.pop("suspend", None)
    spec["template"]["spec"].pop("subdomain", None)  # JobSet's own network gives the names
    about = metadata(training)
    del about["name"]  # the Job that the JobSet makes is found, and followed, as the run
    template: Manifest = {"metadata": about, "spec": spec}
    made: Manifest = {
        "replicatedJobs": [{"name": "workers", "replicas": 1, "template": template}],
        "network": {"enableDNSHostnames": True, "subdomain": training.name},
        "failurePolicy": {"maxRestarts": 0},
        "ttlSecondsAfterFinished": ttl,
    }
    if suspended:
        made["suspend"] = True
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": metadata(training),
        "spec": made,
    }


def trainjob(training: Training) -> Manifest:
    """Return a Kubeflow TrainJob with our image, on the runtime `torch-distributed`.

    Source: https://www.kubeflow.org/docs/components/trainer/reference/
    """
    pod = pod_template(training)["spec"]
    work = next(one for one in pod["containers"] if one["name"] == TRAINING)
    trainer: Manifest = {
        "image": work["image"],
        "command": work["command"],
        "numNodes": training.completions,
        "resourcesPerNode": work["resources"],
    }
    if work.get("env"):
        trainer["env"] = work["env"]
    made: Manifest = {"runtimeRef": {"name": "torch-distributed"}, "trainer": trainer}
    if training.spec.cluster.queue:
        made["suspend"] = True
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": metadata(training),
        "spec": made,
    }
