"""HTTP around the objects: list, watch, apply, patch, delete, logs, exec, discovery, and faults."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from .controllers import Controllers
from .objects import Objects, StatusError, merge_patch, not_found
from .schemas import problem
from .websocket import WebSocket

#: group/version -> kind -> (plural, short names)
SERVED = {
    "v1": {
        "Pod": ("pods", ["po"]), "Service": ("services", ["svc"]), "Secret": ("secrets", []),
        "Event": ("events", []), "PersistentVolumeClaim": ("persistentvolumeclaims", ["pvc"]),
        "ConfigMap": ("configmaps", []),
    },
    "batch/v1": {"Job": ("jobs", [])},
    "apps/v1": {"Deployment": ("deployments", ["deploy"]), "ReplicaSet": ("replicasets", ["rs"])},
    "networking.k8s.io/v1": {"NetworkPolicy": ("networkpolicies", []), "Ingress": ("ingresses", [])},
    "policy/v1": {"PodDisruptionBudget": ("poddisruptionbudgets", [])},
    "autoscaling/v2": {"HorizontalPodAutoscaler": ("horizontalpodautoscalers", ["hpa"])},
}  # fmt: skip
#: Of other controllers: there where a test says so. No schema of theirs is here to validate with.
CARRIERS = {
    "jobset.x-k8s.io/v1alpha2": {"JobSet": ("jobsets", [])},
    "trainer.kubeflow.org/v1alpha1": {"TrainJob": ("trainjobs", [])},
    "serving.kserve.io/v1beta1": {"InferenceService": ("inferenceservices", ["isvc"])},
}
_OBJECT = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))/namespaces/(?P<namespace>[^/]+)/"
    r"(?P<plural>[a-z]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[a-z]+))?)?"
)


class FakeCluster:
    """A cluster with one namespace of pods; start it as a context manager."""

    def __init__(self, *, version=(1, 33), nodes=(), namespaces=("default",), validate=True):
        self.version = version
        self.objects = Objects()
        self.nodes = list(nodes) or [node("node-a")]
        self.namespaces = set(namespaces)
        self.tokens = {"secret-token"}
        self.faults = []
        self.admission = []
        self.calls = []
        self.denied = set()  # (verb, plural)
        self.validate = validate
        self.served = dict(SERVED)
        self.controllers = Controllers(self)
        self.kubelet = None
        self._open = set()

    def __enter__(self):
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.controllers.stop()
        if self.kubelet is not None:
            self.kubelet.stop()
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, folder, *, token="secret-token", context="fake", namespace=""):
        """Write a kubeconfig and return its path."""
        path = folder / "kubeconfig"
        chosen = {
            "cluster": "fake",
            "user": "me",
            **({"namespace": namespace} if namespace else {}),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "me", "user": {"token": token}}],
            "contexts": [{"name": context, "context": chosen}],
            "current-context": context,
        }
        # At once: who reads it while it is written is a test of its own.
        half = folder / "kubeconfig.new"
        half.write_text(json.dumps(document))
        half.replace(path)
        return path

    # -- faults --------------------------------------------------------------------------

    def fail(self, method, pattern, status, *, times=1, reason="", message="", headers=None):
        """Answer the next `times` requests that match with an error."""
        body = StatusError(status, reason, message or f"fault {status}").body
        self.faults.append(["fail", method, re.compile(pattern), times, (status, body, headers)])

    def cut(self, method, pattern, after_bytes, *, times=1):
        """Cut the connection of a matching request after so many bytes of its answer."""
        self.faults.append(["cut", method, re.compile(pattern), times, after_bytes])

    def go_away(self, seconds):
        """Refuse and cut every connection for a while."""
        self._away_until = time.monotonic() + seconds
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    _away_until = 0.0

    def fault(self, kind, method, path):
        for entry in self.faults:
            if entry[0] == kind and entry[1] == method and entry[3] > 0 and entry[2].search(path):
                entry[3] -= 1
                return entry[4]
        return None

    # -- reading -------------------------------------------------------------------------

    def all(self, plural, namespace="default"):
        with self.objects.lock:
            everything = sorted(self.objects.items.items())
        return [
            item
            for (where, _), item in everything
            if where.endswith(f"/namespaces/{namespace}/{plural}")
        ]

    def one(self, plural, namespace="default"):
        found = self.all(plural, namespace)
        assert len(found) == 1, [item["metadata"]["name"] for item in found]
        return found[0]

    def event(self, about, reason, message, kind="Warning"):
        where = f"/api/v1/namespaces/{about['metadata']['namespace']}/events"
        self.objects.create(
            where,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"generateName": "event-"},
                "involvedObject": {
                    "uid": about["metadata"]["uid"],
                    "name": about["metadata"]["name"],
                },
                "reason": reason,
                "message": message,
                "type": kind,
                "lastTimestamp": about["metadata"]["creationTimestamp"],
            },
        )


def node(name, *, cpu="4", memory="8Gi", labels=None, **more):
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": "110", **more}},
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # cut connections are what it is for


def _handler(fake):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Small answers in two packets would wait for Nagle's algorithm.
        wbufsize = 1 << 16
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def setup(self):
            super().setup()
            fake._open.add(self.connection)

        def finish(self):
            fake._open.discard(self.connection)
            with contextlib.suppress(OSError, ValueError):
                super().finish()

        def handle_one_request(self):
            if time.monotonic() < fake._away_until:
                self.close_connection = True
                return
            super().handle_one_request()

        def do_GET(self):
            self._serve("GET")

        def do_POST(self):
            self._serve("POST")

        def do_PATCH(self):
            self._serve("PATCH")

        def do_PUT(self):
            self._serve("PUT")

        def do_DELETE(self):
            self._serve("DELETE")

        def _serve(self, method):
            size = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(size) if size else b""
            url = urlsplit(self.path)
            path, query = unquote(url.path), parse_qs(url.query, keep_blank_values=True)
            fake.calls.append((method, self.path))
            if time.monotonic() < fake._away_until:
                self.close_connection = True
                return
            try:
                failing = fake.fault("fail", method, self.path)
                if failing is not None:
                    status, body, headers = failing
                    self._answer(status, body, headers)
                    return
                cut = fake.fault("cut", method, self.path)
                if cut is not None:
                    self.wfile = _Cut(self.wfile, self.connection, cut)
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                if token not in fake.tokens:
                    self._answer(401, StatusError(401, "Unauthorized", "Unauthorized").body)
                    return
                self._route(method, path, query, data)
            except StatusError as error:
                self._answer(error.code, error.body)
            except (BrokenPipeError, ConnectionError, ValueError):
                self.close_connection = True

        def _answer(self, status, body, headers=None):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

        def _route(self, method, path, query, data):
            known = _discovery(fake, path)
            if known is not None:
                self._answer(200, known)
                return
            match = _OBJECT.fullmatch(path)
            if match is None:
                raise StatusError(404, "", "the server could not find the requested resource")
            group = match["group"] or "v1"
            kinds = fake.served.get(group, {})
            kind = next((k for k, (plural, _) in kinds.items() if plural == match["plural"]), None)
            if kind is None:
                raise StatusError(404, "", "the server could not find the requested resource")
            namespace, name, sub = match["namespace"], match["name"], match["sub"]
            verb = _verb(method, name, query)
            resource = match["plural"] + (f"/{sub}" if sub else "")
            if (verb, resource) in fake.denied:
                raise StatusError(
                    403, "Forbidden",
                    f'{resource} is forbidden: User "me" cannot {verb} resource "{resource}" in API '
                    f'group "{group.partition("/")[0] if "/" in group else ""}" in the namespace "{namespace}"',
                )  # fmt: skip
            if namespace not in fake.namespaces and method in ("POST", "PATCH"):
                raise not_found("namespaces", namespace)
            collection = path.removesuffix(f"/{sub}") if sub else path
            collection = collection.removesuffix(f"/{name}") if name else collection
            if sub in ("log", "exec", "portforward"):
                getattr(self, f"_{sub}")(collection, name, query)
            elif method == "GET" and name:
                item = fake.objects.items.get((collection, name))
                if item is None:
                    raise not_found(collection, name)
                self._answer(200, _full(item, group, kind))
            elif method == "GET" and query.get("watch", [""])[0] in ("true", "1"):
                self._watch(collection, query, group, kind)
            elif method == "GET":
                self._list(collection, query, group, kind)
            elif method == "DELETE":
                body = json.loads(data or b"{}")
                uid = (body.get("preconditions") or {}).get("uid")
                fake.objects.delete(collection, name, uid)
                self._answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
            else:
                self._write(method, collection, name, query, json.loads(data), group, kind)

        def _write(self, method, collection, name, query, body, group, kind):
            dry_run = bool(query.get("dryRun"))
            content = self.headers.get("Content-Type", "").partition(";")[0]
            applied = method == "POST" or content == "application/apply-patch+yaml"
            if applied:
                _validate(fake, body, group, kind)
                for rule in fake.admission:
                    rule(method, kind, body)
                for refusal in fake.controllers.pod_admission if kind == "Pod" else ():
                    if message := refusal(body):
                        raise StatusError(403, "Forbidden", message)
                if kind == "Job":
                    _drop_newer(body["spec"], fake.version)
            objects = fake.objects
            if method == "POST":
                made = objects.create(collection, body, dry_run=dry_run)
                by = query.get("fieldManager", ["unknown"])[0]
                objects.owners.setdefault(made["metadata"]["uid"], {})[by] = {}
            elif content == "application/apply-patch+yaml":
                manager = query["fieldManager"][0]
                force = query.get("force", [""])[0] == "true"
                made = objects.apply(collection, name, manager, body, force=force, dry_run=dry_run)
                managers = {manager, *objects.owners.get(made["metadata"]["uid"], {})}
                managed = [{"manager": one, "operation": "Apply"} for one in sorted(managers)]
                made = {**made, "metadata": {**made["metadata"], "managedFields": managed}}
            elif method == "PUT":
                made = objects.update(collection, name, lambda _: body, dry_run=dry_run)
            else:
                made = objects.update(
                    collection, name, lambda old: merge_patch(old, body), dry_run=dry_run
                )
            self._answer(201 if method == "POST" else 200, _full(made, group, kind))

        def _list(self, collection, query, group, kind):
            with fake.objects.lock:
                version = str(fake.objects.version)
                items = [
                    _full(item, group, kind)
                    for (where, _), item in sorted(fake.objects.items.items())
                    if where == collection and _selected(item, query)
                ]
            start = int(query.get("continue", ["0"])[0])
            limit = int(query.get("limit", ["0"])[0]) or len(items) or 1
            metadata = {"resourceVersion": version}
            if start + limit < len(items):
                metadata["continue"] = str(start + limit)
            body = {"apiVersion": group, "kind": f"{kind}List", "metadata": metadata}
            self._answer(200, {**body, "items": items[start : start + limit]})

        def _watch(self, collection, query, group, kind):
            self._begin("application/json")
            until = time.monotonic() + float(query.get("timeoutSeconds", ["300"])[0])
            since = int(query.get("resourceVersion", ["0"])[0])
            if query.get("sendInitialEvents", [""])[0] == "true":
                since = self._initial_events(collection, query, group, kind)
            for event, item in fake.objects.watch(
                collection, since, until=until, ended=lambda: time.monotonic() < fake._away_until
            ):
                if event in ("ADDED", "MODIFIED", "DELETED") and not _selected(item, query):
                    continue
                whole = item if event == "ERROR" else _full(item, group, kind)
                self._chunk(json.dumps({"type": event, "object": whole}).encode() + b"\n")
            self._end()

        def _initial_events(self, collection, query, group, kind):
            """Send what there is before what changes, and say where that ends, as kubectl asks."""
            with fake.objects.lock:
                newest = fake.objects.version
                there = [
                    one for (where, _), one in fake.objects.items.items() if where == collection
                ]
            for item in there:
                if _selected(item, query):
                    event = {"type": "ADDED", "object": _full(item, group, kind)}
                    self._chunk(json.dumps(event).encode() + b"\n")
            notes = {"k8s.io/initial-events-end": "true"}
            metadata = {"resourceVersion": str(newest), "annotations": notes}
            event = {"type": "BOOKMARK", "object": _full({"metadata": metadata}, group, kind)}
            self._chunk(json.dumps(event).encode() + b"\n")
            return newest

        def _begin(self, kind):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()

        def _chunk(self, data):
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

        def _end(self):
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()

        def _log(self, collection, name, query):
            pod = fake.objects.items.get((collection, name))
            if pod is None:
                raise not_found(collection, name)
            names = [one["name"] for one in pod["spec"]["containers"]]
            container = query.get("container", names[:1])[0]
            log = fake.kubelet.log(pod, container) if fake.kubelet else None
            if log is None:
                raise StatusError(
                    400,
                    "BadRequest",
                    f'container "{container}" in pod "{name}" is waiting to start',
                )
            follow = query.get("follow", [""])[0] == "true"
            stamps = query.get("timestamps", [""])[0] == "true"
            since = query.get("sinceTime", [""])[0]
            self._begin("text/plain")
            for stamp, line in log.read(follow=follow):
                if since and stamp[:19] < since[:19]:
                    continue
                self._chunk((f"{stamp} " if stamps else "").encode() + line)
            self._end()

        def _exec(self, collection, name, query):
            pod = fake.objects.items.get((collection, name))
            if pod is None:
                raise not_found(collection, name)
            channel = WebSocket(self)
            self.close_connection = True
            cut = fake.fault("cut", "EXEC", self.path)
            output = _Cut(None, self.connection, cut) if cut is not None else None

            def send(number, data):
                if output is not None:
                    output.count(len(data))
                channel.send(bytes([number]) + data)

            container = query.get("container", [pod["spec"]["containers"][0]["name"]])[0]
            code = fake.kubelet.execute(pod, container, query["command"], send)
            status = {"metadata": {}, "status": "Success"}
            if code:
                cause = {"reason": "ExitCode", "message": str(code)}
                status |= {
                    "status": "Failure", "reason": "NonZeroExitCode",
                    "message": f"command terminated with exit code {code}",
                    "details": {"causes": [cause]},
                }  # fmt: skip
            channel.send(b"\x03" + json.dumps(status).encode())
            channel.close()

        def _portforward(self, collection, name, query):
            pod = fake.objects.items.get((collection, name))
            if pod is None:
                raise not_found(collection, name)
            channel = WebSocket(self)
            self.close_connection = True
            port = int(query["ports"][0])
            for number in (0, 1):
                channel.send(bytes([number]) + port.to_bytes(2, "little"))
            with fake.kubelet.connect(pod, port) as inside:

                def back():
                    with contextlib.suppress(OSError):
                        while data := inside.recv(1 << 16):
                            channel.send(b"\0" + data)
                        channel.close()

                threading.Thread(target=back, daemon=True).start()
                while (message := channel.receive()) is not None:
                    if message[:1] == b"\0" and message[1:]:
                        inside.sendall(message[1:])

    return Handler


class _Cut:
    """A file that breaks its connection after so many bytes."""

    def __init__(self, file, connection, after):
        self._file, self._connection, self._left = file, connection, after

    def count(self, size):
        self._left -= size
        if self._left <= 0:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            raise BrokenPipeError("cut")

    def write(self, data):
        part = data[: max(0, self._left)]
        self._file.write(part)
        self._file.flush()
        self.count(len(data))
        return len(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


def _verb(method, name, query):
    if method == "GET":
        return "get" if name else "watch" if query.get("watch") else "list"
    return {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}[method]


def _full(item, group, kind):
    return {"apiVersion": group, "kind": kind, **item}


def _selected(item, query):
    labels = item["metadata"].get("labels") or {}
    for word in filter(None, query.get("labelSelector", [""])[0].split(",")):
        name, _, value = word.partition("=")
        if labels.get(name) != value.lstrip("="):
            return False
    for word in filter(None, query.get("fieldSelector", [""])[0].split(",")):
        path, _, value = word.partition("=")
        found = item
        for part in path.split("."):
            found = (found or {}).get(part)
        if str(found) != value.lstrip("="):
            return False
    return True


def _validate(fake, body, group, kind):
    if not fake.validate or group in CARRIERS:
        return
    text = problem({"apiVersion": group, "kind": kind, **body}, fake.version)
    if text:
        raise StatusError(422, "Invalid", f"{kind} is invalid: {text}")


#: Fields that servers know before they have their feature: they drop them, and say nothing.
_GATED = {"podFailurePolicy": (1, 26), "backoffLimitPerIndex": (1, 29), "successPolicy": (1, 31)}


def _drop_newer(spec, version):
    for field, since in _GATED.items():
        if version < since:
            spec.pop(field, None)


def _discovery(fake, path):
    if path == "/version":
        major, minor = fake.version
        return {"major": str(major), "minor": str(minor), "gitVersion": f"v{major}.{minor}.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = []
        for group in fake.served:
            if "/" in group:
                version = {"groupVersion": group, "version": group.partition("/")[2]}
                groups.append(
                    {
                        "name": group.partition("/")[0],
                        "versions": [version],
                        "preferredVersion": version,
                    }
                )
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if path == "/api/v1/nodes":
        if ("list", "nodes") in fake.denied:
            raise StatusError(
                403,
                "Forbidden",
                'nodes is forbidden: User "me" cannot list resource "nodes" in API group "" at the cluster scope',
            )
        return {
            "kind": "NodeList",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": "1"},
            "items": fake.nodes,
        }
    match = re.fullmatch(r"/api/(v1)|/apis/([^/]+/[^/]+)", path)
    group = (match[1] or match[2]) if match else None
    if group in fake.served:
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        resources = [
            {
                "name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind,
                "verbs": verbs, "shortNames": short,
            }
            for kind, (plural, short) in fake.served[group].items()
        ]  # fmt: skip
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group,
            "resources": resources,
        }
    return None
