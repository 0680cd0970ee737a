import pytest

from jupyter_containerize.capture.cell_facts import facts_of
from jupyter_containerize.model.snapshot import Cell, CellSource


def cell(number, source, **options):
    return Cell(f"c{number}", number, source, CellSource.EXECUTED, **options)


def execution(seq, *, cell_id="", source="", count=None):
    return {"seq": seq, "cell_id": cell_id, "source": source, "execution_count": count}


@pytest.fixture
def facts(world):
    def run(*cells, executions=(), commands=()):
        record = {
            "executions": list(executions),
            "commands": list(commands),
            "python": {"home": str(world.root / "home")},
        }
        return facts_of(record, cells, folder=str(world.project))

    return run


def test_modules_by_the_cells_that_name_them(facts):
    found = facts(
        cell(1, "import a.b, c\nobj?"),
        cell(3, "%%time\nfrom c import d\nimportlib.import_module('e.f')"),
        cell(4, "%%javascript\nimport x from 'y'"),
    )
    assert found.imports == {
        "a.b": {1},
        "c": {1, 3},
        "c.d": {3},
        "e.f": {3},
    }


def test_only_paths_that_are_there(facts, world):
    csv, home = world.write("data/x y.csv"), world.write("../in_home.txt")
    found = facts(cell(2, "open('data/x y.csv'); open('~/in_home.txt'); open('nothing.csv')"))
    assert found.paths == {csv: {2}, str(world.root / "home/in_home.txt"): {2}}
    assert home.endswith("in_home.txt")


def test_executions_find_their_cells_by_id_then_text_then_number(facts):
    found = facts(
        cell(1, "x = 1"),
        cell(2, "y = 2"),
        cell(5, "z = 3", execution_count=9),
        executions=[
            execution(1, cell_id="c2", source="edited since"),
            execution(2, source="%load_ext jupyter_containerize\nx = 1"),
            execution(3, source="z = 4", count=9),
            execution(4, cell_id="deleted", source="x = 1"),
            execution(5, source="never seen"),
        ],
    )
    assert found.cell_of_seq == {1: 2, 2: 1, 3: 5}
    assert found.unwatched == frozenset()


def test_ids_that_are_never_saved_do_not_lose_the_executions(facts):
    found = facts(cell(1, "x = 1"), executions=[execution(1, cell_id="random", source="x = 1")])
    assert found.cell_of_seq == {1: 1}


def test_cells_that_never_ran_with_the_probe_are_unwatched(facts):
    found = facts(cell(1, "x"), cell(2, "y"), executions=[execution(1, cell_id="c2")])
    assert found.unwatched == {1}


def test_programs_that_cells_call_but_not_those_that_python_asks(facts):
    commands = [
        {"kind": "shell", "text": "sort x | uniq -c", "argv": [], "seq": 1, "resolved": ""},
        {"kind": "argv", "text": "", "argv": ["git", "log"], "seq": 1, "resolved": "/bin/git"},
        {
            "kind": "argv",
            "text": "",
            "argv": ["gcc"],
            "seq": 1,
            "resolved": "",
            "caller": "ctypes.util",
        },
        {"kind": "argv", "text": "", "argv": ["rm"], "seq": 8, "resolved": "/bin/rm"},
    ]
    found = facts(cell(1, "!wc -l a"), executions=[execution(1, cell_id="c1")], commands=commands)
    assert [name for name, _ in found.commands] == ["wc", "sort", "uniq", "/bin/git"]
    assert {str(reason) for _, reason in found.commands} == {"called by cell 1"}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("%%writefile made.py\nx = 1", ["made.py"]),
        ("%%file 'made too.py'\nx = 1", ["made too.py"]),
        ("%%writefile -a log.txt\nx", []),
        ("x = 1", []),
    ],
)
def test_files_that_a_cell_writes_whole(facts, world, source, names):
    assert facts(cell(1, source)).written == {str(world.project / name) for name in names}
