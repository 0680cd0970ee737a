"""Each command's result as blocks: what a person wants to know first comes first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...model.plan import LABEL_MODEL, LABEL_SIGNATURE
from . import units
from .blocks import Block, Excerpt, Facts, Notice, Raw, Tone, finding_notice
from .contents import content_blocks, layer_table
from .registries import push_blocks, remote_blocks
from .table import Table
from .verdicts import verdict_blocks

Data = Mapping[str, Any]


def blocks(command: str, data: Data) -> list[Block]:
    """Return the result of `command` as blocks."""
    return _VIEWS[command](data)


def _build(data: Data) -> list[Block]:
    image = data["image"]
    fresh = [layer for layer in data["layers"] if not layer["reused"]]
    facts = (
        ("image", image["names"][0] if image["names"] else image["id"]),
        ("digest", image["digest"]),
        ("platforms", ", ".join(data.get("index", ()))),
        ("size", f"{units.size(image['size_bytes'])} in {units.number(image['layers'], 'layer')}"),
        (
            "new",
            _fresh(fresh, len(data["layers"])),
        ),
        ("contains", _contents(data["contents"])),
        ("parameters", ", ".join(f"{p['name']}={p['default']}" for p in data["parameters"])),
        ("written to", data["output"]),
        ("in the engine", _engine(data.get("engine"))),
    )
    parts: list[Block] = [Facts(facts)]
    if data.get("run"):
        parts += _run(data)
    if data.get("verdict"):
        parts += verdict_blocks(data["verdict"])
    return parts


def _engine(loaded: Data | None) -> str:
    return f"{loaded['engine']} at {loaded['address']}" if loaded else ""


def _fresh(fresh: list[Data], total: int) -> str:
    if not fresh:
        return "nothing: all layers were there already"
    amount = units.size(sum(layer["size_bytes"] for layer in fresh))
    if len(fresh) == total:
        return amount
    return f"{amount} in {units.number(len(fresh), 'layer')}, the others were there already"


def _contents(counts: Mapping[str, int]) -> str:
    words = (
        units.number(counts["cells"], "cell"),
        units.number(counts["packages"], "package"),
        units.number(counts["data_files"], "data file"),
        units.number(counts["local_code"], "local module"),
        units.number(counts["libraries"], "library", "libraries"),
        units.number(counts["executables"], "program"),
    )
    return ", ".join(word for word in words if not word.startswith("0 "))


def _plan(data: Data) -> list[Block]:
    total = sum(layer["size_bytes"] for layer in data["layers"])
    fresh = sum(layer["size_bytes"] for layer in data["layers"] if not layer["reused"])
    facts = (
        ("image", data["name"]),
        ("notebook", data["notebook"]["path"] or data["notebook"]["name"]),
        ("base", data["base"]),
        ("platform", data["platform"]),
        ("size", f"{units.size(total)}, of which {units.size(fresh)} must be written"),
    )
    notices = [finding_notice(item) for item in data["findings"]]
    return [Facts(facts), layer_table(data["layers"]), *content_blocks(data), *notices]


def _inspect(data: Data) -> list[Block]:
    if "document" in data:
        return [Raw(json.dumps(data["document"]))]
    if "remote" in data:
        return remote_blocks(data)
    image = data["image"]
    facts = (
        ("image", ", ".join(image["names"])),
        ("digest", image["digest"]),
        ("platform", data["platform"]),
        ("notebook", data.get("notebook", {}).get("path") or image["notebook"]),
        ("python", data.get("python", "")),
        ("snapshot", data.get("snapshot", "")),
        ("size", f"{units.size(image['size_bytes'])} in {units.number(image['layers'], 'layer')}"),
        ("verdict", image["verdict"] or "not verified yet"),
        ("user", data["config"]["user"]),
        ("runs", " ".join(data["config"]["entrypoint"])),
        ("serves", _served(data["config"].get("labels", {}))),
    )
    notices = [finding_notice(item) for item in data.get("findings", ())]
    return [Facts(facts), layer_table(data["layers"]), *content_blocks(data), *notices]


def _served(labels: Mapping[str, str]) -> str:
    """Return what an inference image serves, and what that takes and gives."""
    if LABEL_MODEL not in labels:
        return ""
    model, signature = json.loads(labels[LABEL_MODEL]), json.loads(labels[LABEL_SIGNATURE])
    framework = f"{model['framework']} {model['framework_version']}".strip()
    taken, given = _fields(signature["inputs"]), _fields(signature["outputs"])
    return f"{model['expression']} ({framework}): takes {taken}; gives {given}"


def _run(data: Data) -> list[Block]:
    run = data["run"]
    state = run["state"]
    tone = {"succeeded": Tone.GOOD, "failed": Tone.BAD, "lost": Tone.BAD}.get(state, Tone.INFO)
    took = _took(run)
    what = f"Run {run['id']} {state}{f' after {took}' if took else ''}"
    if state in ("created", "starting", "running"):
        what = f"Run {run['id']} is {'running' if state == 'running' else 'starting'}"
    if run["exit_code"]:
        what += f", exit code {run['exit_code']}"
    facts = (
        ("outputs", run["outputs"]),
        ("isolation", run["isolation"] or ""),
        ("limits by", run["limits_by"]),
        ("endpoint", run["endpoint"]),
    )
    return [Notice(tone, f"{what}.", run["reason"]), *_sweep(data.get("sweep")), Facts(facts)]


def _sweep(rows: list[dict[str, Any]] | None) -> list[Block]:
    """Return a sweep's results as one table; columns in the order in which rows first have them."""
    if not rows:
        return []
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = tuple(
        tuple("" if row.get(name) is None else str(row[name]) for name in names) for row in rows
    )
    return [Table(tuple(name.upper() for name in names), cells)]


def _took(run: Data) -> str:
    if not run["started_at"] or not run["ended_at"]:
        return ""
    return units.seconds(run["ended_at"] - run["started_at"])


def _runs(data: Data) -> list[Block]:
    rows = tuple(
        (
            run["id"],
            run["image"],
            run["state"],
            "" if run["exit_code"] is None else str(run["exit_code"]),
            units.age(run["started_at"]),
            _took(run),
            run["isolation"] or "",
            run["reason"],
        )
        for run in data["runs"]
    )
    services = [run for run in data["runs"] if run.get("service")]
    if not rows:
        return [Notice(Tone.INFO, "There is no run yet.", fix="Start one with `run IMAGE`.")]
    headings = ("RUN", "IMAGE", "STATE", "EXIT", "STARTED", "TOOK", "ISOLATION", "REASON")
    return [
        Table(headings, rows, right=frozenset({3})),
        *([_services(services)] if services else []),
    ]


def _services(runs: Sequence[Data]) -> Table:
    """Return what running services tell: where they are, how much they are asked, how quick they are."""
    rows = tuple(
        (
            run["id"],
            run["endpoint"],
            str(run["service"]["requests"]),
            f"{run['service']['per_s']:.1f}/s",
            _below(run["service"]["p50_s"]),
            _below(run["service"]["p99_s"]),
        )
        for run in runs
    )
    headings = ("RUN", "ENDPOINT", "REQUESTS", "RATE", "HALF WITHIN", "99 % WITHIN")
    return Table(headings, rows, "Services", frozenset({2, 3, 4, 5}))


def _below(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:g} ms"


def _ls(data: Data) -> list[Block]:
    rows = tuple(
        (
            ", ".join(image["names"]) or "(no name)",
            image["id"],
            image["kind"],
            units.size(image["size_bytes"]),
            units.age(image["built_at"]),
            image["verdict"] or "not verified",
        )
        for image in data["images"]
    )
    if not rows:
        return [Notice(Tone.INFO, "There is no image yet.", fix="Make one with `build NOTEBOOK`.")]
    headings = ("IMAGE", "ID", "KIND", "SIZE", "BUILT", "VERDICT")
    return [Table(headings, rows, right=frozenset({3}))]


def _history(data: Data) -> list[Block]:
    rows = tuple(
        (
            str(one["number"]),
            one["image"],
            units.age(one["created_at"]),
            "serves now" if one["current"] else "",
        )
        for one in data["revisions"]
    )
    return [Table(("REVISION", "IMAGE", "MADE", ""), rows, right=frozenset({0}))]


def _export(data: Data) -> list[Block]:
    folder = data["folder"]
    if "helm" not in data:
        use = f"docker build -t {data['image']} {folder}"
        count = units.number(len(data["files"]), "file")
        return [Notice(Tone.GOOD, f"Wrote {folder}."), Facts((("files", count), ("use", use)))]
    use = f"helm install NAME {folder}" if data["helm"] else f"kubectl apply -k {folder}"
    files = ", ".join(data["files"])
    return [Notice(Tone.GOOD, f"Wrote {folder}."), Facts((("files", files), ("use", use)))]


def _verify(data: Data) -> list[Block]:
    return verdict_blocks(data["verdict"])


def _diff(data: Data) -> list[Block]:
    parts: list[Block] = []
    for key, heading in (("packages", "PACKAGE"), ("files", "FILE")):
        rows = tuple((item["name"], item["old"] or "-", item["new"] or "-") for item in data[key])
        if rows:
            parts.append(Table((heading, "A", "B"), rows))
    parts += [
        Excerpt(f"cell {cell['number']} {cell['change']}", "\n".join(cell["lines"]))
        for cell in data["cells"]
    ]
    if not parts:
        parts.append(Notice(Tone.INFO, "Packages, cells and files are the same."))
    cost = f"B adds {units.size(data['new_bytes'])} to what A has"
    titles = ", ".join(layer["title"] for layer in data["layers"])
    return [*parts, Notice(Tone.INFO, f"{cost}: {titles}." if titles else f"{cost}.")]


def _rm(data: Data) -> list[Block]:
    return [
        Notice(Tone.GOOD, f"Removed {item['what']} {item['name']}.") for item in data["removed"]
    ]


def _tag(data: Data) -> list[Block]:
    image = data["image"]
    return [Notice(Tone.GOOD, f"{image['id']} is now {', '.join(image['names'])}.")]


def _gc(data: Data) -> list[Block]:
    freed = data["freed"]
    what = ", ".join(
        units.number(freed[key], key[:-1]) for key in ("images", "blobs", "folders") if freed[key]
    )
    sentence = f"Freed {units.size(freed['size_bytes'])}"
    return [Notice(Tone.GOOD, f"{sentence}: {what}." if what else f"{sentence}.")]


def _validate(data: Data) -> list[Block]:
    return [Notice(Tone.GOOD, f"{data['name']} is what its digests say.")]


def _doctor(data: Data) -> list[Block]:
    machine = data["machine"]
    facts = (
        ("machine", f"{machine['system']} {machine['release']} {machine['machine']}"),
        ("python", f"{machine['python']}, {machine['executable']}"),
    )
    parts: list[Block] = [Facts(facts)]
    for key in ("platform", "builders", "runtimes", "store", "notebook"):
        parts += [
            Notice(
                Tone.GOOD if check["works"] else Tone.WARNING,
                check["what"],
                check["why"],
                check["fix"],
                where=check["name"],
            )
            for check in data[key]
        ]
    suits = data["suits"]
    parts.append(
        Facts(
            (
                ("builder to use", suits["builder"] or "none works here"),
                ("runtime to use", suits["runtime"] or "none works here"),
            )
        )
    )
    return parts


def _nothing(_: Data) -> list[Block]:
    return []


def _serve(data: Data) -> list[Block]:
    image, model = data["image"], data["model"]
    framework = f"{model['framework']} {model['framework_version']}".strip()
    facts = (
        ("image", image["names"][0] if image["names"] else image["id"]),
        ("digest", image["digest"]),
        ("serves", f"{model['expression']} ({framework or model['adapter']})"),
        ("takes", _fields(data["signature"]["inputs"])),
        ("gives", _fields(data["signature"]["outputs"])),
        ("size", f"{units.size(image['size_bytes'])} in {units.number(image['layers'], 'layer')}"),
        ("contains", ", ".join(data["packages"]) or "nothing but Python"),
        ("written to", data["output"]),
        ("in the engine", _engine(data.get("engine"))),
    )
    parts: list[Block] = [Facts(facts)]
    if data.get("run"):
        parts += _run(data)
    return [*parts, *verdict_blocks(data["verdict"]), *_compiled(data["compiled"])]


def _compiled(data: Data) -> list[Block]:
    """Return what a copy for onnxruntime would save, where there is one."""
    copy, plain = data.get("copy"), data.get("plain")
    if not copy or not plain:
        return []
    told = (
        f"image {units.size(plain['image_bytes'])} -> {units.size(copy['image_bytes'])}",
        f"CPU until ready {plain['load_cpu_s']:.1f} s -> {copy['load_cpu_s']:.1f} s",
        f"memory {units.size(plain['memory_bytes'])} -> {units.size(copy['memory_bytes'])}",
        f"answers a CPU second {plain['calls_per_cpu_s']:.0f} -> {copy['calls_per_cpu_s']:.0f}",
    )
    what = "onnxruntime gives the same answers: --compile onnx would make it smaller and quicker."
    return [Notice(Tone.INFO, what, f"Measured: {', '.join(told)}.")]


_FIELDS_SHOWN = 8


def _fields(fields: Sequence[Data]) -> str:
    shown = [
        f"{one['name']} {one['dtype']} {one.get('schema', {}).get('type', '')}".rstrip()
        + (f" {'x'.join('n' if n < 0 else str(n) for n in one['shape'])}" if one["shape"] else "")
        for one in fields[:_FIELDS_SHOWN]
    ]
    more = len(fields) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


_VIEWS: dict[str, Callable[[Data], list[Block]]] = {
    "build": _build,
    "plan": _plan,
    "serve": _serve,
    "run": _run,
    "runs": _runs,
    "logs": _nothing,
    "stop": _run,
    "outputs": _run,
    "update": _run,
    "scale": _run,
    "rollback": _run,
    "forward": _nothing,
    "history": _history,
    "export": _export,
    "verify": _verify,
    "ls": _ls,
    "rm": _rm,
    "tag": _tag,
    "push": push_blocks,
    "gc": _gc,
    "validate": _validate,
    "inspect": _inspect,
    "diff": _diff,
    "doctor": _doctor,
}
