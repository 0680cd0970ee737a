"""A training run as other controllers' objects: JobSet, Kubeflow's TrainJob."""

from __future__ import annotations

from ....errors import ContainerizeError
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
    _refuse(training)
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


def _refuse(training: Training) -> None:
    """Refuse what a TrainJob cannot carry: its pods are its runtime's. Errors: `not-with-trainjob`."""
    options = training.spec.cluster
    asked = {
        "--outputs": options.outputs,
        "--data": options.data,
        "--pull-secret": options.pull_secret,
        "--service-account": options.service_account,
        "--priority-class": options.priority_class,
        "--node-selector": options.node_selector,
        "--toleration": options.tolerations,
        "--retries": options.retries,
        "-p with several values": options.sweep,
    }
    unmet = [name for name, value in asked.items() if value]
    if unmet:
        raise ContainerizeError(
            "not-with-trainjob",
            what=f"A TrainJob cannot be given {', '.join(unmet)}.",
            why="Its pods are those of the runtime `torch-distributed`, which whoever runs the cluster decides about.",
            fix="Leave --as out (a Job takes them all), or have the runtime changed.",
        )
