"""The widget as people use it: in real front ends, with a real browser."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import pytest

CELLS = [
    "%load_ext jupyter_containerize",
    "import math\nprint('pi is', round(math.pi, 3))",
    "%containerize",
    ("import time\ntime.sleep(30)", ["skip"]),
]


@pytest.fixture(scope="module")
def jupyter(browser, environment):
    """A server with JupyterLab, Notebook 7 and Voila."""
    place = Path(tempfile.mkdtemp(prefix="containerize-"))
    with browser.front_end(environment("browser"), place) as started:
        yield started
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def page(browser, chromium):
    """`page(width=…, dark=…)`: a fresh browser window."""
    made = []

    def make(width=1300, height=1000):
        context = chromium.new_context(viewport={"width": width, "height": height})
        made.append(context)
        return browser.Page(context.new_page())

    yield make
    for context in made:
        context.close()


def button(page, name):
    # The icon before it is a character of its font.
    return page.page.get_by_role("button", name=re.compile(rf"^\W*{name}$"))


def test_one_button_leads_to_a_verified_run_in_jupyterlab(jupyter, page):
    jupyter.save("click.ipynb", CELLS)
    tab = page()
    tab.open(jupyter.address("click.ipynb"))
    for number in range(3):
        tab.run(number)
    button(tab, "Build").click()
    button(tab, "Run and verify").click()
    tab.page.get_by_text(re.compile("^Verified: the image does")).first.wait_for()
    tab.shot("widget-lab")
    button(tab, "Open outputs").click()
    tab.page.get_by_text("executed.ipynb").first.wait_for()
