"""What the proof of a service is started with."""

from __future__ import annotations

import pytest

from jupyter_containerize.model.event import ignore
from jupyter_containerize.model.options import RunOptions
from jupyter_containerize.model.run import Limits
from jupyter_containerize.workflow import services


class Started(Exception):  # noqa: N818 - it reads as what happened
    pass


@pytest.mark.parametrize("runtime", ["sandbox", "kubernetes"])
def test_limits_of_a_cluster_are_not_this_machines(monkeypatch, runtime):
    def run_image(image, options, *, runtime, store, emit, detach):
        raise Started(runtime, options.limits.cpus, options.gpus, options.network)

    monkeypatch.setattr(services, "run_image", run_image)
    monkeypatch.setattr(services, "_document", lambda *_: [])
    options = RunOptions(limits=Limits(cpus=0.5), gpus="1", network=True)
    with pytest.raises(Started) as caught:
        services.prove(None, options, runtime=runtime, store=None, emit=ignore)
    here = ("", None, "", False)
    assert caught.value.args == (here if runtime == "kubernetes" else ("sandbox", 0.5, "1", False))
