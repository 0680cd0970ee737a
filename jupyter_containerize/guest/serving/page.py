"""The page at `/` and the one at `/docs`: plain HTML with their style and script inside."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import Any

from .artifact import Artifact, Tensor
from .openapi import example_of
from .values import kind_of

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1c2024; --dim: #5f6770; --line: #d9dee3;
  --field: #f6f8fa; --accent: #0b62c4; --on-accent: #fff; --bad: #b3261e; --good: #1a7431; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181b; --text: #e4e7ea; --dim: #9aa3ac;
  --line: #33393f; --field: #1e2327; --accent: #6cb0ff; --on-accent: #10151a; --bad: #ff8a80; --good: #7bd88f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--ground);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; } .dim { color: var(--dim); }
a { color: var(--accent); } nav a { margin-right: 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .35rem .75rem .35rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; } th { font-weight: 600; color: var(--dim); }
code, textarea, pre { font: 14px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
td code { white-space: nowrap; } pre:empty { display: none; }
textarea, pre { width: 100%; margin: 0; padding: .75rem; border: 1px solid var(--line); border-radius: 6px;
  background: var(--field); color: var(--text); }
textarea { resize: vertical; min-height: 9rem; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.bar { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; margin: .75rem 0; }
button { font: inherit; padding: .4rem 1rem; border-radius: 6px; border: 1px solid var(--line);
  background: var(--field); color: var(--text); cursor: pointer; }
button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
button:focus-visible, textarea:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.bad { color: var(--bad); } .good { color: var(--good); }
section.operation { border-top: 1px solid var(--line); margin-top: 1.5rem; } section.operation h2 { margin-top: 1rem; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--accent); }
.method { display: inline-block; min-width: 3.5rem; font-weight: 700; color: var(--dim); }
"""

_SCRIPT = """
"use strict";
const box = document.getElementById("body"), out = document.getElementById("answer"),
  state = document.getElementById("state"), line = document.getElementById("curl");
const url = new URL("predict", document.baseURI).href;
function curl() {
  let text = box.value;
  try { text = JSON.stringify(JSON.parse(text)); } catch { /* shown as it is */ }
  line.textContent = "curl " + url + " -H 'Content-Type: application/json' -d '" +
    text.replaceAll("'", "'\\\\''") + "'";
}
async function send() {
  state.textContent = "…"; state.className = "dim";
  const started = performance.now();
  try {
    const answer = await fetch(url, { method: "POST", body: box.value,
      headers: { "Content-Type": "application/json" } });
    const text = await answer.text(), ms = performance.now() - started;
    state.textContent = answer.status + " " + answer.statusText + " in " + ms.toFixed(1) + " ms";
    state.className = answer.ok ? "good" : "bad";
    try { out.textContent = JSON.stringify(JSON.parse(text), null, 1); } catch { out.textContent = text; }
  } catch (error) {
    state.textContent = "No answer: " + error.message; state.className = "bad"; out.textContent = "";
  }
}
async function copy() {
  const button = document.getElementById("copy");
  try { await navigator.clipboard.writeText(line.textContent); button.textContent = "Copied"; }
  catch { getSelection().selectAllChildren(line); button.textContent = "Selected: press Ctrl+C"; }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}
box.addEventListener("input", curl);
box.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
});
document.getElementById("send").addEventListener("click", send);
document.getElementById("copy").addEventListener("click", copy);
curl();
"""


def _digest(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


#: Nothing but what is in the page itself may run, and it may talk to this service only.
_POLICY = (
    "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    f"style-src {_digest(_STYLE)}; script-src {_digest(_SCRIPT)}"
)
HEADERS = (
    f"Content-Security-Policy: {_POLICY}",
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: no-referrer",
)


def front(artifact: Artifact) -> bytes:
    """Return the page with the signature, a form and the `curl` line."""
    example = example_of(artifact)
    note = ""
    if example is None:
        example = {"inputs": {one.name: [] for one in artifact.inputs}}
        note = '<p class="dim">The inputs are too large to be shown here whole.</p>'
    text = json.dumps(example, ensure_ascii=False)
    if len(text) > 100:  # noqa: PLR2004 - a line's worth
        text = _spread(example)
    body = f"""
<h1>{escape(artifact.name)}</h1>
<p class="dim">{escape(artifact.framework)}</p>
<nav><a href="docs">API</a><a href="metrics">Metrics</a><a href="openapi.json">OpenAPI</a></nav>
<h2>Inputs</h2>{_table(artifact, artifact.inputs)}
<h2>Outputs</h2>{_table(artifact, artifact.outputs)}
<h2><label for="body">Try it</label></h2>{note}
<textarea id="body" spellcheck="false" rows="{min(text.count(chr(10)) + 2, 24)}">{escape(text)}</textarea>
<div class="bar"><button class="main" id="send" title="Ctrl+Enter">Send</button><span id="state" role="status"></span></div>
<pre id="answer" aria-live="polite" aria-label="Answer"></pre>
<h2>From a terminal</h2>
<pre id="curl"></pre>
<div class="bar"><button id="copy">Copy</button></div>
<script>{_SCRIPT}</script>"""
    return _page(artifact.name, body)


def _spread(example: Any) -> str:
    """Return JSON with a line for each row or input, which people can edit."""
    if isinstance(example, list):
        example = {"rows": example}
    (form, value), *_ = example.items()
    if isinstance(value, list):
        rows = ",\n".join(f"  {_row(one)}" for one in value)
        return f'{{"{form}": [\n{rows}\n]}}'
    inputs = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in value.items())
    return f'{{"{form}": {{\n{inputs}\n}}}}'


def _row(row: Any) -> str:
    if not isinstance(row, dict):
        return json.dumps(row, ensure_ascii=False)
    return (
        "{"
        + ",\n   ".join(
            f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
            for name, value in row.items()
        )
        + "}"
    )


def _table(artifact: Artifact, tensors: tuple[Tensor, ...]) -> str:
    if not tensors:
        return '<p class="dim">none</p>'
    lines = []
    for tensor in tensors:
        shape = (
            " by ".join("any" if size < 0 else str(size) for size in tensor.shape) or "one value"
        )
        if artifact.stacked and len(tensor.shape) == 1:
            shape = "one a row"
        told = kind_of(tensor)
        if tensor.categories:
            known = ", ".join(str(one) for one in tensor.categories[:12])
            told += f"; known: {known}" + (", …" if len(tensor.categories) > 12 else "")  # noqa: PLR2004
        lines.append(
            f"<tr><td><code>{escape(tensor.name)}</code></td><td>{tensor.datatype}</td>"
            f"<td>{shape}</td><td>{escape(told)}</td></tr>"
        )
    head = "<tr><th>name</th><th>datatype</th><th>shape</th><th>values</th></tr>"
    return f'<div class="scroll"><table>{head}{"".join(lines)}</table></div>'


def reference(artifact: Artifact, document: dict[str, Any]) -> bytes:
    """Return the OpenAPI document as a page."""
    sections = [
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    body = f"""
<h1>{escape(artifact.name)}: API</h1>
<p class="dim">{escape(document["info"]["description"])}</p>
<nav><a href="./">Try it</a><a href="metrics">Metrics</a><a href="openapi.json">openapi.json</a></nav>
{"".join(sections)}
<section class="operation"><h2>Problem</h2><p>What every error answers with.</p>
{_schema("schema", document["components"]["schemas"]["Problem"])}</section>"""
    return _page(f"{artifact.name}: API", body)


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    head = f'<span class="method">{method.upper()}</span> <code>{escape(path)}</code>'
    summary = escape(operation["summary"])
    parts = [f'<section class="operation"><h2>{head}</h2><p>{summary}.</p>']
    if "description" in operation:
        parts.append(f"<p>{escape(operation['description'])}</p>")
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(_schema(f"Request: {kind}", media["schema"]))
        if "example" in media:
            text = json.dumps(media["example"], ensure_ascii=False)
            parts.append(f"<p>For example:</p><pre>{escape(text)}</pre>")
    rows = "".join(
        f"<tr><td>{status}</td><td>{escape(answer['description'])}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    parts.append(
        f'<div class="scroll"><table><tr><th>status</th><th>means</th></tr>{rows}</table></div>'
    )
    for kind, media in operation["responses"]["200"].get("content", {}).items():
        if media["schema"].get("type") != "string":
            parts.append(_schema(f"Answer: {kind}", media["schema"]))
    return "".join(parts) + "</section>"


def _schema(title: str, schema: dict[str, Any]) -> str:
    text = json.dumps(schema, indent=1, ensure_ascii=False)
    return f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"


def _page(title: str, body: str) -> bytes:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    ).encode()
