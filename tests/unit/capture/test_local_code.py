import os

import pytest

from jupyter_containerize.capture import local_code
from jupyter_containerize.capture.needs import LocalModule
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.files import FileKind
from jupyter_containerize.model.reasons import Reason, ReasonKind


@pytest.fixture
def collect(hashes):
    def run(*modules, limit_bytes=1000, include=()):
        return local_code.collect(
            modules,
            reasons={one.name: [Reason.cell(ReasonKind.IMPORTED, 1)] for one in modules},
            hashes=hashes,
            limit_bytes=limit_bytes,
            include=include,
        )

    return run


def package(world, name="shop"):
    return LocalModule(
        name, str(world.project / name / "__init__.py"), str(world.project), is_package=True
    )


def names(world, code):
    return [os.path.relpath(entry.path, world.project) for entry in code.files]


def test_a_package_comes_whole_with_the_data_beside_it(world, collect):
    for path in ("shop/__init__.py", "shop/prices.csv", "shop/sub/late.py", "shop/sub/t/x.json"):
        world.write(path, "x")
    (code,), findings = collect(package(world))
    assert findings == ()
    assert names(world, code) == [
        "shop/__init__.py",
        "shop/prices.csv",
        "shop/sub/late.py",
        "shop/sub/t/x.json",
    ]
    assert all(entry.sha256 for entry in code.files)
    assert (code.name, code.root) == ("shop", str(world.project))
    assert [str(reason) for reason in code.reasons] == ["imported by cell 1"]


def test_what_is_no_part_of_a_package_stays_out(world, collect):
    world.write("shop/__init__.py")
    for path in (
        "shop/.git/config", "shop/.env", "shop/__pycache__/a.cpython-311.pyc", "shop/try.ipynb",
        "shop/build/lib/a.py", "shop/node_modules/x.js", "shop/shop.egg-info/PKG-INFO",
        "shop/tools/pyvenv.cfg", "shop/tools/lib/x.py", "shop/old.pyc",
    ):  # fmt: skip
        world.write(path, "x")
    (code,), _ = collect(package(world))
    assert names(world, code) == ["shop/__init__.py"]


def test_a_module_comes_alone(world, collect):
    file = world.write("helper.py", "x = 1\n")
    world.write("data.csv", "1\n")
    (code,), _ = collect(LocalModule("helper", file, str(world.project)))
    assert names(world, code) == ["helper.py"]


def test_of_a_folder_without_init_only_code_is_taken(world, collect):
    file = world.write("src/tools/a.py")
    world.write("src/tools/regular/__init__.py")
    world.write("src/tools/regular/table.csv", "1")
    world.write("src/tools/measured.csv", "1")
    (code,), _ = collect(LocalModule("src.tools.a", file, str(world.project)))
    assert names(world, code) == [
        "src/tools/a.py",
        "src/tools/regular/__init__.py",
        "src/tools/regular/table.csv",
    ]


def test_large_data_in_a_package_stays_out_with_a_finding_or_goes_in_on_request(world, collect):
    world.write("shop/__init__.py")
    large = world.write("shop/weights.bin", b"x" * 2000)
    (code,), findings = collect(package(world))
    assert names(world, code) == ["shop/__init__.py"]
    assert [one.code for one in findings] == ["package-data-left-out"]
    assert f"--include {large}" in findings[0].fix
    (code,), findings = collect(package(world), include=[large])
    assert names(world, code) == ["shop/__init__.py", "shop/weights.bin"]
    assert findings == ()


def test_links_are_kept_and_what_they_lead_to_comes_along(world, collect, tmp_path):
    world.write("shop/__init__.py")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "table.csv").write_text("1")
    (elsewhere / "deep/more.csv").write_text("2")
    (elsewhere / "deep/back").symlink_to("..")
    (world.project / "shop/data").symlink_to(elsewhere)
    (world.project / "shop/broken").symlink_to("nothing")
    (code,), _ = collect(package(world))
    kinds = {entry.path: entry.kind for entry in code.files}
    assert kinds[str(world.project / "shop/data")] is FileKind.SYMLINK
    assert kinds[str(elsewhere / "table.csv")] is FileKind.FILE
    assert kinds[str(elsewhere / "deep/more.csv")] is FileKind.FILE


def test_a_circle_of_links_is_an_error_that_names_it(world, collect):
    world.write("shop/__init__.py")
    (world.project / "shop/a").symlink_to("b")
    (world.project / "shop/b").symlink_to("a")
    with pytest.raises(ContainerizeError) as caught:
        collect(package(world))
    assert caught.value.code == "symlink-loop"


def test_one_entry_for_all_modules_of_a_package(world, collect):
    init, core = world.write("shop/__init__.py"), world.write("shop/core.py")
    root = str(world.project)
    modules = [
        LocalModule("shop", init, root, is_package=True),
        LocalModule("shop.core", core, root),
        LocalModule("alone", world.write("alone.py"), root),
    ]
    code, _ = collect(*modules)
    assert [one.name for one in code] == ["alone", "shop"]
