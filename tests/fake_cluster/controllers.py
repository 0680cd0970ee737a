"""What controllers do, as far as the client can see it: Jobs, Deployments, garbage."""

from __future__ import annotations

import contextlib
import copy
import queue
import threading

from .objects import StatusError, now

PODS = "/api/v1/namespaces/{}/pods"
JOBS = "/apis/batch/v1/namespaces/{}/jobs"
SETS = "/apis/apps/v1/namespaces/{}/replicasets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
INDEX = "batch.kubernetes.io/job-completion-index"


class Controllers:
    """One thread that reacts to changes, as the real ones: level by level, never to an edge alone."""

    def __init__(self, fake):
        self.fake = fake
        self._work = queue.Queue()
        self.pod_admission = []  # rules that may refuse a pod: (pod) -> message or ""
        fake.objects.listeners.append(self._changed)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._work.put(None)

    def _changed(self, kind, collection, item):
        namespace = item["metadata"].get("namespace", "default")
        if collection.endswith("/jobs"):
            self._work.put((self._job, namespace, item["metadata"]["name"]))
        elif collection.endswith("/deployments"):
            self._work.put((self._deployment, namespace, item["metadata"]["name"]))
        elif collection.endswith("/pods"):
            for owner in item["metadata"].get("ownerReferences", ()):
                react = self._job if owner["kind"] == "Job" else self._of_set
                self._work.put((react, namespace, owner["name"]))

    def _run(self):
        while (task := self._work.get()) is not None:
            react, namespace, name = task
            with contextlib.suppress(StatusError):  # gone, or changed: the next change tells
                react(namespace, name)

    # -- jobs ----------------------------------------------------------------------------

    def _job(self, namespace, name):
        job = self.fake.objects.items.get((JOBS.format(namespace), name))
        if job is None:
            return
        spec, status = job["spec"], job.get("status", {})
        if any(one["type"] in ("Complete", "Failed") for one in status.get("conditions", ())):
            return
        pods = [pod for pod in self.fake.all("pods", namespace) if _owned(pod, job)]
        if spec.get("suspend"):
            for pod in pods:
                self.fake.objects.delete(PODS.format(namespace), pod["metadata"]["name"])
            return
        done = {_index(pod) for pod in pods if pod["status"]["phase"] == "Succeeded"}
        alive = {_index(pod) for pod in pods if pod["status"]["phase"] in ("Pending", "Running")}
        failed = [pod for pod in pods if pod["status"]["phase"] == "Failed"]
        counted = [pod for pod in failed if not _ignored(pod, spec)]
        verdict = self._verdict(spec, done, counted)
        if verdict is not None:
            self._finish(namespace, job, verdict, len(done), len(counted))
            for pod in pods:
                if pod["status"]["phase"] in ("Pending", "Running"):
                    self.fake.objects.delete(PODS.format(namespace), pod["metadata"]["name"])
            return
        spent = {_index(pod) for pod in counted} if "backoffLimitPerIndex" in spec else set()
        for index in range(spec.get("completions", 1)):
            if index in done or index in alive:
                continue
            if index in spent and _attempts(counted, index) > spec["backoffLimitPerIndex"]:
                continue
            if len(alive) >= spec.get("parallelism", 1):
                break
            if not self._make_pod(namespace, job, index):
                return
            alive.add(index)
        self._set_status(
            namespace, job, {"active": len(alive), "succeeded": len(done), "failed": len(counted)}
        )

    def _verdict(self, spec, done, failed):
        wanted = spec.get("completions", 1)
        for pod in failed:
            for rule in spec.get("podFailurePolicy", {}).get("rules", ()):
                if rule["action"] == "FailJob" and _matches(pod, rule):
                    return "Failed", "PodFailurePolicy", "a pod failed"
        rules = spec.get("successPolicy", {}).get("rules", ())
        if any(str(index) == rule.get("succeededIndexes") for rule in rules for index in done):
            return "Complete", "SuccessPolicy", ""
        if "backoffLimitPerIndex" in spec:
            over = {
                i
                for i in map(_index, failed)
                if _attempts(failed, i) > spec["backoffLimitPerIndex"]
            }
            over |= {
                _index(pod)
                for pod in failed
                for rule in spec.get("podFailurePolicy", {}).get("rules", ())
                if rule["action"] == "FailIndex" and _matches(pod, rule)
            }
            if len(over | done) == wanted:
                return (
                    ("Failed", "FailedIndexes", "Job has failed indexes")
                    if over
                    else ("Complete", "", "")
                )
            return None
        if len(failed) > spec.get("backoffLimit", 6):
            return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        return ("Complete", "", "") if len(done) == wanted else None

    def _finish(self, namespace, job, verdict, succeeded, failed):
        kind, reason, message = verdict
        condition = {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": now(),
        }
        status = {"conditions": [condition], "succeeded": succeeded, "failed": failed, "active": 0}
        if kind == "Complete":
            status["completionTime"] = now()
        self._set_status(namespace, job, status)

    def _set_status(self, namespace, job, status):
        def change(item):
            old = item.get("status", {})
            item["status"] = {"startTime": now(), **old, **status}
            return item

        self.fake.objects.update(JOBS.format(namespace), job["metadata"]["name"], change)

    def _make_pod(self, namespace, job, index):
        template = job["spec"]["template"]
        metadata = copy.deepcopy(template["metadata"])
        metadata.setdefault("annotations", {})[INDEX] = str(index)
        metadata["labels"] = {**metadata["labels"], INDEX: str(index)}
        metadata["generateName"] = f"{job['metadata']['name']}-{index}-"
        metadata["ownerReferences"] = [
            {
                "apiVersion": "batch/v1", "kind": "Job", "controller": True,
                "name": job["metadata"]["name"], "uid": job["metadata"]["uid"],
            }
        ]  # fmt: skip
        pod = {
            "metadata": metadata,
            "spec": copy.deepcopy(template["spec"]),
            "status": {"phase": "Pending"},
        }
        for container in pod["spec"]["containers"]:
            container.setdefault("env", []).append(
                {"name": "JOB_COMPLETION_INDEX", "value": str(index)}
            )
        for rule in self.pod_admission:
            message = rule(pod)
            if message:
                self.fake.event({**job, "metadata": {**job["metadata"]}}, "FailedCreate", message)
                return False
        self.fake.objects.create(PODS.format(namespace), pod)
        return True

    # -- deployments ---------------------------------------------------------------------

    def _of_set(self, namespace, name):
        item = self.fake.objects.items.get((SETS.format(namespace), name))
        if item is not None:
            self._deployment(namespace, item["metadata"]["ownerReferences"][0]["name"])

    def _deployment(self, namespace, name):
        """Roll out: a set for each template, its pods one by one as ready ones allow."""
        deployment = self.fake.objects.items.get((DEPLOYMENTS.format(namespace), name))
        if deployment is None:
            return
        spec, observed = deployment["spec"], deployment["metadata"]["generation"]
        wanted = spec.get("replicas", 1)
        sets = [
            item for item in self.fake.all("replicasets", namespace) if _owned(item, deployment)
        ]
        current = next((one for one in sets if one["spec"]["template"] == spec["template"]), None)
        revisions = [int(one["metadata"]["annotations"][REVISION]) for one in sets]
        newest = max(revisions, default=0)
        if current is None:
            current = self._make_set(namespace, deployment, newest + 1)
            newest += 1
        elif int(current["metadata"]["annotations"][REVISION]) < newest:
            newest += 1
            self._revise(namespace, current, newest)
        pods = self.fake.all("pods", namespace)
        own = [pod for pod in pods if _owned(pod, current)]
        ready = [pod for pod in own if _ready(pod)]
        old = [
            pod
            for one in sets
            if one["metadata"]["uid"] != current["metadata"]["uid"]
            for pod in pods
            if _owned(pod, one)
        ]
        for _ in range(len(own), wanted):
            self._make_set_pod(namespace, current)
            break  # one at a time: the others follow when this one's change is seen
        for pod in own[wanted:] if len(own) > wanted else []:
            self.fake.objects.delete(PODS.format(namespace), pod["metadata"]["name"])
        spare = len(ready) + len(old) - wanted
        for pod in old[: max(0, spare)]:
            self.fake.objects.delete(PODS.format(namespace), pod["metadata"]["name"])

        def change(item):
            complete = len(ready) == wanted and not old
            item["status"] = {
                "observedGeneration": observed,
                "replicas": len(own) + len(old), "updatedReplicas": len(own),
                "readyReplicas": len(ready) + len(old), "availableReplicas": len(ready) + len(old),
                "conditions": [
                    {"type": "Available", "status": "True" if len(ready) + len(old) >= wanted else "False"},
                    {
                        "type": "Progressing", "status": "True",
                        "reason": "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated",
                    },
                ],
            }  # fmt: skip
            item["metadata"].setdefault("annotations", {})[REVISION] = str(newest)
            return item

        self.fake.objects.update(DEPLOYMENTS.format(namespace), name, change)

    def _make_set(self, namespace, deployment, revision):
        template = copy.deepcopy(deployment["spec"]["template"])
        return self.fake.objects.create(
            SETS.format(namespace),
            {
                "metadata": {
                    "generateName": f"{deployment['metadata']['name']}-",
                    "labels": template["metadata"]["labels"],
                    "annotations": {
                        **deployment["metadata"].get("annotations", {}), REVISION: str(revision),
                    },
                    "ownerReferences": [
                        {
                            "apiVersion": "apps/v1", "kind": "Deployment", "controller": True,
                            "name": deployment["metadata"]["name"], "uid": deployment["metadata"]["uid"],
                        }
                    ],
                },
                "spec": {"template": template},
            },
        )  # fmt: skip

    def _revise(self, namespace, item, revision):
        def change(one):
            one["metadata"]["annotations"][REVISION] = str(revision)
            return one

        self.fake.objects.update(SETS.format(namespace), item["metadata"]["name"], change)

    def _make_set_pod(self, namespace, item):
        template = item["spec"]["template"]
        metadata = copy.deepcopy(template["metadata"])
        metadata["generateName"] = f"{item['metadata']['name']}-"
        metadata["ownerReferences"] = [
            {
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": True,
                "name": item["metadata"]["name"], "uid": item["metadata"]["uid"],
            }
        ]  # fmt: skip
        pod = {
            "metadata": metadata,
            "spec": copy.deepcopy(template["spec"]),
            "status": {"phase": "Pending"},
        }
        self.fake.objects.create(PODS.format(namespace), pod)


REVISION = "deployment.kubernetes.io/revision"


def _owned(item, owner):
    return any(
        ref["uid"] == owner["metadata"]["uid"]
        for ref in item["metadata"].get("ownerReferences", ())
    )


def _index(pod):
    return int(pod["metadata"]["annotations"][INDEX])


def _attempts(failed, index):
    return sum(_index(pod) == index for pod in failed)


def _ready(pod):
    return any(
        one["type"] == "Ready" and one["status"] == "True"
        for one in pod["status"].get("conditions", ())
    )


def _ignored(pod, spec):
    for rule in spec.get("podFailurePolicy", {}).get("rules", ()):
        if rule["action"] == "Ignore":
            kinds = {one["type"] for one in rule["onPodConditions"]}
            if any(one["type"] in kinds for one in pod["status"].get("conditions", ())):
                return True
    return False


def _matches(pod, rule):
    codes = rule.get("onExitCodes")
    if not codes:
        return False
    for one in pod["status"].get("containerStatuses", ()):
        ended = one["state"].get("terminated")
        if one["name"] == codes["containerName"] and ended and ended["exitCode"]:
            return (ended["exitCode"] in codes["values"]) == (codes["operator"] == "In")
    return False
