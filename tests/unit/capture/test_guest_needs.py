import dataclasses
import sys

import pytest

from jupyter_containerize.capture import guest_needs
from jupyter_containerize.capture.installed import Environment
from jupyter_containerize.errors import ContainerizeError


def test_the_kernels_own_ipython_serves(world):
    world.install("ipython", {"IPython/__init__.py": ""})
    found, lender = guest_needs.find(Environment(world.sys_path), world.interpreter)
    assert found.location == str(world.site)
    assert lender is None


def test_ours_serves_a_python_of_the_same_minor_version(world):
    same = f"{sys.version_info.major}.{sys.version_info.minor}.0"
    interpreter = dataclasses.replace(world.interpreter, version=same)
    found, lender = guest_needs.find(Environment(world.sys_path), interpreter)
    assert found.key == "ipython"
    assert lender.by_key["ipython"] is found


@pytest.mark.parametrize("change", [{"version": "3.9.2"}, {"implementation": "pypy"}])
def test_where_ours_does_not_fit_an_error_says_what_to_install(world, change):
    same = f"{sys.version_info.major}.{sys.version_info.minor}.0"
    interpreter = dataclasses.replace(world.interpreter, **{"version": same, **change})
    with pytest.raises(ContainerizeError) as caught:
        guest_needs.find(Environment(world.sys_path), interpreter)
    assert caught.value.code == "guest-needs-ipython"
    assert caught.value.fix == f"{interpreter.executable} -m pip install ipython"
