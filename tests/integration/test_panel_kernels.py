"""The side panel beside kernels that are not there: dead, gone, out of reach, on another machine."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)

CELLS = ["import os\nprint(os.getpid())"]
#: What a socket is told that a server or a proxy closes as it goes (RFC 6455, 7.4.1).
GOING_AWAY = 1001


@pytest.fixture(scope="module")
def jupyter(browser, environment, panel_environment):
    """A server that lets dead kernels lie."""
    place = Path(tempfile.mkdtemp(prefix="containerize-kernels-"))
    with browser.front_end(
        panel_environment,
        place,
        kernel=environment("bare"),
        arguments=["--KernelRestarter.restart_limit=0"],
    ) as started:
        yield started
    shutil.rmtree(place, ignore_errors=True)


def _pid(view):
    """The kernel's process, as the notebook's one cell printed it; 0 before."""
    output = view.tab.cell(0).locator(".jp-OutputArea-output")
    found = re.search(r"\d+", output.inner_text()) if output.count() else None
    return int(found[0]) if found else 0


def _run_again(view, button):
    """Click the button that starts a kernel and runs all, and wait until that has happened."""
    before = _pid(view)
    button.get_by_role("button", name="Restart the kernel and run all cells").click()
    view.tab.until(lambda: _pid(view) not in (0, before), "the cell ran in another kernel")


def test_a_kernel_that_stays_dead_says_so_and_another_is_a_click_away(jupyter, panel):
    view = panel()
    jupyter.save("dead.ipynb", CELLS)
    view.open(jupyter.address("dead.ipynb"))
    view.tab.run(0)
    os.kill(_pid(view), signal.SIGKILL)
    # JupyterLab lets go of the kernel when it next asks which there are: then it is a lost one.
    gone = view.node.locator('[data-code="kernel-dead"], [data-code="kernel-lost"]').first
    gone.wait_for()
    view.tab.shot("panel-kernel-dead")
    assert view.button("build").is_enabled()
    _run_again(view, gone)
    gone.wait_for(state="hidden")


def test_a_kernel_out_of_reach_is_told_from_one_that_is_gone(jupyter, panel):
    view = panel()
    sockets, cut = [], []

    def route(socket):
        sockets.append(socket)
        if not cut:
            socket.connect_to_server()  # else the page is connected to nobody, and hears nothing

    view.page.route_web_socket(re.compile("/api/kernels/.*/channels"), route)
    jupyter.save("far.ipynb", CELLS)
    view.open(jupyter.address("far.ipynb"))
    view.tab.run(0)

    sockets[-1].close(code=GOING_AWAY)
    far = view.code("kernel-unreachable")
    view.tab.shot("panel-kernel-unreachable")
    assert view.button("build").is_enabled()

    cut.append(True)
    far.get_by_role("button", name="Connect again").click()
    view.code("kernel-unheard")
    cut.clear()
    sockets[-1].close(code=GOING_AWAY)
    view.code("kernel-unreachable").get_by_role("button", name="Connect again").click()
    view.code("kernel-unheard")
    view.page.keyboard.press("Escape")
    view.tab.run(0)
    view.node.locator('[data-code^="kernel-"]').first.wait_for(state="detached")

    sockets[-1].close(code=GOING_AWAY)
    far.wait_for()
    jupyter.stop_kernels()
    _run_again(view, view.code("kernel-lost"))


def test_a_kernel_behind_a_gateway_is_told_as_such(
    browser, jupyter, panel_environment, chromium, side_panel
):
    """The gateway is another Jupyter server: it speaks the same protocol."""
    here = Path(tempfile.mkdtemp(prefix="containerize-remote-"))
    gateway = [f"--GatewayClient.url={jupyter.url}", f"--GatewayClient.auth_token={browser.TOKEN}"]
    with (
        browser.front_end(panel_environment, here, arguments=gateway) as started,
        browser.pages(chromium) as make,
    ):
        started.save("remote.ipynb", ["print(7)"])
        view = side_panel.Panel(make(1400, 950))
        # No cell is run: the Jupyter server loses what a page says to a gateway while it connects
        # twice (without and with a subprotocol), and a slow machine is all that this takes.
        view.open_at_once(started.address("remote.ipynb"))
        assert "%containerize" in view.code("kernel-remote").inner_text()
        view.tab.shot("panel-kernel-remote")
        assert view.button("build").is_enabled()
    shutil.rmtree(here, ignore_errors=True)
