"""The page at `/` in a real browser: its policy lets its own script run, and the form works."""

from __future__ import annotations

import html
import re
import shutil
import subprocess

import pytest


@pytest.fixture(scope="module")
def service(service_runs):
    tensor = service_runs.tensor
    run = service_runs.ServiceRun(
        "return {'score': [0.5] * len(inputs['age'])}",
        style="frame",
        name="chürn",
        inputs=[
            tensor("age", "FP64", [-1]),
            tensor("<b>city", "BYTES", [-1], categories=["Riga's", "</script>"]),
        ],
        outputs=[tensor("score", "FP64", [-1])],
    )
    with run:
        yield run.start(workers=1)


def test_the_page_runs_its_own_script_and_shows_names_as_they_are(service, require, tmp_path):
    chromium = shutil.which("chromium")
    require(chromium, "chromium")
    command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
               f"--user-data-dir={tmp_path}", f"http://127.0.0.1:{service.port}/"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    line = html.unescape(re.search(r'<pre id="curl">(.*?)</pre>', done.stdout, re.DOTALL).group(1))
    assert line.startswith(f"curl http://127.0.0.1:{service.port}/predict ")
    assert "<b>city" not in done.stdout.replace("&lt;b&gt;city", "").replace("<pre", "")
    shown = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert shown.stdout == '{"rows":[{"score":0.5}]}', (line, shown.stdout)


def test_pages_allow_nothing_from_elsewhere(service):
    for path in ("/", "/docs"):
        answer = service.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        found = re.findall(
            rb'(?:src|href)="(?!#|\./|docs|metrics|openapi\.json)[^"]*"', answer.body
        )
        assert not found
    assert service.get("/v2/models/ch%C3%BCrn").json["name"] == "chürn"
    assert service.get("/openapi.json").json["openapi"] == "3.1.0"
