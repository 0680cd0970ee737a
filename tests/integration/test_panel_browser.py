"""The side panel as people use it: the built wheel in a new environment, a real browser.

JupyterLab and Notebook 7 have our package, the kernels have not: they are captured by injection.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import tempfile
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABS = ("Notebook", "Build", "Images", "Runs", "Cluster")
#: What capture, build and run together may take on a busy machine.
BUILD_MS = 400_000
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def jupyter(browser, environment, panel_environment, side_panel):
    """A server whose kernels are another environment's, without our package."""
    place = Path(tempfile.mkdtemp(prefix="containerize-panel-"))
    with browser.front_end(
        panel_environment, place, kernel=environment("bare"),
        JUPYTER_PREFER_ENV_PATH="1",
    ) as started:  # fmt: skip
        side_panel.add_kernel(place, "bare", environment("bare"))
        yield started
    shutil.rmtree(place, ignore_errors=True)


def menu(view, name, command):
    """Choose a command from JupyterLab's menu bar."""
    view.page.keyboard.press("Escape")
    view.page.get_by_role("menuitem", name=name, exact=True).first.click()
    view.page.locator(f'.lm-Menu [data-command="{command}"]').first.click()


def quick(jupyter, name, *sources, **keywords):
    """A notebook for the small kernel."""
    jupyter.save(name, list(sources), kernel="bare", **keywords)
    return jupyter.address(name)


# -- a build -----------------------------------------------------------------------------


def test_the_wheel_holds_the_built_panel(panel_wheel):
    names = zipfile.ZipFile(panel_wheel).namelist()
    shared = [
        name for name in names if "/share/jupyter/labextensions/jupyter-containerize/" in name
    ]
    assert any(name.endswith("/package.json") for name in shared)
    assert any("/static/remoteEntry." in name for name in shared)
    assert any(name.endswith("jupyter_server_config.d/jupyter_containerize.json") for name in names)


def test_the_live_kernel_and_unsaved_edits_are_what_gets_captured(jupyter, panel):
    view = panel()
    view.open(quick(jupyter, "live.ipynb", "a = 20", "print('saved')"))
    view.tab.run(0)
    view.tab.cell(1).locator(".cm-content").click()
    view.page.keyboard.press("Control+a")
    view.page.keyboard.type("print('edited', a + 1)")
    view.page.keyboard.press("Control+Enter")
    view.tab.wait_until_ran(1)
    started = time.monotonic()
    feedback = view.page.evaluate(
        """() => new Promise(done => {
             const panel = document.getElementById('jupyter-containerize-panel');
             const begun = performance.now();
             new MutationObserver((_, seen) => { seen.disconnect(); done(performance.now() - begun); })
               .observe(panel, {subtree: true, childList: true, characterData: true});
             panel.querySelector('[data-name="build"]').click();
           })"""
    )
    print(f"click to first feedback: {feedback:.0f} ms")
    assert feedback < 10_000, "100 ms are the aim (11 ms measured), but others use this machine"
    assert view.verdict() == "verified"
    print(f"click to verdict: {time.monotonic() - started:.1f} s")
    log = (jupyter.store / "runs" / view.run_id() / "log").read_text()
    assert "edited 21" in log
    assert "saved" not in log
    bar = view.node.get_by_role("progressbar", name="Layers")
    assert bar.get_attribute("aria-valuenow") == "100"
    assert bar.locator(".jp-Containerize-segment").count() > 3, "stacked, one for each layer"
    view.page.locator(".jp-Notification-Status").click()
    center = view.page.locator(".jp-Notification-Center")
    center.get_by_text("live.ipynb: built, run and verified").wait_for()
    center.get_by_role("button", name="Open the executed notebook").click()
    view.page.get_by_role("tab", name="live-executed.ipynb").first.wait_for()
    assert "print('saved')" in (jupyter.folder / "live.ipynb").read_text()


def test_a_reload_in_the_middle_of_a_build_loses_nothing(jupyter, panel, side_panel):
    view, go = panel(), jupyter.folder / "reload-go.txt"
    view.open(quick(jupyter, "reload.ipynb", side_panel.until_told(go)))
    view.build()
    view.node.get_by_text("Running the notebook").wait_for()
    view.reload()
    view.view("Build")
    view.node.get_by_text("Running the notebook").wait_for()
    go.write_text("go")
    assert view.verdict() == "verified"
    view.reload()
    view.view("Build")
    assert view.verdict() == "verified"


def test_cancel_works_and_leaves_nothing_running(jupyter, panel):
    view = panel()
    view.open(quick(jupyter, "cancel.ipynb", "import time; time.sleep(300)"))
    view.build()
    view.node.get_by_text("Running the notebook").wait_for()
    view.page.locator(".jp-Containerize-status").get_by_text("Running the notebook").wait_for()
    view.button("cancel").click()
    view.code("interrupted", timeout=BUILD_MS)
    assert view.page.locator(".jp-Containerize-status").count() == 0
    job = json.loads(max((jupyter.store / "jobs").glob("*/job.json")).read_text())
    with pytest.raises(ProcessLookupError):
        os.killpg(job["pid"], 0)
    assert view.button("build").is_enabled()


def test_two_notebooks_at_once_do_not_mix(jupyter, panel):
    one, other = panel(), panel()
    for view, name in ((one, "one"), (other, "other")):
        view.open(quick(jupyter, f"{name}.ipynb", f"print('this is {name}')"))
    one.build()
    other.build()
    for view, name in ((one, "one"), (other, "other")):
        assert view.verdict() == "verified"
        log = (jupyter.store / "runs" / view.run_id() / "log").read_text()
        assert f"this is {name}" in log
    one.view("Images")
    one.node.locator("[data-image]", has_text="other:latest").wait_for()  # whoever built it


# -- kernels that are not simply idle -----------------------------------------------------


def test_kernels_that_are_busy_restarted_or_gone(jupyter, panel, side_panel):
    view, go = panel(), jupyter.folder / "states-go.txt"
    view.open(
        quick(
            jupyter,
            "states.ipynb",
            side_panel.until_told(go, then="x = 3"),
            "print(x)",
        )
    )
    view.tab.run(0, wait=False)
    view.node.get_by_text("The kernel is busy").wait_for()
    view.build()
    view.node.get_by_text("the build begins when the cell has ended").wait_for()
    go.write_text("go")
    view.ended()
    assert view.node.locator('[data-state="running"]').count() == 0
    menu(view, "Kernel", "kernelmenu:restart")
    view.page.get_by_role("button", name="Confirm Kernel Restart").click()
    view.tab.until(lambda: view.button("build").is_enabled(), "the kernel is there again")
    view.build()
    assert view.verdict() == "verified"
    menu(view, "Kernel", "kernelmenu:shutdown")
    view.node.get_by_text("The notebook has no kernel").wait_for()
    assert view.button("build").is_enabled()


# -- models that are served ----------------------------------------------------------------


def test_a_function_is_served_and_tried_in_the_panel(browser, jupyter, panel):
    view = panel()
    source = "n = globals().get('n', 0) + 1\ndef times(x: float) -> float:\n    return n * x"
    view.open(quick(jupyter, "times.ipynb", source))
    for _ in range(2):  # run anew, the cell would give another function
        view.tab.run(0)
    view.view("Notebook")
    view.node.get_by_label("Serves a model").click()
    view.node.get_by_label(re.compile("name in the notebook")).fill("times")
    view.build()
    view.button("show-run").click(timeout=BUILD_MS)
    asked = view.node.get_by_label("A request to /predict, as JSON")
    view.tab.until(asked.input_value, "the example is there")
    asked.fill('{"inputs": {"x": 21}}')
    answer = view.node.get_by_role("region", name="Answer")

    def answered():
        """The service may still be starting: then the form says so, and the user asks again."""
        view.button("predict").click()
        view.page.wait_for_timeout(500)
        return answer.count() and "42" in answer.inner_text()

    view.tab.until(answered, "the service answers")
    view.node.get_by_text(re.compile("Memory: ")).wait_for()
    assert view.node.get_by_role("link", name=re.compile(r"127\.0\.0\.1:\d")).is_visible()
    log = view.node.get_by_role("region", name=re.compile(r"^Log, \d+ lines?$"))
    lines = log.get_attribute("aria-label")
    view.button("predict").click()
    view.tab.until(lambda: log.get_attribute("aria-label") != lines, "the log is followed")
    view.tab.shot("panel-try-it")
    assert browser.barriers(view.tab, "#jupyter-containerize-panel") == []
    view.button("stop").click()
    view.node.locator("[data-run] .jp-mod-stopped").first.wait_for()


# -- what goes wrong, and its buttons -----------------------------------------------------


def test_a_secret_stops_the_build_and_a_button_allows_it(jupyter, panel):
    view = panel()
    key = "AKIA" + "QX7RB2MZ4KLP5TWD"
    view.open(quick(jupyter, "secret.ipynb", f"key = '{key}'\nprint(len(key))"))
    view.build()
    view.node.locator('[role="alert"]').first.wait_for(timeout=BUILD_MS)
    assert key not in view.node.inner_text()
    view.tab.shot("panel-secret")
    view.button("mend-allow-secret").click()
    assert view.verdict() == "verified"


def test_a_failed_proof_is_shown_side_by_side_and_mended_by_a_button(jupyter, panel):
    view = panel()
    view.open(
        quick(jupyter, "random.ipynb", "import random\nprint(random.random())", "print('same')")
    )
    view.tab.run(0)
    view.tab.run(1)
    view.build()
    assert view.verdict() == "failed"
    difference = view.node.locator(".jp-Containerize-difference")
    difference.get_by_text("In the container").wait_for()
    assert difference.get_attribute("data-cell") == "1"
    assert "no seed" in difference.inner_text()
    view.tab.shot("panel-not-verified")
    view.button("mend-tag").click()
    view.node.locator('[data-code="verdict-verified"]').wait_for(timeout=BUILD_MS)


def test_a_failing_cell_is_named_with_its_remedies(jupyter, panel):
    view = panel()
    view.open(quick(jupyter, "fails.ipynb", "print(1)", "1 / 0"))
    menu(view, "Run", "containerize:build")
    notice = view.code("cell-failed", timeout=BUILD_MS)
    assert "Cell 2" in notice.inner_text()
    notice.locator('[data-name="mend-show-cell"]').click()
    notice.locator('[data-name="mend-tag"]').first.click()
    assert view.verdict() == "verified"


def test_what_goes_in_is_shown_before_building(jupyter, panel):
    view = panel()
    (jupyter.folder / "numbers.csv").write_text("1\n2\n")
    view.open(quick(jupyter, "plan.ipynb", "import json\nprint(open('numbers.csv').read())"))
    view.page.keyboard.press("Control+Shift+c")
    view.page.locator(".lm-CommandPalette-input").fill("what goes into the image")
    view.page.keyboard.press("Enter")
    view.node.get_by_text(re.compile(r"Packages \(\d+\)")).first.wait_for(
        state="attached", timeout=BUILD_MS
    )
    view.node.get_by_role("searchbox").fill("ipython")
    view.node.get_by_text("ipython", exact=True).first.wait_for()
    view.tab.shot("panel-plan")
    view.node.get_by_role("searchbox").fill("")
    view.node.get_by_role("combobox").select_option("files")
    view.node.get_by_text("numbers.csv").first.wait_for()


def test_cells_are_tagged_from_their_toolbar(jupyter, panel):
    view = panel()
    view.open(quick(jupyter, "tags.ipynb", "n = 1"))
    view.tab.cell(0).locator(".cm-content").click()
    view.page.locator('.jp-cell-toolbar [data-command="containerize:tag-menu"]').click()
    view.page.locator(".lm-Menu").get_by_text("Tag: parameters").click()
    view.tab.save()
    path = jupyter.folder / "tags.ipynb"
    view.tab.until(lambda: '"parameters"' in path.read_text(), "the tag is saved")


@pytest.mark.parametrize("what", ["no-server-extension", "store-too-new"])
def test_a_server_that_cannot_help_says_why(browser, panel_environment, panel, environment, what):
    place = Path(tempfile.mkdtemp(prefix=f"containerize-{what}-"))
    (place / ".store").mkdir()
    (place / ".store" / "store.json").write_text('{"version": 99}')
    off = "--ServerApp.jpserver_extensions={'jupyter_containerize': False}"
    with browser.front_end(
        panel_environment, place, kernel=environment("bare"),
        arguments=[off] if what == "no-server-extension" else [],
    ) as started:  # fmt: skip
        started.save("x.ipynb", ["1"])
        view = panel()
        view.open(started.address("x.ipynb"))
        assert view.code(what).get_by_role("button", name="Try again").is_visible()
    shutil.rmtree(place, ignore_errors=True)


def test_a_server_that_goes_and_comes_again_loses_no_job(
    browser, panel_environment, environment, panel, side_panel
):
    place = Path(tempfile.mkdtemp(prefix="containerize-gone-"))
    with browser.front_end(panel_environment, place, kernel=environment("bare")) as started:
        started.save("gone.ipynb", [side_panel.until_told(place / "gone-go.txt")])
        view = panel()
        view.open(started.address("gone.ipynb"))
        view.build()
        view.node.get_by_text("Running the notebook").wait_for()
        started.kill()
        view.code("disconnected")
        view.tab.shot("panel-disconnected")
        (place / "gone-go.txt").write_text("go")
        started.start()
        assert view.verdict() == "verified"
        view.node.locator('[data-code="disconnected"]').wait_for(state="detached")
    shutil.rmtree(place, ignore_errors=True)


# -- other places, other people -----------------------------------------------------------


def test_notebook_7(jupyter, panel):
    view = panel()
    view.tab.open(quick(jupyter, "seven.ipynb", "print(7)").replace("lab/tree", "notebooks"))
    view.page.locator('[data-command="containerize:build"]').first.click()
    assert view.verdict() == "verified"
    view.tab.shot("panel-notebook-7")


def test_no_view_has_a_barrier_in_either_theme_and_the_keyboard_suffices(browser, jupyter, panel):
    """Every view, narrow, with things in it, through axe; screenshots are kept to look at."""
    view = panel(width=1200)
    view.open(quick(jupyter, "views.ipynb", "import random\nprint(random.random())"))
    view.tab.until(lambda: view.width() > 320, "it opens wide enough to be read")
    view.tab.shot("panel-opened")
    view.narrow()
    view.tab.run(0)
    view.button("build").focus()
    view.page.keyboard.press("Enter")
    assert view.verdict() == "failed"
    view.view("Notebook")
    view.button("plan").click()
    view.node.get_by_text(re.compile(r"Packages \(\d+\)")).first.wait_for(state="attached")
    view.node.get_by_role("tab", name=TABS[-1], exact=True).click()
    found = []
    for theme in ("light", "dark"):
        if theme == "dark":
            view.page.keyboard.press("Escape")
            view.page.get_by_role("menuitem", name="Settings", exact=True).click()
            view.page.get_by_text("Theme", exact=True).hover()
            view.page.get_by_text("JupyterLab Dark", exact=True).click()
            view.page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
            view.node.get_by_role("tab", name=TABS[-1], exact=True).focus()
        for name in TABS:
            view.page.keyboard.press("ArrowRight")
            tab = view.node.get_by_role("tab", name=name, exact=True)
            assert tab.get_attribute("aria-selected") == "true"
            assert view.page.evaluate("document.activeElement.textContent") == name
            log = view.node.get_by_role("region", name=re.compile(r"^Log, \d"))
            if name == "Runs" and not log.count():
                view.node.locator("[data-run]").first.click()
                log.wait_for()
                tab.focus()
            if name in ("Build", "Cluster"):
                view.node.get_by_role("button", name="Look again").first.wait_for()
            if name == "Build" and theme == "light":
                why = view.node.locator('[data-code="cannot-kubernetes"]')
                why.locator("summary").click()
                assert "kubeconfig" in why.inner_text(), "why there is no cluster, and what to do"
                tab.focus()
            view.tab.shot(f"panel-{theme}-{name.lower()}")
            told = browser.barriers(view.tab, "#jupyter-containerize-panel")
            found += [f"{theme} {name}: {one}" for one in told]
            if view.cut():
                found.append(f"{theme} {name}: {view.cut()} px are cut off")
    assert not found, "\n".join(found)


# -- many ----------------------------------------------------------------------------------


def test_two_hundred_runs_and_a_log_of_a_million_lines(jupyter, panel, side_panel):
    view = panel()
    view.open(quick(jupyter, "many.ipynb", "print('many')"))
    view.build()
    assert view.verdict() == "verified"
    side_panel.many_runs(jupyter.store, view.run_id(), 200, 1_000_000)
    view.reload()
    view.view("Runs")
    listed = view.node.get_by_role("region", name="Runs", exact=True)
    view.node.locator('[data-run="many0199"]').first.wait_for()
    told = listed.evaluate(side_panel.SCROLL)
    assert told["rows"] <= 200
    listed.evaluate("element => { element.scrollTop = 0 }")
    view.node.locator('[data-run="many0199"]').first.click()
    log = view.node.get_by_role("region", name="Log, 1000000 lines")
    log.wait_for()
    view.node.get_by_text("line 999999 of the log").wait_for()
    told_log = log.evaluate(side_panel.SCROLL)
    assert told_log["rows"] <= 200
    view.node.get_by_role("searchbox").fill("line 500123 of")
    begun = time.monotonic()
    view.page.keyboard.press("Enter")
    view.node.get_by_text("line 500123 of the log").wait_for()
    print(f"runs: {told}, log: {told_log}, search: {time.monotonic() - begun:.2f} s")
    view.tab.shot("panel-log")


def test_the_panel_is_small():
    static = ROOT / "jupyter_containerize" / "labextension" / "static"
    size = sum(len(gzip.compress(path.read_bytes(), 9)) for path in static.glob("*.js"))
    print(f"minified and compressed: {size / 1000:.1f} kB")
    assert size <= 150_000
