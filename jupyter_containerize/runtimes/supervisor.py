"""One process for each run: starts the container, keeps its log, limits, end and record.

`python -m jupyter_containerize.runtimes.supervisor RUN_DIR`, with a `launch.Launch` as JSON on
standard input. It lives in a session of its own, so that neither the end of the kernel nor
Ctrl-C in a terminal ends the run, and holds the run's lock from its first instant to its
last: a free lock without a final record means that it was killed. It dies, the container dies.

Only the standard library, and little of it: this is on the way to every start.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import time
from typing import Any

from . import containment, run_folder
from .watch import Watch

_GRACE_S = 10.0
_CHUNK_BYTES = 1 << 20
_DRAIN_S = 2.0
_DISK_TIMEOUT_S = 60.0
#: Taken back from a log that filled the disk, for its last line and the run's record.
_RESERVE_BYTES = 1 << 15
#: Named in `fcntl` from Python 3.10 on only where the C library had it at build time.
_F_SETPIPE_SZ = 1031


class Supervisor:
    """The life of one run, as one loop over file descriptors."""

    def __init__(self, folder: str, launch: dict[str, Any]) -> None:
        self.folder = folder
        self.launch = launch
        self.record = run_folder.read_record(folder)
        self.watch = Watch(os.path.basename(folder), launch["limits"])
        self.relay: int | None = None
        self.stopped = False
        self.reason = ""
        self.kill_at: float | None = None
        self.log = os.open(
            os.path.join(folder, run_folder.LOG), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        )
        self.log_lost = False
        # Opened for both, so that it never reports "no writer left".
        self.control = os.open(
            os.path.join(folder, run_folder.CONTROL), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC
        )
        self.wakeup, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Start the container, stay with it to its end, write the final record."""
        self._handle_signals()
        output, theirs = os.pipe2(os.O_CLOEXEC)
        container = self._container(theirs)
        os.close(theirs)
        with contextlib.suppress(OSError):
            fcntl.fcntl(output, _F_SETPIPE_SZ, _CHUNK_BYTES)
        try:
            container.prepare()
            self._save(state="running", limits_by=self.watch.attach(container))
            self._publish(container)
            container.release()
            self._loop(container, output)
        finally:
            container.kill()
            if self.relay is not None:
                os.kill(self.relay, signal.SIGKILL)
        self._drain(output)
        for folder in self.launch["linked"]:
            from .integrity import restore  # noqa: PLC0415 - only under PRoot

            restore(folder)
        self._finish(container)

    def _container(self, output: int) -> containment.Container:
        if self.launch["kind"] == "bubblewrap":
            return containment.Bubblewrapped(self.launch, output=output)
        from .traced import Traced  # noqa: PLC0415 - not needed where namespaces work

        return Traced(self.launch, output=output)

    def _publish(self, container: containment.Container) -> None:
        """Relay the published ports, by a child: a busy service must not delay the log."""
        if self.launch["ports"]:
            from . import relay  # noqa: PLC0415 - asyncio is slow to import

            inside = container.entry() if self.launch["own_network"] else None
            sockets = os.path.join(self.folder, run_folder.SCRATCH, "sockets")
            self.relay = relay.start(self.launch["ports"], sockets=sockets, inside=inside)
            for port in self.launch["ports"]:
                os.close(port["listener"])

    def _handle_signals(self) -> None:
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._stop(_GRACE_S))
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)

    def _loop(self, container: containment.Container, output: int) -> None:
        poll = select.poll()
        for descriptor in (output, self.control, self.wakeup, container.reports):
            poll.register(descriptor, select.POLLIN)
        while not container.ended():
            for descriptor, event in poll.poll(self._pause_ms()):
                if descriptor == output and not self._copy(output):
                    poll.unregister(output)
                elif descriptor == self.control:
                    self._command(os.read(self.control, 4096))
                elif descriptor == self.wakeup:
                    os.read(self.wakeup, 4096)
                elif descriptor == container.reports and event & select.POLLHUP:
                    poll.unregister(container.reports)
            if self.stopped and self.kill_at is not None and not container.signalled:
                container.signal(self.launch["stop_signal"])
            now = time.monotonic()
            if self.kill_at is not None and now >= self.kill_at:
                container.kill()
            self._limit(container, now)

    def _pause_ms(self) -> int | None:
        now = time.monotonic()
        times = [t for t in (self.kill_at, self.watch.next_look) if t is not None]
        return max(0, int((min(times) - now) * 1000) + 1) if times else None

    def _limit(self, container: containment.Container, now: float) -> None:
        excess = self.watch.look(container, now)
        if excess is None or self.reason:
            return
        self.reason = excess.reason
        if excess.gently:
            container.signal(self.launch["stop_signal"])
            self.kill_at = now + _GRACE_S
        else:
            container.kill()

    def _command(self, data: bytes) -> None:
        for line in data.decode("ascii", "replace").splitlines():
            word, _, grace = line.partition(" ")
            if word == "stop":
                with contextlib.suppress(ValueError):
                    self._stop(max(0.0, float(grace or _GRACE_S)))

    def _stop(self, grace_s: float) -> None:
        self.stopped = True
        at = time.monotonic() + grace_s
        self.kill_at = at if self.kill_at is None else min(self.kill_at, at)

    def _copy(self, output: int) -> bool:
        """Move what is there from the container into the log; False at its end."""
        data = os.read(output, _CHUNK_BYTES)
        rest = data
        try:
            while rest and not self.log_lost:
                rest = rest[os.write(self.log, rest) :]
        except OSError:
            # A full disk must not stall the container: it goes on, its log does not.
            self.log_lost = True
            with contextlib.suppress(OSError):
                os.ftruncate(self.log, max(0, os.fstat(self.log).st_size - _RESERVE_BYTES))
                os.write(self.log, b"\n[the disk is full: the rest of the output is lost]\n")
        return bool(data)

    def _drain(self, output: int) -> None:
        # The pipe ends once all processes are gone; one in uninterruptible sleep may linger.
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline and select.select([output], [], [], _DRAIN_S)[0]:
            if not self._copy(output):
                return

    def _finish(self, container: containment.Container) -> None:
        code, problem = container.result()
        known = self.watch.detach(failed=code != 0 and not self.stopped)
        reason = self.reason or known or problem
        if self.log_lost:
            reason = "; ".join(filter(None, [reason, "the log is incomplete: the disk is full"]))
        if self.stopped and not self.reason:
            state = "stopped"
        else:
            state = "succeeded" if code == 0 and not self.reason else "failed"
        self._save(state=state, exit_code=code, reason=reason, ended_at=time.time())

    def _save(self, **changes: Any) -> None:
        self.record.update(changes)
        deadline = time.monotonic() + _DISK_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                run_folder.write_record(self.folder, self.record)
                return
            # The disk is full. Make room with what nobody will miss, or wait for others to.
            if "ended_at" in changes:
                run_folder.discard(os.path.join(self.folder, run_folder.SCRATCH))
            time.sleep(0.1)
        run_folder.write_record(self.folder, self.record)


def main() -> int:
    """Supervise the run whose folder is the only argument."""
    folder = sys.argv[1]
    with open(0, encoding="ascii", closefd=False) as file:
        launch = json.load(file)
    os.umask(0o022)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    # Nothing that was inherited may reach the container; the lock least of all.
    for descriptor in (launch["lock"], *(port["listener"] for port in launch["ports"])):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only
    supervisor = Supervisor(folder, launch)
    try:
        supervisor.run()
    except Exception as error:
        supervisor.record.update(
            state="failed",
            reason=f"the supervisor failed: {type(error).__name__}: {error}",
            ended_at=time.time(),
        )
        run_folder.write_record(folder, supervisor.record)
        raise
    finally:
        run_folder.discard(os.path.join(folder, run_folder.SCRATCH))
    return 0


if __name__ == "__main__":
    sys.exit(main())
