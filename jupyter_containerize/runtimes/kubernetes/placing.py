"""How an image reaches a cluster's nodes: by a registry, or straight into a cluster on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace

from ...errors import ContainerizeError
from ...model.event import Emit
from ...model.image import Image
from ...model.plan import LABEL_KIND
from ...model.reference import Reference
from ...model.run import RunSpec
from ...oci import archive
from ...oci.store import Store
from . import presence
from .connection import Connection
from .manifests.names import dns_label, title_of
from .manifests.pods import PodImage

#: Where side-loaded images live: a name that no registry has.
_LOCAL = "containerize.local"
#: `--pull-secret docker`: one made of the user's own login.
DOCKER = "docker"


@dataclass(frozen=True, slots=True)
class Loader:
    """A program that loads an archive into the nodes of a cluster on this machine."""

    name: str
    command: tuple[str, ...]


def expected(image: Image, spec: RunSpec, connection: Connection) -> PodImage:
    """Return the image as pods will name it, but for the registry's digest: nothing is sent yet.

    A cluster that refuses the run should do so before gigabytes have been pushed to it.
    Errors: `no-registry`, `invalid-reference`.
    """
    ours = LABEL_KIND in image.config.labels
    if spec.cluster.registry:
        name = str(target(spec.cluster.registry, spec.image_name))
        return PodImage(name, image.config, pull_secret=spec.cluster.pull_secret, ours=ours)
    if loader_of(connection.context) is None:
        raise _no_registry(connection.context)
    return PodImage(local_name(image, spec), image.config, pull=False, ours=ours)


def place(
    image: Image, spec: RunSpec, connection: Connection, *, store: Store, emit: Emit
) -> PodImage:
    """Bring an image to where the cluster's nodes find it, and return it as pods name it.

    Errors: `no-registry`, those of pushing, `image-not-loaded`, `image-not-on-nodes`.
    """
    options = spec.cluster
    ours = LABEL_KIND in image.config.labels
    if options.registry:
        reference = _pushed(image, spec, store=store, emit=emit)
        secret = options.pull_secret
        return PodImage(reference, image.config, pull_secret=secret, ours=ours)
    loader = loader_of(connection.context)
    if loader is None:
        raise _no_registry(connection.context)
    name, selector = local_name(image, spec), options.node_selector
    before = presence.of(connection, name, selector)
    if not before.everywhere:
        _load(image, name, loader, store=store)
        if before.lacking:  # nodes that told what they have will tell that they have it
            presence.require(connection, name, selector)
    return PodImage(name, image.config, pull=False, ours=ours)


def _no_registry(context: str) -> ContainerizeError:
    return ContainerizeError(
        "no-registry",
        what="The cluster's nodes cannot get the image: it is only on this machine.",
        why=f"The context {context!r} is not one of kind, minikube or k3s here.",
        fix="Name a registry that the nodes can pull from: --registry HOST/NAME (kept with "
        '%config Containerize.registry = "HOST/NAME")',
    )


def for_export(image: Image, spec: RunSpec, *, store: Store, emit: Emit) -> str:
    """Push an image for files that others apply; return it as pods name it. Errors: `no-registry`."""
    if not spec.cluster.registry:
        raise ContainerizeError(
            "no-registry",
            what="Manifests need an image in a registry.",
            why="Whoever applies them has not got this machine's images.",
            fix="Name a registry: --registry HOST/NAME",
        )
    return _pushed(image, spec, store=store, emit=emit)


def _pushed(image: Image, spec: RunSpec, *, store: Store, emit: Emit) -> str:
    from ...oci import registry  # noqa: PLC0415 - a run whose image is side-loaded needs none of it

    reference = target(spec.cluster.registry, spec.image_name)
    pushed = registry.push(image, reference, store=store, emit=emit)
    return f"{pushed.name}@{pushed.digest}"


def target(registry: str, image_name: str) -> Reference:
    """Return where an image is pushed: `HOST[/PATH]` and its own name, unless that has the host.

    Errors: `invalid-reference`.
    """
    prefix = registry.rstrip("/")
    own = Reference.parse(image_name) if image_name else Reference("", "image", "latest")
    if own.registry and own.name.startswith(f"{prefix}/"):
        return replace(own, digest=None)
    host, _, path = prefix.partition("/")
    repository = own.repository.rpartition("/")[2]
    whole = f"{path}/{repository}" if path else repository
    # Parsed by its text: "HOST" alone must look like a host to be one.
    return Reference.parse(f"{host}/{whole}:{own.tag}")


def loader_of(context: str) -> Loader | None:
    """Return what loads images into the cluster of a context, if it is one on this machine."""
    if context.startswith("kind-") and shutil.which("kind"):
        name = context.removeprefix("kind-")
        return Loader("kind", ("kind", "load", "image-archive", "--name", name))
    if context.startswith("k3d-") and shutil.which("k3d"):
        return Loader("k3d", ("k3d", "image", "import", "--cluster", context.removeprefix("k3d-")))
    if shutil.which("minikube") and _is_minikube(context):
        return Loader("minikube", ("minikube", "image", "load", "--profile", context))
    if shutil.which("k3s") and os.path.exists("/etc/rancher/k3s/k3s.yaml"):
        return Loader("k3s", ("k3s", "ctr", "--namespace", "k8s.io", "images", "import"))
    address = os.environ.get("CONTAINERIZE_CONTAINERD")
    if address and shutil.which("ctr"):
        return Loader(
            "ctr", ("ctr", "--address", address, "--namespace", "k8s.io", "images", "import")
        )
    return None


def _is_minikube(context: str) -> bool:
    if context == "minikube":
        return True
    home = os.environ.get("MINIKUBE_HOME", os.path.expanduser("~/.minikube"))
    return bool(context) and os.path.isdir(os.path.join(home, "profiles", context))


def local_name(image: Image, spec: RunSpec) -> str:
    """Return the name of a side-loaded image: its tag is its digest's beginning."""
    title = dns_label(title_of(spec.image_name) or "image")
    return str(Reference(_LOCAL, title, image.digest.partition(":")[2][:16]))


def _load(image: Image, name: str, loader: Loader, *, store: Store) -> None:
    """Load an image under a tag of its digest, which means the same image for ever."""
    named = replace(image, names=(name,))
    with tempfile.TemporaryDirectory(prefix="containerize-") as folder:
        path = os.path.join(folder, "image.tar")
        # kind, minikube and k3s all take what `docker save` writes; ctr takes both.
        archive.write_docker(named, store=store, path=path)
        done = subprocess.run([*loader.command, path], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ContainerizeError(
            "image-not-loaded",
            what=f"{loader.name} could not load the image into the cluster.",
            why=(done.stderr or done.stdout).strip()[-1000:],
            fix="Is the cluster running? Or name a registry instead: --registry HOST/NAME",
        )
