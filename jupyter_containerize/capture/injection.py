"""The probe as text that any Python kernel can execute, leaving no name behind."""

from __future__ import annotations

import functools
from importlib import resources

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
