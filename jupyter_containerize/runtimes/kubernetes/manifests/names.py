"""Names and labels of our objects: valid, and telling whose they are."""

from __future__ import annotations

import re
import unicodedata

MANAGER = "jupyter-containerize"
LABEL_RUN = "jupyter-containerize.io/run"
LABEL_KIND = "jupyter-containerize.io/kind"
#: The run's record, and what has befallen it, as annotations of the object that owns the rest.
RECORD = "jupyter-containerize.io/record"
STOPPING = "jupyter-containerize.io/stop-asked-at"
STOPPED = "jupyter-containerize.io/stopped-at"
COLLECTED = "jupyter-containerize.io/outputs"
IMAGE = "jupyter-containerize.io/image"
#: Names that pods and services get from a name of ours must fit into 63 characters too.
LONGEST = 42
_LONGEST_LABEL = 63


def dns_label(text: str, longest: int = LONGEST) -> str:
    """Return `text` made a valid RFC 1123 label that begins with a letter, `run` if nothing is left."""
    # Letters without their accents: "Übung" is better known by "ubung" than by "bung".
    letters = "".join(
        c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)
    )
    cleaned = re.sub(r"[^a-z0-9]+", "-", letters.lower()).strip("-")
    if cleaned[:1].isdigit():
        cleaned = f"n-{cleaned}"  # services of older clusters may not begin with a digit
    return cleaned[:longest].strip("-") or "run"


def is_label(text: str) -> bool:
    """Tell whether `text` is a valid RFC 1123 label, as names of namespaces are."""
    return len(text) <= _LONGEST_LABEL and bool(
        re.fullmatch(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?", text)
    )


def title_of(image_name: str) -> str:
    """Return an image's name without registry, folders, tag and digest."""
    return image_name.partition("@")[0].rpartition("/")[2].partition(":")[0]


def run_name(image_name: str, run_id: str) -> str:
    """Return the name of a run's objects: the image's, made valid, and the run's id."""
    return f"{dns_label(title_of(image_name), LONGEST - len(run_id) - 1)}-{run_id}"


def label_value(text: str) -> str:
    """Return `text` as a valid label value."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:_LONGEST_LABEL].strip("-_.")


def labels(name: str, run_id: str, *, component: str, title: str) -> dict[str, str]:
    """Return the labels that all objects of a run carry.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
    """
    return {
        "app.kubernetes.io/name": dns_label(title_of(title)),
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": MANAGER,
        LABEL_RUN: run_id,
    }


def selector(run_id: str) -> dict[str, str]:
    """Return the labels by which a run's pods are found."""
    return {LABEL_RUN: run_id}
