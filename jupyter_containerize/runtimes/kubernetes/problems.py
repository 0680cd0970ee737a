"""What a cluster refuses, and that it cannot be reached, in plain words with a remedy."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Sequence
from typing import Any

from ...errors import ContainerizeError

_VERBS = {"GET": "get", "PATCH": "patch", "POST": "create", "PUT": "update", "DELETE": "delete"}
_FORBIDDEN = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
)

_RIGHTS = re.compile(r'[Uu]ser "[^"]*" cannot ')
_WEBHOOK = "failed calling webhook"
_UNKNOWN_FIELD = "field not declared in schema"
_RULE = re.compile(r"is forbidden|violates PodSecurity|admission|denied the request")


class Refused(ContainerizeError):  # noqa: N818 - it reads as what happened
    """The API server's refusal; `status` is HTTP's, `reason` Kubernetes'."""

    def __init__(self, code: str, *, status: int, reason: str, **words: Any) -> None:
        super().__init__(code, **words)
        self.status = status
        self.reason = reason


def refused(
    status: int, answer: dict[str, Any], *, method: str, path: str, namespace: str
) -> Refused:
    """Return the error for an answer of 400 and more. `answer` is a `Status` object, or {}."""
    message = str(answer.get("message") or f"HTTP status {status}")
    reason = str(answer.get("reason") or "")
    what = _object(path, answer)
    words: dict[str, str]
    if status == 403:  # noqa: PLR2004 - HTTP's number
        code, words = _forbidden(message, method, path, namespace)
    elif status == 404 and "namespaces" in message and f'"{namespace}"' in message:  # noqa: PLR2004
        code, words = "no-such-namespace", _no_namespace(namespace)
    elif status == 404 and reason == "":  # noqa: PLR2004 - the path itself is unknown
        code, words = "not-in-this-cluster", _not_served(path)
    elif status == 404:  # noqa: PLR2004 - HTTP's number
        code = "no-such-object"
        words = {"what": f"{what} is not in namespace {namespace}.", "why": message}
    elif status == 409 and "Apply failed with" in message:  # noqa: PLR2004 - HTTP's number
        code, words = "owned-by-another", _owned(what, message)
    elif status == 409:  # noqa: PLR2004 - HTTP's number
        code = "cluster-conflict"
        words = {
            "what": f"{what} changed while we changed it.",
            "why": message,
            "fix": "Try again.",
        }
    elif status in (400, 422):
        code = "admission-refused" if "admission webhook" in message else "cluster-refused"
        words = {
            "what": f"The cluster does not accept {what}.",
            "why": message,
            "fix": "Correct the option that the message names.",
        }
    elif _WEBHOOK in message:
        code = "admission-failed"
        words = {
            "what": f"A program that the cluster asks about {what} does not answer.",
            "why": message,
            "fix": "Try again later; if it stays so, tell who runs the cluster which webhook it is.",
        }
    elif _UNKNOWN_FIELD in message:
        code = "cluster-refused"
        words = {
            "what": f"This cluster does not know everything that {what} needs.",
            "why": message,
            "fix": "Its version, or that of the controller, is another: leave the option out, or use another cluster.",
        }
    else:
        code = "cluster-failed"
        words = {
            "what": f"The cluster could not {_VERBS.get(method, method)} {what} (HTTP {status}).",
            "why": message,
            "fix": "Try again later; if it stays so, show this to who runs the cluster.",
        }
    return Refused(code, status=status, reason=reason, **words)


def owned_by_another(what: str, managers: Sequence[str]) -> Refused:
    """Return the error for an object that others made: what an apply would mix with ours."""
    words = _owned(what, f"It was made by {', '.join(managers)}.")
    return Refused("owned-by-another", status=409, reason="Conflict", **words)


def _owned(what: str, why: str) -> dict[str, str]:
    return {
        "what": f"{what} is there already, and somebody else decides about it.",
        "why": why,
        "fix": "Choose another name, or let its owner remove it; we overwrite nothing of others.",
    }


def lacks_field(message: str, name: str) -> bool:
    """Tell whether a refusal says that the server knows no field `spec.name`."""
    unknown = _UNKNOWN_FIELD in message or "unknown field" in message
    return unknown and f"spec.{name}" in message


def limits_small(message: str) -> bool:
    """Tell whether a LimitRange refuses a container that asks for little, or for little beside its limit."""
    return bool(
        re.search(r"minimum \w+ usage per Container is|request ratio per Container is", message)
    )


def is_lasting(status: int, message: str) -> bool:
    """Tell whether a failure (5xx) of the server is one that repeating would not mend."""
    return status == 500 and _UNKNOWN_FIELD in message  # noqa: PLR2004 - HTTP's number


def is_passing(status: int, message: str) -> bool:
    """Tell whether a refusal may be over in a moment: somebody else's write, a webhook that restarts."""
    if status == 500:  # noqa: PLR2004 - HTTP's number
        return _WEBHOOK in message
    conflict = status == 409 and "Operation cannot be fulfilled on" in message  # noqa: PLR2004
    new = "status unknown for quota" in message or "error looking up service account" in message
    return conflict or (status == 403 and new)  # noqa: PLR2004 - a namespace of this second


def managers_of(message: str) -> list[str]:
    """Return the field managers that a conflict names."""
    return re.findall(r'conflicts? with "([^"]+)"', message)


def _object(path: str, answer: dict[str, Any]) -> str:
    details = answer.get("details") or {}
    if details.get("kind") and details.get("name"):
        return f"{details['kind']} {details['name']}"
    parts = path.strip("/").split("/")
    return " ".join(parts[-2:]) if len(parts) > 1 else path


def _resource_of(path: str) -> tuple[str, str]:
    """Return API group and resource of a path."""
    parts = path.strip("/").split("/")
    group = parts[1] if parts[0] == "apis" and len(parts) > 1 else ""
    rest = parts[3:] if parts[0] == "apis" else parts[2:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:  # noqa: PLR2004 - namespaces, its name, more
        rest = rest[2:]
    resource = rest[0] if rest else ""
    if len(rest) > 2:  # noqa: PLR2004 - a subresource
        resource += f"/{rest[2]}"
    return group, resource


def _forbidden(message: str, method: str, path: str, namespace: str) -> tuple[str, dict[str, str]]:
    if "exceeded quota" in message:
        return "quota-exceeded", {
            "what": f"The quota of namespace {namespace} does not allow this.",
            "why": quota(message),
            "fix": "Ask for less (--memory, --cpus, --workers), remove ended runs, or ask for more quota.",
        }
    if "is being terminated" in message:
        return "no-such-namespace", {
            "what": f"Namespace {namespace} is being deleted.",
            "fix": "Choose another with --namespace.",
        }
    if '"system:anonymous"' in message:
        return "cluster-login", {
            "what": "The cluster does not know you: it sees a request without credentials.",
            "why": message,
            "fix": "Log in to the cluster again, as you did when you got this kubeconfig.",
        }
    found = _FORBIDDEN.search(message)
    if found is None and _RULE.search(message) and not _RIGHTS.search(message):
        # Rights are refused in fixed words; a namespace's limits, Pod Security, OpenShift's security
        # context constraints and plugins of the cluster have words of their own.
        return "admission-refused", {
            "what": f"A rule of the cluster refuses it in namespace {namespace}.",
            "why": message,
            "fix": rule_fix(message),
        }
    group, resource = _resource_of(path)
    verb = _VERBS.get(method, method.lower())
    if found:
        verb, resource, group = found["verb"], found["resource"], found["group"]
    return "no-rights", {
        "what": f"You may not {verb} {resource} in namespace {namespace}.",
        "why": message,
        "fix": "Ask who runs the cluster for this role:\n" + role(verb, resource, group, namespace),
    }


def rule_fix(message: str) -> str:
    """Return what to do about a rule that refuses pods."""
    if "security context constraint" in message:
        return (
            "OpenShift gives each namespace users of its own; the image has its own. Ask for: oc adm "
            "policy add-scc-to-user nonroot-v2 -z default (or the account of --service-account)"
        )
    if "error looking up service account" in message:
        return "Correct --service-account: it must be there before pods can use it."
    if "no PriorityClass" in message:
        return "Correct --priority-class; `kubectl get priorityclasses` lists what there is."
    if "per Container is" in message or "per Pod is" in message:
        return "The namespace has limits for each container: --memory, --cpus within them."
    return "Change what the message names, or ask who runs the cluster for an exception."


def role(verb: str, resource: str, group: str, namespace: str) -> str:
    """Return the Role that would give a right, as a command and as a rule."""
    full = f"{resource}.{group}" if group and "/" not in resource else resource
    # An apply of what is not there yet needs both.
    verbs = ["create", "patch"] if verb == "patch" else [verb]
    return (
        f"kubectl create role {resource.replace('/', '-')}-{verb} --namespace {namespace} "
        f"--verb={','.join(verbs)} --resource={full}\n"
        f'(apiGroups: ["{group}"], resources: ["{resource}"], verbs: {json.dumps(verbs)}), '
        "with a RoleBinding to you"
    )


def quota(message: str) -> str:
    """Return what a quota refusal says: which quota, how much is asked, used and allowed."""
    return message.partition("is forbidden: ")[2] or message


def _no_namespace(namespace: str) -> dict[str, str]:
    return {
        "what": f"There is no namespace {namespace} in this cluster.",
        "fix": f"Name another with --namespace, or make it: kubectl create namespace {namespace}",
    }


_SINCE = {
    "jobsets": ("JobSet", "its controller is not installed"),
    "trainjobs": ("Kubeflow Trainer", "its controller is not installed"),
    "inferenceservices": ("KServe", "its controller is not installed"),
    "httproutes": ("the Gateway API", "its resources are not installed"),
    "horizontalpodautoscalers": ("autoscaling/v2", "it came with Kubernetes 1.23"),
    "poddisruptionbudgets": ("policy/v1", "it came with Kubernetes 1.21"),
}


def _not_served(path: str) -> dict[str, str]:
    _, resource = _resource_of(path)
    feature, why = _SINCE.get(resource.partition("/")[0], (resource, "it does not serve them"))
    return {
        "what": f"This cluster does not have {feature}.",
        "why": f"It knows no {resource}: {why}.",
        "fix": "Leave the option that needs it out, or choose another cluster with --context.",
    }


def too_old(version: str, feature: str, since: str, *, fix: str) -> ContainerizeError:
    """Return the error for a cluster older than what is used."""
    return ContainerizeError(
        "cluster-too-old",
        what=f"This cluster runs Kubernetes {version}, which has no {feature}.",
        why=f"It came with Kubernetes {since}.",
        fix=fix,
    )


def unreachable(host: str, error: BaseException) -> ContainerizeError:
    """Return the error for a server that does not answer, or whose certificate is wrong."""
    text = _root(error)
    if isinstance(error, ssl.SSLError) or "CERTIFICATE" in text.upper():
        return ContainerizeError(
            "cluster-certificate",
            what=f"The certificate of {host} does not fit this kubeconfig.",
            why=text,
            fix=(
                "Fetch the cluster's kubeconfig anew: its certificate authority or address has "
                "changed. (Another server may also be answering in its place.)"
            ),
        )
    return ContainerizeError(
        "cluster-unreachable",
        what=f"The cluster at {host} does not answer.",
        why=text,
        fix="Is it running, and is this machine in its network (VPN)? `kubectl cluster-info` asks the same.",
    )


def _root(error: BaseException) -> str:
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return f"{type(error).__name__}: {error}"


def not_an_api_server(host: str, status: int, text: bytes) -> ContainerizeError:
    """Return the error for an answer that no API server gives: a proxy's, a login page."""
    said = re.sub(r"<[^>]*>|\s+", " ", text[:2000].decode("utf-8", "replace"))
    return ContainerizeError(
        "cluster-unreachable",
        what=f"What answers at {host} is no Kubernetes API server.",
        why=f"HTTP status {status}, and no JSON: {' '.join(said.split())[:200]}",
        fix="Correct the server's address in the kubeconfig, or HTTPS_PROXY and NO_PROXY.",
    )


def login_failed(said: str) -> ContainerizeError:
    """Return the error for a kubeconfig whose program for signing in failed or is not there."""
    missing = re.search(r"No such file or directory: '([^']+)'", said)
    if missing:
        program = missing[1]
        return ContainerizeError(
            "cluster-login",
            what=f"The program {program}, by which this kubeconfig signs in, is not installed here.",
            why=said,
            fix=f"Install {program}, or put it on the PATH of this process (a Jupyter server may have another).",
        )
    return ContainerizeError(
        "cluster-login",
        what="The program by which this kubeconfig signs in failed.",
        why=said,
        fix="Log in as for kubectl (aws sso login, gcloud auth login, az login, ...), then try again.",
    )


def access_expired(where: str) -> ContainerizeError:
    """Return the error for credentials that the server does not take, even renewed."""
    return ContainerizeError(
        "cluster-login",
        what=f"The cluster {where} does not know you.",
        why="It refused the credentials of this kubeconfig (401), also after they were read anew.",
        fix="Log in to the cluster again, as you did when you got this kubeconfig.",
    )


def client_missing(error: ImportError) -> ContainerizeError:
    """Return the error for a missing extra."""
    return ContainerizeError(
        "kubernetes-client-missing",
        what="The kubernetes runtime needs the official Python client, which is not installed.",
        why=str(error),
        fix="pip install 'jupyter-containerize[kubernetes]'",
    )


def no_cluster(paths: Sequence[str]) -> ContainerizeError:
    """Return the error for a machine that knows of no cluster."""
    return ContainerizeError(
        "no-kubeconfig",
        what="No Kubernetes cluster is set up here.",
        why=f"There is no kubeconfig: {', '.join(paths)}.",
        fix="Set KUBECONFIG to the file that your cluster gave you, or put it at ~/.kube/config.",
    )


def bad_kubeconfig(path: str, error: BaseException) -> ContainerizeError:
    """Return the error for a kubeconfig that cannot be used."""
    return ContainerizeError(
        "bad-kubeconfig",
        what=f"The kubeconfig {path} cannot be used.",
        why=f"{type(error).__name__}: {error}",
        fix="Fetch it anew from your cluster, or name another with KUBECONFIG.",
    )


def bad_namespace_file(error: BaseException) -> ContainerizeError:
    """Return the error for a pod whose own access to its cluster does not work."""
    return ContainerizeError(
        "no-kubeconfig",
        what="This pod has no access to its cluster.",
        why=f"{type(error).__name__}: {error}",
        fix="Let the pod have a service account with its token, or set KUBECONFIG.",
    )


def bad_namespace(name: str) -> ContainerizeError:
    """Return the error for a name that no namespace can have."""
    return ContainerizeError(
        "no-such-namespace",
        what=f"{name!r} is no name of a namespace.",
        why="Such names are lower-case letters, digits and dashes, 63 at most.",
        fix="Correct --namespace, or the namespace of the context in kubeconfig.",
    )


def unknown_context(name: str, known: Sequence[str], path: str) -> ContainerizeError:
    """Return the error for a context that kubeconfig does not have."""
    return ContainerizeError(
        "unknown-context",
        what=f"There is no context {name!r} in {path}."
        if name
        else f"{path} has no current context.",
        why=f"It has: {', '.join(known) or 'none'}.",
        fix="Choose one with --context.",
    )
