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

#: `doctor` answers when there is a file; telling events, or changes, fails when there is another.
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
_signatures = events.signatures

def _signatures_or_not(api):
    if os.path.exists(os.environ["STORE_BROKEN_FILE"]):
        raise MemoryError("planted")
    return _signatures(api)

events.signatures = _signatures_or_not
"""


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    """The folder in which a file of a name makes something fail."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def server(faults, tmp_path_factory, jupyter_servers):
    names = {"GO_FILE": "go", "BROKEN_FILE": "broken", "STORE_BROKEN_FILE": "store"}
    variables = {variable: str(faults / name) for variable, name in names.items()}
    folder = tmp_path_factory.mktemp("server")
    with jupyter_servers.running(folder, environment=variables, config=_FAULTS) as found:
        yield found


def _begin(server, jupyter_servers):
    (server.root / "x.ipynb").write_text(json.dumps(jupyter_servers.notebook("print(1)")))
    return server.ask("POST", "jobs", {"command": "plan", "notebook": {"path": "x.ipynb"}}).json()


async def _connect(server):
    return await websocket_connect(
        f"ws://127.0.0.1:{server.port}/containerize/api/events?token={TOKEN}"
    )


async def _changes_until_closed(server):
    """Wait until the websocket is closed, and return why."""
    socket = await _connect(server)
    while await socket.read_message() is not None:
        pass
    return socket.close_code


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


def test_events_come_while_every_thread_for_requests_waits(server, jupyter_servers, faults):
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
    (faults / "go").touch()
    for thread in waiting:
        thread.join()
    assert answers == [200] * REQUESTS


def test_a_socket_whose_events_cannot_be_told_is_closed_and_the_next_one_tells_them(
    server, jupyter_servers, faults
):
    (faults / "broken").touch()
    job = _begin(server, jupyter_servers)["id"]
    assert asyncio.run(asyncio.wait_for(_follow(server, job), 180)) is None
    (faults / "broken").unlink()
    assert asyncio.run(asyncio.wait_for(_follow(server, job), 180)) == "done"


def test_a_socket_that_cannot_tell_changes_is_closed_too(server, faults):
    (faults / "store").touch()
    assert asyncio.run(asyncio.wait_for(_changes_until_closed(server), 180)) == 1011
    (faults / "store").unlink()
