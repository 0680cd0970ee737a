"""What cells defined and saved objects need: as source text, written in the kernel, run in the guest."""

from __future__ import annotations

import sys
import types


def become_main(path: str) -> types.ModuleType:
    """Run the definitions at `path` as the module `__main__`, where saved objects look for them."""
    module = types.ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), path, "exec"), module.__dict__)  # noqa: S102 - the user's own cells
    return module
