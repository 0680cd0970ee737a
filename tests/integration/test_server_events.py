"""The server's events when other things go wrong: slow requests, an event file that cannot be read."""

from __future__ import annotations

import asyncio
import json
import threading

import httpx
import pytest
from tornado.websocket import websocket_connect

TOKEN = "test-token-9f3c"
REQUESTS = 20  # more than the server has threads for requests

#: `doctor` answers when there is a file; reading events fails when there is another.
_FAULTS = """
import os, time
from jupyter_containerize.surfaces.server import api

def _doctor(self, notebook=""):
    while not os.path.exists(os.environ["GO_FILE"]):
        time.sleep(0.05)
    return {}

api.Api.doctor = _doctor  # before the table of routes is made
from jupyter_containerize.surfaces.server import events
_read = events.read_events

def _read_events(path, after):
    if os.path.exists(os.environ["BROKEN_FILE"]):
        raise MemoryError("planted")
    return _read(path, after)

events.read_events = _read_events
"""


@pytest.fixture
def server(tmp_path, jupyter_servers):
    variables = {"GO_FILE": str(tmp_path / "go"), "BROKEN_FILE": str(tmp_path / "broken")}
    with jupyter_servers.running(tmp_path, environment=variables, config=_FAULTS) as found:
        yield found


def _begin(server, jupyter_servers):
    (server.root / "x.ipynb").write_text(json.dumps(jupyter_servers.notebook("print(1)")))
    return server.ask("POST", "jobs", {"command": "plan", "notebook": {"path": "x.ipynb"}}).json()


async def _connect(server):
    return await websocket_connect(
        f"ws://127.0.0.1:{server.port}/containerize/api/events?token={TOKEN}"
    )


async def _follow(server, job):
    """Return how a job ended as the websocket tells it, None if that is closed before."""
    socket = await _connect(server)
    await socket.write_message(json.dumps({"follow": job}))
    while (message := await socket.read_message()) is not None:
        news = json.loads(message)
        if news.get("job") == job and news["ended"]:
            return news["ended"]["state"]
    assert socket.close_code == 1011
    return None


def test_events_come_while_every_thread_for_requests_waits(server, jupyter_servers, tmp_path):
    headers = {"Authorization": f"token {TOKEN}"}
    answers = []

    def ask():
        answer = httpx.get(f"{server.url}containerize/api/doctor", headers=headers, timeout=240)
        answers.append(answer.status_code)

    job = _begin(server, jupyter_servers)["id"]
    waiting = [threading.Thread(target=ask, daemon=True) for _ in range(REQUESTS)]
    for thread in waiting:
        thread.start()
    assert asyncio.run(asyncio.wait_for(_follow(server, job), 180)) == "done"
    assert not answers
    (tmp_path / "go").touch()
    for thread in waiting:
        thread.join()
    assert answers == [200] * REQUESTS


def test_a_socket_whose_events_cannot_be_told_is_closed_and_the_next_one_tells_them(
    server, jupyter_servers, tmp_path
):
    (tmp_path / "broken").touch()
    job = _begin(server, jupyter_servers)["id"]
    assert asyncio.run(asyncio.wait_for(_follow(server, job), 180)) is None
    (tmp_path / "broken").unlink()
    assert asyncio.run(asyncio.wait_for(_follow(server, job), 180)) == "done"
