"""Training: everything that a run needs, the object that owns the rest first."""

from __future__ import annotations

from ....model.cluster import Scheduling
from . import network
from .jobs import job
from .kinds import jobset, trainjob
from .names import selector
from .plan import Training
from .pods import Manifest
from .volumes import claim

__all__ = ["Training", "objects"]

_OWNERS = {
    Scheduling.JOB: job,
    Scheduling.JOBSET: jobset,
    Scheduling.TRAINJOB: trainjob,
}


def objects(training: Training) -> list[Manifest]:
    """Return everything a run needs, the owner of the rest first."""
    made = [_OWNERS[training.spec.cluster.scheduling](training)]
    if training.secret:
        made.append(environment_secret(training))
    if training.together and training.spec.cluster.scheduling is Scheduling.JOB:
        made.append(peers(training))
    made.append(
        network.for_training(
            training.name,
            training.labels(),
            selector(training.run_id),
            together=training.together,
            internet=_needs_internet(training),
        )
    )
    if training.target.size:
        made.append(claim(training.name, training.target.size, labels=training.labels()))
    return made


def _needs_internet(training: Training) -> bool:
    options = training.spec.cluster
    urls = bool(training.target.url) or any("://" in text for text in options.data)
    return training.spec.network or urls


def environment_secret(training: Training) -> Manifest:
    """Return the secret with the values of `--env`: a Job can be read by more people than it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": training.secret, "labels": training.labels()},
        "type": "Opaque",
        "stringData": dict(training.spec.environment),
    }


def peers(training: Training) -> Manifest:
    """Return the headless service that gives each worker a name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": training.name, "labels": training.labels()},
        "spec": {
            "clusterIP": "None",
            # Workers look for one another before any of them is ready.
            "publishNotReadyAddresses": True,
            "selector": selector(training.run_id),
        },
    }
