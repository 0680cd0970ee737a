"""Which kernel a notebook asks for, and how to start it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager

from ..errors import ContainerizeError
from .kernel_name import asked_for


def manager(metadata: Mapping[str, Any], *, kernel: str = "") -> AsyncKernelManager:
    """Return a manager, not started, for the kernel of a notebook with this `metadata`.

    `kernel` overrides it: a kernelspec's name, or the path of a Python that has ipykernel.
    Errors: `no-such-kernel`, `kernel-not-python`.
    """
    result = AsyncKernelManager()
    if os.path.isabs(kernel):
        name, spec = "", _of_interpreter(kernel)
    else:
        name = kernel or asked_for(metadata)
        spec = _find(name, metadata)
        result.kernel_name = name
    # The manager would look a spec up by its name; an interpreter's has none.
    result._kernel_spec = spec  # noqa: SLF001 - jupyter_client's own subclasses do the same
    if spec.language.lower() != "python":
        raise _not_python(spec.display_name or name, spec.language)
    return result


def _of_interpreter(python: str) -> KernelSpec:
    if not os.access(python, os.X_OK):
        raise ContainerizeError(
            "no-such-kernel",
            what=f"{python} is not a program that can be started.",
            fix="Give a kernelspec's name or the path of a Python that has ipykernel.",
        )
    return KernelSpec(
        argv=[python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name=python,
        language="python",
    )


def _find(name: str, metadata: Mapping[str, Any]) -> KernelSpec:
    manager = KernelSpecManager()
    try:
        spec: KernelSpec = manager.get_kernel_spec(name)
    except (NoSuchKernel, ValueError, OSError) as error:
        language = _language(metadata)
        if language not in ("", "python"):
            raise _not_python(name, language) from error
        known = sorted(manager.find_kernel_specs())
        raise ContainerizeError(
            "no-such-kernel",
            what=f"The notebook asks for the kernel {name!r}, which is not installed here.",
            why=f"Installed are: {', '.join(known)}." if known else "No kernel is installed here.",
            fix="Choose one with --kernel NAME, or install it: "
            f"PYTHON -m pip install ipykernel; PYTHON -m ipykernel install --user --name {name}",
        ) from error
    return spec


def _language(metadata: Mapping[str, Any]) -> str:
    for key, field in (("kernelspec", "language"), ("language_info", "name")):
        part = metadata.get(key)
        if isinstance(part, dict) and isinstance(part.get(field), str) and part[field]:
            return str(part[field]).lower()
    return ""


def _not_python(name: str, language: str) -> ContainerizeError:
    return ContainerizeError(
        "kernel-not-python",
        what=f"The kernel {name!r} runs {language}, not Python.",
        why="Packages, files and libraries are found by asking a Python kernel.",
        fix="Containerize a notebook whose kernel is Python.",
    )
