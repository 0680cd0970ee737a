"""What runs in a kernel, as text that any Python kernel can execute, leaving no name behind.

The probe stays; what saves an object for serving is gone again when it has done so.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it moved in 3.11, and is gone from here in 3.14
    from importlib.abc import Traversable

_PACKAGE = "_jupyter_containerize_probe"
#: In an order in which each needs only those before it.
_MODULES = (
    *("journal", "facts", "literals", "opened", "outputs", "watch", "wrappers", "recorder"),
    "",  # the package itself
)

_BOOTSTRAP = """
import sys, types
package = sys.modules.get(name)
if package is None:
    sys.modules[name] = package = types.ModuleType(name)
    package.__path__ = []
    try:
        for part, text in sources:
            module = package
            if part:
                module = sys.modules[name + "." + part] = types.ModuleType(name + "." + part)
                setattr(package, part, module)
            module.__package__ = name
            exec(compile(text, "<jupyter-containerize " + (part or "probe") + ">", "exec"), module.__dict__)
    except BaseException:
        for key in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
            del sys.modules[key]
        raise
from IPython import get_ipython
getattr(package, function)(*arguments, shell=get_ipython(), **options)
"""


def code(function: str, *arguments: object, **options: object) -> str:
    """Return Python source that calls the probe's `function` in a kernel, injecting it if need be.

    It is one expression whose names live in a dictionary of its own, so that the user's
    namespace stays as it was, whatever the user has called `exec` or `sys`.
    """
    names = {
        "name": _PACKAGE,
        "sources": _sources(),
        "function": function,
        "arguments": arguments,
        "options": options,
    }
    return f"__import__('builtins').exec({_BOOTSTRAP!r}, {names!r})"


@functools.cache
def _sources() -> tuple[tuple[str, str], ...]:
    folder = resources.files(__package__) / "probe"
    return tuple(
        (name, (folder / f"{name or '__init__'}.py").read_text(encoding="utf-8"))
        for name in _MODULES
    )


_SAVING = "_jupyter_containerize_saving"

_SAVING_BOOTSTRAP = """
import sys
from importlib.machinery import ModuleSpec
class Finder:
    def find_spec(self, fullname, path=None, target=None):
        if fullname in sources:
            package = fullname == name or fullname + ".problem" in sources
            return ModuleSpec(fullname, self, is_package=package)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        place = "<jupyter-containerize " + module.__name__ + ">"
        exec(compile(sources[module.__name__], place, "exec"), module.__dict__)
finder = Finder()
sys.meta_path.insert(0, finder)
try:
    from importlib import import_module
    from IPython import get_ipython
    saving, adapters = import_module(name + ".saving"), import_module(name + ".adapters")
    saving.save(*arguments, adapters, get_ipython(), settings)
finally:
    sys.meta_path.remove(finder)
    for key in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
        del sys.modules[key]
"""


def saving_code(
    folder: str, expression: str, example: str = "", settings: Mapping[str, object] | None = None
) -> str:
    """Return Python source that saves what `expression` names into `folder` (see `saving`)."""
    names = {
        "name": _SAVING,
        "sources": _saving_sources(),
        "arguments": (folder, expression, example),
        "settings": dict(settings or {}),
    }
    return f"__import__('builtins').exec({_SAVING_BOOTSTRAP!r}, {names!r})"


@functools.cache
def _saving_sources() -> dict[str, str]:
    package = resources.files(__package__ or "")
    sources = {_SAVING: "", f"{_SAVING}.saving": _text(package / "saving.py")}
    for file in (package.parent / "guest" / "adapters").iterdir():  # type: ignore[attr-defined]
        if file.name.endswith(".py"):
            part = file.name.removesuffix(".py")
            tail = "" if part == "__init__" else f".{part}"
            sources[f"{_SAVING}.adapters{tail}"] = _text(file)
    return sources


def _text(file: Traversable) -> str:
    return file.read_text(encoding="utf-8")
