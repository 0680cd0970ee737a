from __future__ import annotations

import pytest

from jupyter_containerize.capture.hidden_state import findings
from jupyter_containerize.model.snapshot import Cell, CellSource


def cell(number, source, count=None, **more):
    return Cell(
        id=f"c{number}", number=number, source=source, origin=CellSource.EXECUTED,
        execution_count=count, outputs=None if count is None else (), **more,
    )  # fmt: skip


def record(*executions, names=(), static=False):
    return {"executions": list(executions), "names": dict.fromkeys(names, "int"), "static": static}


def ran(cell_id, source, count, error=""):
    return {
        "cell_id": cell_id, "source": source, "execution_count": count,
        "success": not error, "error": error,
    }  # fmt: skip


def codes(cells, record):
    return [(finding.code, finding.cell) for finding in findings(cells, record)]


def names(*sources, kernel=("x", "df", "f", "out")):
    cells = [cell(number, source, number) for number, source in enumerate(sources, 1)]
    return [(f.code, f.cell) for f in findings(cells, record(names=kernel))]


def test_in_order_is_no_finding():
    assert codes([cell(1, "x = 1", 1), cell(2, "x", 5)], record(names=["x"])) == []


def test_out_of_order():
    cells = [cell(1, "a = 1", 4), cell(2, "b = 1", 2), cell(3, "c = 1", 3), cell(4, "d = 1", 5)]
    found = findings(cells, record())
    assert [(f.code, f.cell) for f in found] == [("executed-out-of-order", 2)]
    assert "Cells 2 and 3" in found[0].what


def test_never_run_and_static():
    cells = [cell(1, "1", 1), cell(2, "2")]
    assert codes(cells, record()) == [("cell-never-run", 2)]
    assert codes(cells, record(static=True)) == []


def test_a_cell_that_raised():
    cells = [cell(1, "1/0", 1), cell(2, "2/0", 2, tags=("raises-exception",))]
    executions = [
        ran("c1", "1/0", 1, "ZeroDivisionError"),
        ran("c2", "2/0", 2, "ZeroDivisionError"),
    ]
    assert codes(cells, record(*executions)) == [("cell-raised", 1)]


def test_names_whose_cell_is_gone_edited_or_below():
    gone = findings([cell(1, "print(x)", 2)], record(ran("c9", "x = 1", 1), names=["x"]))
    assert [f.code for f in gone] == ["name-without-cell"]
    assert "gone" in gone[0].what
    cells = [cell(1, "y = 2", 3), cell(2, "print(x)", 4)]
    edited = findings(cells, record(ran("c1", "x = 1", 1), ran("c1", "y = 2", 3), names=["x"]))
    assert "cell 1 defined before it was edited" in edited[0].what
    assert names("print(x)", "x = 1") == [("name-defined-later", 1)]
    below = findings([cell(1, "print(x)", 2), cell(2, "x = 1", 1)], record(names=["x"]))
    assert {f.code for f in below} == {"executed-out-of-order", "name-defined-later"}


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\nx",
        "import x",
        "import a as x\nx",
        "from a import x\nx",
        "for x in []:\n    x",
        "with a() as x:\n    x",
        "def g():\n    return x\nx = 1\ng()",
        "def g(x):\n    return x",
        "def g():\n    x = 1\n    return x",
        "g = lambda x: x",
        "[x for x in range(3)]",
        "{x: 1 for x in range(3) if x}",
        "class A:\n    x = 1\n    y = x",
        "try:\n    pass\nexcept E as x:\n    x",
        "(x := 1)\nx",
        "%%time\nx = 1\nx",
        "%%capture x\n1",
        "match 1:\n    case x:\n        x",
        "x, (y, *z) = 1, (2, 3)\nx",
        "def g():\n    global x\n    x = 1",
        "async def g():\n    async for x in y():\n        x",
        "from a import *\nx",
        "%run other.py\nx",
        "%pylab\nx",
        "x: int = 1\nx",
        "print(a.x, 'x')\nf(x=1)",
    ],
)
def test_names_that_a_cell_makes_itself(source):
    assert names(source, kernel=("x",)) == []


@pytest.mark.parametrize(
    "source",
    [
        "x",
        "x = x + 1",
        "x += 1",
        "def g(a=x):\n    pass",
        "def g():\n    return x",
        "[y for y in x]",
        "[x for y in range(3)]",
        "class A(x):\n    pass",
        "class A:\n    def m(self):\n        return x",
        "@x\ndef g(): pass",
        "f'{x}'",
        "%time x.fit()",
        "lambda: x",
        "del x",
        "x.attribute = 1",
        "x[0] = 1",
    ],
)
def test_names_that_a_cell_needs(source):
    assert names(source, kernel=("x",)) == [("name-without-cell", 1)]


def test_what_the_kernel_never_had_is_not_hidden_state():
    assert names("get_ipython(); In; _; len; display; __name__; unknown", kernel=()) == []
