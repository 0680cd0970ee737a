"""One process for each run in an engine: sees to its time limit and to its end.

It holds the run's lock. Should it die, whoever looks at the run next does what it would have
done (`runtime.DockerRuntime`): the engine, not this process, keeps the container.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from ...engine.client import Engine
from ...errors import ContainerizeError
from ..records import Records
from .ending import TIMED_OUT_FILE, finish, is_over
from .link import Link

_GRACE_S = 10
_PAUSE_S = 0.2
_LONGEST_WAIT_S = 3600.0
#: How long an engine may be away, being restarted, before its runs are left to whoever looks.
_PATIENCE_S = 30.0


def main() -> int:
    """Watch the run whose folder and held lock (a descriptor) are the arguments."""
    folder, lock = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(lock, False)  # noqa: FBT003 - positional only
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    last_answer = time.monotonic()
    while True:
        try:
            if _look(folder):
                return 0
            last_answer = time.monotonic()
        except ContainerizeError as error:
            if time.monotonic() - last_answer > _PATIENCE_S:
                print(error, file=sys.stderr)  # noqa: T201 - into supervisor.log
                return 1
        time.sleep(_PAUSE_S)


def _look(folder: str) -> bool:
    """Wait for the run's end or its time limit, once; return whether it is over."""
    run = Records.written(folder)
    link = Link.read(folder)
    if run.state.final or link is None:
        return True
    engine = Engine.connect(link.address)
    left = _LONGEST_WAIT_S
    limit = run.spec.limits.timeout_s
    if limit is not None:
        left = (run.started_at or 0.0) + limit - time.time()
    if left <= 0:
        with open(os.path.join(folder, TIMED_OUT_FILE), "wb"):
            engine.stop(link.container, grace_s=_GRACE_S)
    else:
        engine.wait(link.container, timeout_s=min(left, _LONGEST_WAIT_S))
    if not is_over(engine.inspect(link.container)):
        return False
    finish(folder, run, link.container, engine)
    return True
