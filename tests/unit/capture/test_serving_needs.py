"""What makes a service quicker goes along where there is one that fits; without it all works as well."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from jupyter_containerize.capture.installed import Environment
from jupyter_containerize.capture.needs import Needs
from jupyter_containerize.capture.serving_needs import choose, gains_of

NOTHING = {"opens": [], "maps": []}


def chosen(world, **change):
    same = f"{sys.version_info.major}.{sys.version_info.minor}.0"
    interpreter = dataclasses.replace(world.interpreter, **{"version": same, **change})
    return choose(
        Needs(),
        record=NOTHING,
        environment=Environment(world.sys_path),
        interpreter=interpreter,
        gains=("pysimdjson",),
    ).chosen


def test_ours_is_lent_to_a_python_of_the_same_minor_version(world):
    assert set(chosen(world)) == {"pysimdjson"}


def test_the_kernels_own_is_taken_first(world):
    world.install("pysimdjson", {"simdjson/__init__.py": ""})
    assert chosen(world)["pysimdjson"].location == str(world.site)


@pytest.mark.parametrize("change", [{"version": "3.9.2"}, {"implementation": "pypy"}])
def test_where_none_fits_it_stays_out(world, change):
    assert not chosen(world, **change)


@pytest.mark.parametrize(
    ("dtype", "shape", "gains"),
    [
        ("FP32", [-1, 10], False),
        ("FP32", [-1, 28, 28], True),
        ("FP64", [-1, -1], True),
        ("FP64", [], False),
        ("FP64", [-1], False),
        ("BYTES", [-1, -1], False),
    ],
)
def test_only_long_rows_of_numbers_gain(dtype, shape, gains):
    found = gains_of({"inputs": [{"name": "x", "dtype": dtype, "shape": shape}]})
    assert found == (("pysimdjson",) if gains else ())
