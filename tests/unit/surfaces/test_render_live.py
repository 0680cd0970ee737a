from __future__ import annotations

import io

import pytest

from jupyter_containerize.model.event import (
    FindingRaised,
    LayerDone,
    LogLine,
    Progress,
    Result,
    StepFinished,
    StepStarted,
)
from jupyter_containerize.model.reasons import Finding, Severity
from jupyter_containerize.surfaces.render import html
from jupyter_containerize.surfaces.render.live import Live
from jupyter_containerize.surfaces.render.progress import Standing

EVENTS = [
    StepStarted("capture", "Looking"),
    Progress("capture", "cell 1", 0, 2, "cells"),
    FindingRaised(Finding("odd", Severity.WARNING, "It is odd.", fix="Make it even.", cell=2)),
    FindingRaised(Finding("dull", Severity.INFO, "It is dull.")),
    StepFinished("capture", 1.5, "2 cells"),
    StepStarted("build", "Building"),
    Progress("build", "tensorflow <b>\x1b[31m", 600_000_000, 1_200_000_000),
    LayerDone("tensorflow", "sha256:1", 1_200_000_000, reused=False, seconds=3.0),
    LayerDone("base", "sha256:2", 70_000_000, reused=True),
    StepFinished("build", 3.1, "2 layers"),
    StepStarted("run", "Running"),
    LogLine("no line end"),
    StepFinished("run", 1.0, "succeeded"),
    Result("build", {}),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(stream):
    with Live(stream) as live:
        for event in EVENTS:
            live.emit(event)
    return stream.getvalue()


def test_plain_lines_where_there_is_no_terminal():
    text = shown(io.StringIO())
    assert text == (
        "Looking ...\n"
        "! cell 2: It is odd. [odd]\n"
        "  fix: Make it even.\n"
        "✓ Looking: 2 cells (1.5 s)\n"
        "Building ...\n"
        "  tensorflow: 1.20 GB, written in 3.0 s\n"
        "  base: 70.0 MB, there already\n"
        "✓ Building: 2 layers (3.1 s)\n"
        "Running ...\n"
        "no line end\n"
        "✓ Running: succeeded (1.0 s)\n"
    )


def test_a_bar_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("jupyter_containerize.surfaces.render.live._REDRAW_S", 0)
    text = shown(Terminal())
    assert "████████████░░░░░░░░░░░░ 600 MB of 1.20 GB" in text
    assert "\x1b[32m✓\x1b[0m" in text
    assert "tensorflow <b>\x1b[31m" not in text, "names must not steer the terminal"
    bars = [part for part in text.split("\r\x1b[K") if "█" in part or "░" in part]
    assert all(len(bar.splitlines()[0]) < 70 for bar in bars)
    assert "\n" not in bars[0], "the bar is redrawn, it adds no lines"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_when_not_wanted(monkeypatch, name, value):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    assert "\x1b[3" not in shown(Terminal())


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert "\r" not in shown(Terminal())


class Gone(io.StringIO):
    def write(self, _):
        raise BrokenPipeError


def test_a_reader_that_went_away_does_not_end_the_work():
    with Live(Gone()) as live:
        for event in EVENTS:
            live.emit(event)


def test_progress_as_html_is_escaped_and_has_no_script():
    standing = Standing()
    for event in EVENTS[:7]:
        standing.take(event)
    page = html.progress(standing)
    assert "tensorflow &lt;b&gt;" in page
    assert "<b>" not in page
    assert "\x1b" not in page
    assert "width:50%" in page
    assert "<script" not in page
