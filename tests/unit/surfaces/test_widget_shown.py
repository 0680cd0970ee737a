from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.surfaces import widget
from jupyter_containerize.surfaces.widget.kernel import between_cells, servable


def shell(*, allow_stdin=True, kernel=True):
    parent = {"content": {"allow_stdin": allow_stdin}}
    return SimpleNamespace(kernel=object() if kernel else None, get_parent=lambda: parent)


def test_it_is_shown_where_somebody_can_click(monkeypatch):
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)
    assert widget.can_show(shell())
    assert not widget.can_show(shell(kernel=False)), "a terminal"
    assert not widget.can_show(shell(allow_stdin=False)), "nbclient, papermill, nbconvert"


def test_voila_executes_without_questions_and_shows_widgets_all_the_same(monkeypatch):
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    assert widget.can_show(shell(allow_stdin=False))


def test_without_ipywidgets_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(widget.importlib.util, "find_spec", lambda _: None)
    assert not widget.can_show(shell())


class Loop:
    """An event loop whose thread a cell keeps busy until `free` is set."""

    def __init__(self):
        self.free = threading.Event()
        self.waiting = []
        threading.Thread(target=self._run, daemon=True).start()

    def add_callback(self, function, *arguments):
        self.waiting.append((function, arguments))

    def _run(self):
        self.free.wait(30)
        while True:
            while self.waiting:
                function, arguments = self.waiting.pop()
                function(*arguments)
            time.sleep(0.01)


def asked(loop, function, cancelled):
    """Ask from a thread of its own, as the session does; return what came."""
    told = []

    def ask():
        try:
            told.append(
                between_cells(
                    SimpleNamespace(kernel=SimpleNamespace(io_loop=loop)), function, cancelled
                )
            )
        except BaseException as error:  # noqa: BLE001 - it is what is looked at
            told.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, told


def test_what_is_the_kernels_is_read_when_the_cell_has_ended():
    loop = Loop()
    thread, told = asked(loop, threading.current_thread, threading.Event())
    time.sleep(0.3)
    assert told == []
    loop.free.set()
    thread.join(10)
    assert told[0] is not threading.main_thread()
    assert told[0] is not thread, "the loop's thread called it"


def test_waiting_can_be_cancelled_and_then_nothing_is_called():
    loop, cancelled, called = Loop(), threading.Event(), []
    thread, told = asked(loop, lambda: called.append(1), cancelled)
    cancelled.set()
    thread.join(10)
    assert isinstance(told[0], ContainerizeError)
    assert told[0].code == "interrupted"
    loop.free.set()
    time.sleep(0.1)
    assert called == []


def test_an_error_reaches_whoever_waits():
    loop = Loop()
    loop.free.set()
    thread, told = asked(loop, lambda: 1 / 0, threading.Event())
    thread.join(10)
    assert isinstance(told[0], ZeroDivisionError)


@pytest.mark.parametrize("value", [1, "text", [1], int, threading, len, print, None])
def test_what_no_adapter_serves_is_not_offered(value):
    assert servable({"value": value}) == {}


def test_functions_of_the_notebook_are_offered():
    def mine(x):
        return x

    mine.__module__ = "__main__"
    assert servable({"mine": mine, "_private": mine, "join": threading.Thread.join}) == {
        "mine": "function"
    }
