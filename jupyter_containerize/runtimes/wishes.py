"""What a run may wish for and not every runtime can do: refused, never silently left out."""

from __future__ import annotations

from ..errors import ContainerizeError
from ..model.run import Restart, RunSpec


def refuse(
    spec: RunSpec, *, runtime: str, cpus: bool = False, gpus: bool = False, restart: bool = False
) -> None:
    """Refuse what `spec` wishes for and `runtime` cannot do, all at once.

    `cpus`, `gpus` and `restart` tell what it can. Errors: `not-with-this-runtime`.
    """
    wishes = {
        "--cpus": spec.limits.cpus is not None and not cpus,
        "--gpus": bool(spec.gpus) and not gpus,
        "--restart": spec.restart is not Restart.NEVER and not restart,
    }
    unmet = [option for option, wished in wishes.items() if wished]
    if unmet:
        raise ContainerizeError(
            "not-with-this-runtime",
            what=f"The {runtime} runtime cannot do {', '.join(unmet)}.",
            fix="Leave it out, or choose another runtime: --runtime docker",
        )
