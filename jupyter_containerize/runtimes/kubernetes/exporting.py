"""The manifests of a run as files: for `kubectl apply -k`, for Helm, for a repository."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..._version import __version__
from ...errors import ContainerizeError
from ...model.event import Emit
from ...model.image import Image
from ...model.plan import LABEL_KIND, ImageKind
from ...model.run import RunSpec
from ...oci.store import Store
from . import placing
from .manifests import serving, training
from .manifests.names import RECORD, dns_label, title_of
from .manifests.pods import PodImage
from .manifests.yaml import dump

Json = dict[str, Any]


def export(
    image: Image, spec: RunSpec, *, folder: str, helm: bool, store: Store, emit: Emit
) -> tuple[str, ...]:
    """Push the image and write what would be applied into a new folder; return the files' names.

    Errors: `output-exists`, `no-registry` (files are for others: their nodes need a registry).
    """
    if os.path.exists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
        raise ContainerizeError(
            "output-exists",
            what=f"{folder} is there already, and not empty.",
            fix="Name a folder that is not there yet.",
        )
    reference = placing.for_export(image, spec, store=store, emit=emit)
    ours = LABEL_KIND in image.config.labels
    pod_image = PodImage(reference, image.config, pull_secret=spec.cluster.pull_secret, ours=ours)
    made = manifests(spec, pod_image, image)
    files = chart(made, spec, reference) if helm else kustomization(made)
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    return tuple(sorted(files))


def manifests(spec: RunSpec, pod_image: PodImage, image: Image) -> list[Json]:
    """Return the objects of a run under a name that stays: files have no run id of ours."""
    run_id = image.digest.partition(":")[2][:8]
    title = spec.cluster.serving.name or title_of(spec.image_name)
    name = dns_label(title)
    if image.config.labels.get(LABEL_KIND) == ImageKind.INFERENCE.value:
        made = serving.objects(serving.Service(name, run_id, spec, pod_image))
    else:
        made = training.objects(training.Training(f"{name}-{run_id}", run_id, spec, pod_image))
    for item in made:
        item["metadata"].get("annotations", {}).pop(RECORD, None)
    return made


def kustomization(objects: Sequence[Json]) -> dict[str, str]:
    """Return the files for `kubectl apply -k`."""
    files = {f"{item['kind'].lower()}.yaml": dump(item) for item in objects}
    index = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(files),
    }
    return {**files, "kustomization.yaml": dump(index)}


def chart(objects: Sequence[Json], spec: RunSpec, reference: str) -> dict[str, str]:
    """Return the files of a Helm chart: image, replicas and resources are its values."""
    name = objects[0]["metadata"]["labels"]["app.kubernetes.io/name"]
    work = _work(objects[0])
    values: Json = {"image": reference}
    if work is not None:
        values["resources"] = work["resources"]
    if spec.environment:
        values["environment"] = dict.fromkeys(spec.environment, "")
    replicas = objects[0]["spec"].get("replicas")
    if replicas is not None:
        values["replicas"] = replicas
    about = {
        "apiVersion": "v2",
        "name": name,
        "description": f"{name}, made from a notebook by jupyter-containerize {__version__}",
        "type": "application",
        "version": "0.1.0",
    }
    files = {"Chart.yaml": dump(about), "values.yaml": dump(values)}
    for item in objects:
        files[f"templates/{item['kind'].lower()}.yaml"] = _templated(item, reference, values)
    return files


def _work(item: Any) -> Json | None:
    """Return the container that does the work, wherever a kind of object has its pod."""
    if isinstance(item, list):
        return next(filter(None, map(_work, item)), None)
    if not isinstance(item, dict):
        return None
    if "containers" in item:
        found: Json = item["containers"][0]
        return found
    return next(filter(None, map(_work, item.values())), None)


def _templated(item: Json, reference: str, values: Mapping[str, Any]) -> str:
    """Return a manifest as a template: marks in place of values, then Helm's words for the marks."""
    copied: Json = json.loads(json.dumps(item))
    work = _work(copied)
    if work is not None:
        work["resources"] = "@@resources@@"
    if "replicas" in (copied.get("spec") or {}):
        copied["spec"]["replicas"] = "@@replicas@@"
    if copied["kind"] == "Secret" and "stringData" in copied:
        copied["stringData"] = {key: f"@@environment.{key}@@" for key in copied["stringData"]}
    # Braces that are ours must not be Helm's.
    text = dump(copied).replace("{{", '{{ "{{" }}')
    text = text.replace(json.dumps(reference), "{{ .Values.image | quote }}")
    text = text.replace('"@@replicas@@"', "{{ .Values.replicas }}")
    text = text.replace('"@@resources@@"', "{{ toJson .Values.resources }}")
    for key in values.get("environment", ()):
        text = text.replace(
            f'"@@environment.{key}@@"', f'{{{{ index .Values.environment "{key}" | quote }}}}'
        )
    return text
