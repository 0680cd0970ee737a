"""One snapshot's whole plan, line by line: what changes here changes everybody's layers.

`UPDATE_GOLDEN=1 pytest tests/golden` writes the file anew; read the difference.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from jupyter_containerize._version import __version__
from jupyter_containerize.model.codec import dumps, to_json
from jupyter_containerize.model.plan import InlineContent
from jupyter_containerize.planning import plan

HERE = Path(__file__).parent
GOLDEN = HERE / "plan.txt"


def made_up():
    """The made-up kernel of the unit tests."""
    path = HERE.parent / "unit" / "planning" / "conftest.py"
    spec = importlib.util.spec_from_file_location("planning_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.made_up(), module.OPTIONS


def lines(image_plan):
    """Yield the plan as a person reads it."""
    yield f"{image_plan.name} {image_plan.kind.value} {image_plan.platform} {image_plan.created}"
    for layer in image_plan.layers:
        yield f"\n{layer.kind.value}: {layer.title} ({', '.join(layer.contains)})"
        for entry in layer.entries:
            owner = "user" if entry.group_writable else "root"
            content = to_json(entry.content)
            if isinstance(entry.content, InlineContent):
                content = {"is": "inline", "lines": entry.content.text.count("\n")}
            yield f"  {entry.mode:4o} {owner} {entry.target} {dumps(content).decode()}"
    yield "\nconfig"
    for name, value in to_json(image_plan.config).items():
        yield f"  {name}: {dumps(value).decode()}"


def test_the_plan_is_as_it_was():
    snapshot, options = made_up()
    text = "\n".join(lines(plan(snapshot, options))) + "\n"
    text = text.replace(f'"{__version__}"', '"VERSION"')
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
