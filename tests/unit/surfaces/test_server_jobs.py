"""Jobs of the server: real workers, cancelled before they have begun."""

from __future__ import annotations

import signal
import time

import pytest

from jupyter_containerize.surfaces.server.jobs import Jobs


@pytest.mark.parametrize("disposition", [signal.default_int_handler, signal.SIG_IGN])
def test_a_job_that_is_cancelled_at_once_is_cancelled(tmp_path, disposition):
    """Also by a server in the background of a script, whose children ignore what cancels."""
    before = signal.signal(signal.SIGINT, disposition)
    try:
        jobs = Jobs(str(tmp_path))
        options = {"notebook": str(tmp_path / "none.ipynb"), "store": str(tmp_path / "store")}
        job = jobs.start("build", options, title="Build")
        jobs.cancel(job["id"])
        end = time.monotonic() + 120
        while jobs.alive(job["id"]):
            assert time.monotonic() < end, "it was not heard"
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGINT, before)
    assert jobs.get(job["id"])["state"] == "cancelled"
    assert jobs.get(job["id"])["last"]["error"]["code"] == "interrupted"
