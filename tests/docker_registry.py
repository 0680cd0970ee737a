"""Debian's `docker-registry` on loopback, and a proxy before it that injects faults."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

_START_TIMEOUT_S = 30
_PIECE = 64 << 10
USER, PASSWORD = "anna", "s3cret-of-anna"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry:
    """A real registry in a folder; `url` is what references begin with."""

    def __init__(self, folder, *, auth=False, tls=False, port=None):
        self.folder = folder
        self.port = port or free_port()
        self.url = f"localhost:{self.port}"
        self.tls = tls
        self._process = None
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            "version: 0.1",
            "log: {level: error}",
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}",
            f"http: {{addr: '127.0.0.1:{self.port}', secret: same-after-a-restart"
            + (f", tls: {{certificate: {folder}/cert.pem, key: {folder}/key.pem}}" if tls else "")
            + "}",
        ]
        if auth:
            lines.append(f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}")
            (folder / "htpasswd").write_text(f"{USER}:{bcrypt(PASSWORD)}\n")
        if tls:
            make_certificate(folder)
        (folder / "config.yml").write_text("\n".join(lines) + "\n")

    def start(self):
        program = shutil.which("docker-registry")
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [program, "serve", str(self.folder / "config.yml")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return self
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self, how=signal.SIGTERM):
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)

    def get(self, path, accept="*/*"):
        """Return status and body of a GET, without authentication."""
        request = urllib.request.Request(f"http://{self.url}{path}", headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def bcrypt(password):
    """Return a bcrypt hash: the machine's crypt(3) makes it, for htpasswd is one more package."""
    done = subprocess.run(
        ["perl", "-e", "print crypt($ARGV[0], q($2b$04$abcdefghijklmnopqrstuu))", password],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("$2"), "crypt(3) knows no bcrypt"
    return done.stdout.replace("$2b$", "$2a$", 1)


def make_certificate(folder):
    """Make an authority's certificate for localhost, in `cert.pem` and `key.pem`."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{folder}/key.pem",
         "-out", f"{folder}/cert.pem"],
        check=True,
        capture_output=True,
    )  # fmt: skip


class Proxy:
    """Passes requests on to a registry, but what `fault` says otherwise.

    `fault(request)` gets an object with `method`, `path`, `headers`; it returns None to pass the
    request on, `(status, headers, body)` to answer it, or a number: break the connection (-1: at once) after
    that many bytes of the request's body have been passed on. `Kept(n)` breaks it too, and the
    registry keeps the n bytes, as the specification wants and Debian's 2.8.2 does not: it
    forgets an upload that broke within a chunk. `seen` lists what came.
    """

    def __init__(self, registry):
        self.registry = registry
        self.fault = pass_on
        self.seen = []
        self._standing = {}
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self):
                with contextlib.suppress(ConnectionError):
                    super().handle_one_request()

            def log_message(self, *_):
                pass

        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", lambda handler: proxy.handle(handler))  # noqa: PLW0108 - a method
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False  # clients keep connections open
        self.url = f"localhost:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def count(self, method, part=""):
        return sum(one == method and part in path for one, path, _ in self.seen)

    def handle(self, handler):
        request = _Request(handler)
        self.seen.append((request.method, request.path, dict(request.headers)))
        said = self.fault(request)
        if request.method == "GET" and request.path in self._standing:
            said = (204, self._standing[request.path], b"")
        length = int(request.headers.get("Content-Length") or 0)
        if isinstance(said, tuple):
            handler.rfile.read(length)
            self._answer(handler, *said)
            return
        try:
            if said == -1:
                raise ConnectionError("as the test wants, before any byte is passed on")
            upstream = http.client.HTTPConnection("127.0.0.1", self.registry.port, timeout=60)
            upstream.putrequest(request.method, request.path, skip_host=True)
            for name, value in _headers(request, said):
                upstream.putheader(name, value)  # with our Host: its Locations lead back here
            if isinstance(said, Kept):
                length = said.size_bytes
            upstream.endheaders()
            left = length
            while left:
                piece = handler.rfile.read(min(left, _PIECE))
                if not piece:
                    raise ConnectionError("the client has gone")
                upstream.send(piece)
                left -= len(piece)
                if isinstance(said, int) and length - left >= said:
                    upstream.sock.shutdown(socket.SHUT_RDWR)
                    raise ConnectionError("as the test wants")
            answer = upstream.getresponse()
            if isinstance(said, Kept):
                self._standing[request.path] = dict(answer.getheaders())
                raise ConnectionError("as the test wants")
            headers = dict(answer.getheaders())
            if isinstance(said, CutAnswer):
                self._answer(handler, answer.status, headers, answer.read()[: said.size_bytes])
                raise ConnectionError("as the test wants")
            self._answer(handler, answer.status, headers, answer.read())
            upstream.close()
        except OSError:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, handler, status, headers, body):
        handler.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                handler.send_header(name, value)
        length = headers.get("Content-Length", len(body))
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)


class CutAnswer:
    """A fault: the connection breaks after so many bytes of the answer's body."""

    def __init__(self, size_bytes):
        self.size_bytes = size_bytes


class Kept:
    def __init__(self, size_bytes):
        self.size_bytes = size_bytes


def _headers(request, said):
    for name, value in request.headers.items():
        if isinstance(said, Kept) and name == "Content-Length":
            yield name, str(said.size_bytes)
        elif isinstance(said, Kept) and name == "Content-Range":
            start = int(value.partition("-")[0])
            yield name, f"{start}-{start + said.size_bytes - 1}"
        else:
            yield name, value


def pass_on(request):
    """Inject no fault."""
    del request


class _Request:
    def __init__(self, handler):
        self.method = handler.command
        self.path = handler.path
        self.headers = handler.headers
        self.query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(handler.path).query))


@contextlib.contextmanager
def relayed(registry, engine):
    """Let an engine with a network of its own reach the registry; yield its name there."""
    server = engine.listen()

    def pump(source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.create_connection(("127.0.0.1", registry.port))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"localhost:{server.getsockname()[1]}"
    finally:
        server.close()


def trust(folder, registry, home):
    """Let `home` trust the registry's certificate as Docker users do."""
    place = home / ".docker" / "certs.d" / registry.url
    place.mkdir(parents=True)
    shutil.copy(folder / "cert.pem", place / "ca.crt")


def full_disk(folder, size="2m"):
    """Mount a small file system on `folder` (root); the caller unmounts it."""
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
