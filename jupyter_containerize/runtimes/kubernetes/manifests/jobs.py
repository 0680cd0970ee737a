"""A training run's Job and its pods.

Sources: https://kubernetes.io/docs/concepts/workloads/controllers/job/ (pod failure policy,
success policy, backoff limit per index), https://kueue.sigs.k8s.io/docs/tasks/run/jobs/
"""

from __future__ import annotations

import json
import math

from ....model.cluster import Scheduling
from ....model.plan import OUTPUTS_FOLDER
from .names import RECORD, selector
from .plan import Training
from .pods import (
    COLLECTOR,
    CONTROL_FOLDER,
    FETCH,
    POD_STEPS,
    TRAINING,
    Manifest,
    PodPlan,
    container,
    own_resources,
    python_of,
    secret_variables,
    template,
    variable,
    work_resources,
    writable,
)
from .volumes import Source, source

#: Exit code of a run that could not start: repeating it would not help.
CANNOT_START = 2
_FETCHED = "/run/jupyter-containerize-data"
#: How long a failed attempt that will be repeated keeps its outputs.
_KEEP_FAILED_S = 60
#: What starting and pulling may take on top of a deadline before the cluster gives up itself.
_SLACK_S = 3600
_KUEUE = "kueue.x-k8s.io/queue-name"


def job(training: Training) -> Manifest:
    """Return the Job."""
    made: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(training),
        "spec": job_spec(training),
    }
    return made


def metadata(training: Training) -> Manifest:
    """Return the metadata of the object that owns a run."""
    made: Manifest = {"name": training.name, "labels": training.labels()}
    if training.record:
        made["annotations"] = {RECORD: json.dumps(training.record, sort_keys=True)}
    if training.spec.cluster.queue:
        made["labels"] = {**made["labels"], _KUEUE: training.spec.cluster.queue}
    return made


def job_spec(training: Training) -> Manifest:
    """Return a Job's specification, which JobSet carries too."""
    options, limits = training.spec.cluster, training.spec.limits
    count = training.completions
    made: Manifest = {
        "completionMode": "Indexed",
        "completions": count,
        "parallelism": min(count, options.parallel or count),
        "ttlSecondsAfterFinished": math.ceil(options.ttl_s),
        "podFailurePolicy": {"rules": _failure_rules(training)},
        "template": pod_template(training),
    }
    if options.sweep:
        # One bad combination says nothing about the others.
        made["backoffLimitPerIndex"] = options.retries
        made["maxFailedIndexes"] = count
    else:
        made["backoffLimit"] = options.retries
    if training.together:
        made["successPolicy"] = {"rules": [{"succeededIndexes": "0"}]}
    if limits.timeout_s is not None:
        # The deadline itself is the training container's (see `attend`), so that outputs
        # are still fetched; this one only keeps a stuck pod from staying for ever.
        attempts = options.retries + 1
        whole = (
            (limits.timeout_s + options.keep_s) * attempts * math.ceil(count / made["parallelism"])
        )
        made["activeDeadlineSeconds"] = math.ceil(whole + _SLACK_S)
    if options.queue:
        made["suspend"] = True  # Kueue lets it go when its turn has come
    return made


def _failure_rules(training: Training) -> list[Manifest]:
    """Return the rules: a preempted pod is no failure; what cannot start will not start later."""
    preempted = {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    action = "FailIndex" if training.spec.cluster.sweep else "FailJob"
    codes: Manifest = {"containerName": TRAINING, "operator": "In", "values": [CANNOT_START]}
    if not training.spec.cluster.retries:
        codes = {"containerName": TRAINING, "operator": "NotIn", "values": [0]}
    return [preempted, {"action": action, "onExitCodes": codes}]


def pod_template(training: Training) -> Manifest:
    """Return the pod: our folders, the training, and beside it what takes care of the outputs."""
    spec = training.spec
    plan = PodPlan(
        name=training.name,
        labels=training.labels(),
        selector=selector(training.run_id),
        image=training.image,
        spec=spec,
        secret=training.secret,
        even=training.even,
    )
    folders = writable(plan)
    sources = tuple(source(text) for text in spec.cluster.data)
    data_volumes, data_mounts = _data(sources)
    outputs = {"name": "outputs", "mountPath": OUTPUTS_FOLDER}
    control = {"name": "control", "mountPath": CONTROL_FOLDER}
    own = [outputs, control] if training.attended else [outputs]
    work = container(
        plan,
        TRAINING,
        _command(training),
        resources=work_resources(
            spec.limits, gpus=spec.gpus, gpu_resource=spec.cluster.gpu_resource
        ),
        mounts=[*folders.mounts, *data_mounts, *own],
        environment=_environment(training),
    )
    containers = [work]
    if training.attended and (training.target.collected or training.target.url):
        containers.append(_collector(training, plan, [outputs, control], folders.mounts))
    init = [folders.init] if folders.init else []
    fetched = [item for item in sources if item.url]
    if fetched:
        init.append(_fetch(training, plan, fetched, folders.mounts))
    pod: Manifest = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        "containers": containers,
        "volumes": [
            *folders.volumes,
            *data_volumes,
            _outputs_volume(training),
            *([{"name": "control", "emptyDir": {}}] if training.attended else []),
        ],
    }
    if init:
        pod["initContainers"] = init
    if training.together:
        pod["subdomain"] = training.name
    return template(plan, pod)


def _command(training: Training) -> list[str]:
    spec, config = training.spec, training.image.config
    if spec.entrypoint is not None:
        words = list(spec.entrypoint)
    else:
        words = [*config.entrypoint, *config.command]
        words += [word for item in spec.parameters.items() for word in ("-p", "=".join(item))]
    words = [word.replace("$(", "$$(") for word in words]
    if not training.attended:
        return words
    held = training.spec.cluster.scheduling is Scheduling.TRAINJOB
    step = (
        ["hold", training.control, "--keep", f"{spec.cluster.keep_s:g}"]
        if held
        else ["attend", training.control]
    )
    attend = [python_of(training.image), "-I", POD_STEPS, *step]
    if spec.limits.timeout_s is not None:
        attend += ["--deadline", f"{spec.limits.timeout_s:g}"]
    return [*attend, "--", *words]


def _environment(training: Training) -> list[Manifest]:
    made = secret_variables(sorted(training.spec.environment), training.secret)
    if training.together:
        hosts = f"{training.name}-{{index}}.{training.name}"
        if training.spec.cluster.scheduling is Scheduling.JOBSET:
            hosts = f"{training.name}-workers-0-{{index}}.{training.name}"
        elif training.spec.cluster.scheduling is Scheduling.TRAINJOB:
            hosts = f"{training.name}-node-0-{{index}}.{training.name}"
        made.append(variable("CONTAINERIZE_WORKERS", str(training.spec.workers)))
        made.append(variable("CONTAINERIZE_WORKER_HOSTS", hosts))
    if training.sweep and training.spec.cluster.sweep:
        made.append(variable("CONTAINERIZE_SWEEP", json.dumps(training.sweep)))
    return made


def _collector(
    training: Training, plan: PodPlan, own: list[Manifest], folders: tuple[Manifest, ...]
) -> Manifest:
    python, options = python_of(training.image), training.spec.cluster
    if training.target.url:
        words = ["upload", CONTROL_FOLDER, OUTPUTS_FOLDER, training.target.url]
        if training.completions > 1:
            words.append("--by-index")
    else:
        words = ["collect", CONTROL_FOLDER, "--keep", f"{options.keep_s:g}"]
        if options.retries:
            words += ["--keep-failed", f"{min(options.keep_s, _KEEP_FAILED_S):g}"]
    if training.together:
        words.append("--chief-only")
    isolated = [] if training.target.url else ["-I"]  # an upload needs the image's packages
    return container(
        plan,
        COLLECTOR,
        [python, *isolated, POD_STEPS, *words],
        resources=own_resources(plan),
        mounts=[*own, *folders],
        environment=_url_environment(training) if training.target.url else (),
    )


def _url_environment(training: Training) -> list[Manifest]:
    return secret_variables(sorted(training.spec.environment), training.secret)


def _fetch(
    training: Training, plan: PodPlan, sources: list[Source], folders: tuple[Manifest, ...]
) -> Manifest:
    pairs = [f"{item.url}={_FETCHED}/{number}" for number, item in enumerate(sources)]
    return container(
        plan,
        FETCH,
        [python_of(training.image), POD_STEPS, "fetch", *pairs],
        resources=own_resources(plan),
        mounts=[*folders, {"name": "data", "mountPath": _FETCHED}],
        environment=_url_environment(training),
    )


def _data(sources: tuple[Source, ...]) -> tuple[list[Manifest], list[Manifest]]:
    volumes: list[Manifest] = []
    mounts: list[Manifest] = []
    for claimed in dict.fromkeys(item.claim for item in sources if item.claim):
        volume = {"claimName": claimed, "readOnly": True}
        volumes.append({"name": f"claim-{len(volumes)}", "persistentVolumeClaim": volume})
    names = {volume["persistentVolumeClaim"]["claimName"]: volume["name"] for volume in volumes}
    mounts += [
        {"name": names[item.claim], "mountPath": item.path, "readOnly": True}
        for item in sources
        if item.claim
    ]
    fetched = [item for item in sources if item.url]
    if fetched:
        volumes.append({"name": "data", "emptyDir": {}})
    mounts += [
        {
            "name": "data",
            "mountPath": item.path,
            "subPath": f"{number}/data",
            "readOnly": True,
        }
        for number, item in enumerate(fetched)
    ]
    return volumes, mounts


def _outputs_volume(training: Training) -> Manifest:
    where = training.target
    if where.claim or where.size:
        name = where.claim or training.name
        return {"name": "outputs", "persistentVolumeClaim": {"claimName": name}}
    return {"name": "outputs", "emptyDir": {}}
