"""What belongs to a GPU's driver, and so to the machine that runs an image, never into it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..model.reasons import Finding, Severity

#: Libraries of a GPU's driver. They fit one version of the kernel's driver module, so they must
#: come from the machine that runs the image (the NVIDIA container toolkit mounts them, WSL has
#: them in one folder). CUDA, cuDNN and ROCm's user-space libraries are not among them.
GPU_DRIVER = re.compile(
    r"""
    /usr/lib/wsl/.* | .*/tegra/.* |
    (?:.*/)? (?:
        lib(?:cuda|nvcuvid|nvoptix|cudadebugger|dxcore|d3d12|d3d12core)\.so(?:\..*)? |
        libnvidia-.*\.so(?:\..*)? |
        lib(?:GLX|EGL|GLESv1_CM|GLESv2|vdpau)_nvidia\.so(?:\..*)? |
        libnvrm.*\.so(?:\..*)? | nvidia_drv\.so
    )
    """,
    re.VERBOSE,
)

#: Tools of a GPU's driver: they fit the driver of the machine, as its libraries do.
DRIVER_TOOLS = re.compile(r"nvidia-(smi|settings|modprobe|debugdump|persistenced|cuda-mps-.*)")


def driver_finding(names: Iterable[str]) -> Finding:
    """Return what to tell about parts of a GPU's driver that are not copied."""
    return Finding(
        code="gpu-driver-left-out",
        severity=Severity.INFO,
        what=f"Parts of the GPU's driver stay out of the image: {', '.join(sorted(names))}.",
        why="They must fit the driver of the machine that runs the image, which brings its own.",
        fix="To use a GPU, run the image where a driver is installed and pass the GPU in.",
    )
