from __future__ import annotations

import html.parser

import pytest

from jupyter_containerize.surfaces.render import html as as_html
from jupyter_containerize.surfaces.render.results import blocks
from jupyter_containerize.surfaces.render.text import Style, render

EVIL = "<script>alert(1)</script>\x1b[31m&"
IMAGE = {
    "digest": "sha256:" + "a" * 64,
    "id": "a" * 12,
    "names": ["keras:latest"],
    "kind": "training",
    "notebook": EVIL,
    "created": "1970-01-01T00:00:00Z",
    "built_at": 1.0,
    "size_bytes": 1_500_000_000,
    "layers": 2,
    "verdict": "verified",
}
LAYERS = [
    {"title": "base", "kind": "base", "size_bytes": 70_000_000, "reused": True, "digest": "x"},
    {"title": EVIL, "kind": "data", "size_bytes": 5, "reused": False, "digest": "y"},
]
RUN = {
    "id": "r1",
    "image": "keras:latest",
    "state": "failed",
    "exit_code": 1,
    "started_at": 10.0,
    "ended_at": 13.0,
    "outputs": "/out",
    "isolation": "bubblewrap",
    "limits_by": "cgroup",
    "endpoint": "",
    "reason": "out of memory",
}
CELL = {
    "id": "c",
    "number": 2,
    "outcome": "different",
    "expected": "0.5",
    "actual": EVIL,
    "detail": "The text differs.",
    "cause": "No seed is set.",
    "fix": "Set a seed.",
}
VERDICT = {"state": "failed", "reason": "1 cell differs", "cells": [CELL], "image": "i", "run": "r"}
FINDING = {
    "code": "odd",
    "severity": "warning",
    "what": EVIL,
    "cell": 1,
    "line": None,
    "path": None,
}
FILE = {
    "path": EVIL,
    "what": "data",
    "size_bytes": 5,
    "reasons": ["opened by cell 2"],
    "layer": "x",
}
CONTENT = {
    "notebook": {"name": "n", "path": "/n.ipynb", "cells": 2, "mode": "live"},
    "python": "3.11.0",
    "snapshot": "sha256:1",
    "packages": [
        {
            "name": "numpy",
            "version": "2.0",
            "size_bytes": 60_000_000,
            "origin": "index",
            "from": "",
            "reasons": ["imported by cell 1", "required by pandas", "required by scipy"],
            "layer": "numpy",
        }
    ],
    "files": [FILE],
    "libraries": [{**FILE, "name": "libz.so.1", "package": "zlib1g"}],
    "executables": [{**FILE, "name": "ls", "package": "coreutils"}],
    "system": [
        {"name": "loader", "files": 3, "size_bytes": 9, "reasons": ["required by x"], "layer": ""}
    ],
    "environment": [{"name": "LANG", "value": None, "reasons": ["read by cell 1"]}],
    "parameters": [{"name": "epochs", "default": "5", "type": "int"}],
    "findings": [FINDING],
    "layers": LAYERS,
    "config": {"user": "1000:0", "entrypoint": ["python", EVIL]},
    "platform": "linux/amd64",
}
COUNTS = {
    "cells": 2,
    "packages": 33,
    "data_files": 1,
    "local_code": 0,
    "libraries": 4,
    "executables": 0,
}
CHECK = {"name": "sandbox", "works": False, "what": "It does not.", "why": "So.", "fix": EVIL}

RESULTS = {
    "build": {
        "image": IMAGE,
        "layers": LAYERS,
        "contents": COUNTS,
        "findings": [FINDING],
        "parameters": CONTENT["parameters"],
        "output": "",
        "run": RUN,
        "verdict": VERDICT,
    },
    "plan": {**CONTENT, "name": "keras:latest", "base": "host"},
    "inspect": {**CONTENT, "image": IMAGE},
    "run": {"run": RUN},
    "runs": {"runs": [RUN]},
    "logs": {"run": RUN},
    "stop": {"run": RUN},
    "verify": {"image": IMAGE, "verdict": VERDICT},
    "serve": {
        "image": IMAGE,
        "layers": LAYERS,
        "model": {
            "name": "m",
            "expression": EVIL,
            "adapter": "keras",
            "framework": "keras",
            "framework_version": "3.0",
        },
        "signature": {
            "inputs": [
                {"name": EVIL, "dtype": "FP32", "shape": [-1, 4]},
                {"name": "flat", "dtype": "JSON", "shape": [], "schema": {"type": "object"}},
            ],
            "outputs": [{"name": "y", "dtype": "FP32", "shape": [-1]}],
        },
        "packages": ["numpy 2.0"],
        "findings": [],
        "output": "",
        "verdict": {**VERDICT, "state": "verified", "cells": []},
        "compiled": {
            "used": False,
            "reason": "",
            "plain": {
                "image_bytes": 1_500_000_000,
                "load_cpu_s": 3.52,
                "memory_bytes": 600_000_000,
                "calls_per_cpu_s": 90.0,
            },
            "copy": {
                "image_bytes": 174_000_000,
                "load_cpu_s": 0.21,
                "memory_bytes": 65_000_000,
                "calls_per_cpu_s": 2160.0,
            },
        },
    },
    "ls": {"store": "/s", "images": [IMAGE]},
    "rm": {"removed": [{"what": "run", "name": EVIL}]},
    "tag": {"image": IMAGE},
    "gc": {"freed": {"size_bytes": 10, "images": 1, "blobs": 2, "folders": 0}},
    "validate": {"name": "a:1"},
    "diff": {
        "old": IMAGE,
        "new": IMAGE,
        "packages": [{"name": "numpy", "old": "1.0", "new": "2.0"}],
        "files": [{"name": EVIL, "old": "", "new": "abc"}],
        "cells": [{"number": 2, "change": "changed", "lines": ["-x = 1", "+x = 2"]}],
        "layers": [{"title": "cells", "size_bytes": 5}],
        "new_bytes": 5,
    },
    "doctor": {
        "machine": {
            "system": "Linux",
            "release": "6",
            "machine": "x86_64",
            "python": "3.11",
            "executable": "/python",
        },
        "platform": [{**CHECK, "works": True}],
        "builders": [CHECK],
        "runtimes": [CHECK],
        "store": [CHECK],
        "notebook": [],
        "suits": {"builder": "daemonless", "runtime": ""},
    },
}


class Balanced(html.parser.HTMLParser):
    """Fails for a tag that is not closed, and collects what is not allowed."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.seen = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("command", RESULTS)
def test_every_result_is_shown_as_text_that_fits(command):
    text = render(blocks(command, RESULTS[command]), Style(width=100))
    assert "\x1b" not in text
    assert all(len(line) <= 100 or "  " not in line[50:] for line in text.splitlines())


@pytest.mark.parametrize("command", RESULTS)
def test_every_result_is_html_without_script_and_style(command):
    page = as_html.page(blocks(command, RESULTS[command]))
    parser = Balanced()
    parser.feed(page)
    assert not parser.open
    assert not parser.seen & {"script", "style", "link", "iframe", "img"}
    assert "\x1b" not in page


def test_a_failed_verdict_shows_both_sides_the_cause_and_the_cure():
    text = render(blocks("verify", RESULTS["verify"]), Style())
    assert text.startswith("✗ Not verified")
    for part in ("cell 2 in the notebook", "0.5", "cell 2 in the image", "No seed", "Set a seed"):
        assert part in text


def test_a_run_that_failed_says_how_and_why():
    text = render(blocks("run", RESULTS["run"]), Style())
    assert text.startswith("✗ Run r1 failed after 3.0 s, exit code 1.\n  why: out of memory")
    assert "/out" in text


def test_serve_tells_what_is_taken_and_what_a_copy_would_save():
    text = render(blocks("serve", RESULTS["serve"]), Style(width=400))
    assert "FP32 nx4, flat JSON object" in text
    assert "--compile onnx" in text
    assert (
        "image 1.50 GB -> 174 MB, CPU until ready 3.5 s -> 0.2 s, memory 600 MB -> 65.0 MB, "
        "answers a CPU second 90 -> 2160" in text
    )
    without = {**RESULTS["serve"], "compiled": {"used": False, "reason": "no converter"}}
    assert "--compile" not in render(blocks("serve", without), Style(width=400))


def test_inspect_tells_why_and_where():
    text = render(blocks("inspect", RESULTS["inspect"]), Style(width=200))
    assert "imported by cell 1, required by pandas and 1 more" in text
    for part in ("zlib1g", "opened by cell 2", "(name only)", "epochs", "1000:0"):
        assert part in text


def test_plan_tells_what_is_there_already():
    text = render(blocks("plan", RESULTS["plan"]), Style(width=200))
    assert "70.0 MB, of which 5 B must be written" in text
    assert "there" in text
    assert "new" in text


def test_empty_lists_say_what_to_do():
    assert "build NOTEBOOK" in render(blocks("ls", {"images": []}), Style())
    assert "run IMAGE" in render(blocks("runs", {"runs": []}), Style())
