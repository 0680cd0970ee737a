import json
import tempfile
import zipfile

import pytest

from jupyter_containerize.capture import needs
from jupyter_containerize.capture.installed import Environment
from jupyter_containerize.capture.places import Places
from jupyter_containerize.capture.record_view import Module
from jupyter_containerize.model.reasons import Reason, ReasonKind


class Kernel:
    """What a kernel has loaded, and what its cells name."""

    def __init__(self, world):
        self.world = world
        self.modules = {}
        self.baseline = set()

    def load(self, name, file="", *, seq=1, search=()):
        self.modules[name] = Module(name, str(file), tuple(str(one) for one in search), seq)

    def needs(self, *, cells=(1,), named=None, **options):
        world = self.world
        environment = Environment(world.sys_path)
        places = Places(
            interpreter=world.interpreter,
            environment=environment,
            folders=(str(world.project),),
        )
        return needs.find(
            modules=self.modules,
            baseline=self.baseline,
            cell_of_seq={number: number for number in cells},
            named={name: set(numbers) for name, numbers in (named or {}).items()},
            places=places,
            environment=environment,
            **options,
        )


@pytest.fixture
def kernel(world):
    return Kernel(world)


def named(found):
    return {one.key: sorted(map(str, reasons)) for one, reasons in found.named.items()}


def loaded(found):
    return {one.key: sorted(map(str, reasons)) for one, reasons in found.loaded.items()}


def local(found):
    return {
        name: (module.root, sorted(map(str, found.local_reasons[name])))
        for name, module in found.local.items()
    }


def test_import_names_unlike_distribution_names(world, kernel):
    world.install("scikit-image-thing", {"skit/__init__.py": ""})
    kernel.load("skit", world.site / "skit/__init__.py")
    assert named(kernel.needs(named={"skit": [1]})) == {
        "scikit-image-thing": ["imported by cell 1"]
    }


def test_what_cells_load_without_naming_it_is_needed_too(world, kernel):
    world.install("plugin", {"plugin.py": ""})
    kernel.load("plugin", world.site / "plugin.py", seq=3)
    found = kernel.needs(cells=(3,))
    assert named(found) == {}
    assert loaded(found) == {"plugin": ["imported by cell 3"]}


def test_what_only_other_cells_load_stays_out(world, kernel):
    world.install("skipped", {"skipped.py": ""})
    kernel.load("skipped", world.site / "skipped.py", seq=2)
    assert kernel.needs(cells=(1,)).roots == ()


def test_what_a_fresh_kernel_has_stays_out_unless_named(world, kernel):
    world.install("zmq-like", {"zmqlike.py": ""})
    kernel.load("zmqlike", world.site / "zmqlike.py")
    kernel.baseline = {"zmqlike"}
    assert kernel.needs().roots == ()
    assert named(kernel.needs(named={"zmqlike": [4]})) == {"zmq-like": ["named in cell 4"]}


def test_before_the_probe_everything_beyond_a_fresh_kernel_counts(world, kernel):
    world.install("early", {"early.py": ""})
    world.install("kernel-own", {"kernelown.py": ""})
    kernel.load("early", world.site / "early.py", seq=0)
    kernel.load("kernelown", world.site / "kernelown.py", seq=0)
    kernel.baseline = {"kernelown"}
    assert loaded(kernel.needs()) == {}
    assert loaded(kernel.needs(before_watch=True)) == {"early": ["imported by the kernel"]}


def test_namespace_packages_are_mapped_by_file(world, kernel):
    world.install("acme-a", {"acme/a/__init__.py": ""})
    world.install("acme-b", {"acme/b.py": ""})
    kernel.load("acme", search=[world.site / "acme"])
    kernel.load("acme.b", world.site / "acme/b.py")
    found = kernel.needs(named={"acme.b": [1]})
    assert named(found) == {"acme-b": ["imported by cell 1"]}


def test_a_named_module_that_was_never_loaded_is_found_by_its_files(world, kernel):
    world.install("acme-a", {"acme/a/__init__.py": ""})
    world.install("acme-b", {"acme/b.py": ""})
    world.install("plot", {"plot/__init__.py": ""})
    found = kernel.needs(named={"acme.b.function": [1], "plot.line": [2], "acme": [3]})
    assert named(found) == {"acme-b": ["named in cell 1"], "plot": ["named in cell 2"]}


def test_a_loaded_namespace_does_not_hide_who_provides_the_rest(world, kernel):
    world.install("acme-a", {"acme/a/__init__.py": ""})
    world.install("acme-b", {"acme/b.py": ""})
    kernel.load("acme", search=[world.site / "acme"])
    kernel.load("acme.a", world.site / "acme/a/__init__.py")
    assert named(kernel.needs(named={"acme.b": [2]})) == {"acme-b": ["named in cell 2"]}


def test_the_standard_library_is_no_distribution(world, kernel):
    (world.stdlib / "special.py").write_text("")
    kernel.load("special", world.stdlib / "special.py")
    kernel.load("sys")
    found = kernel.needs(named={"special": [1], "sys": [1], "json": [1]}, static=True)
    assert found.roots == ()
    assert found.problems == []


def test_site_packages_inside_the_standard_library_are_not_standard(world, kernel):
    site = world.stdlib / "site-packages"
    world.sys_path.append(str(site))
    world.install("inner", {"inner.py": ""}, site=site)
    kernel.load("inner", site / "inner.py")
    (site / "stray.py").write_text("")
    kernel.load("stray", site / "stray.py")
    found = kernel.needs(named={"inner": [1], "stray": [1]})
    assert named(found) == {"inner": ["imported by cell 1"]}
    assert [one.code for one in found.problems] == ["import-without-distribution"]


def test_local_modules_bring_what_they_import(world, kernel):
    world.install("lib", {"lib.py": ""})
    world.install("lazy", {"lazy.py": ""})
    kernel.load("helper", world.write("helper.py", "import lib\ndef f():\n    import lazy\n"))
    kernel.load("lib", world.site / "lib.py", seq=9)  # by a skipped cell that ran earlier
    found = kernel.needs(cells=(1,), named={"helper": [1]})
    assert local(found) == {"helper": (str(world.project), ["imported by cell 1"])}
    assert named(found) == {"lib": ["imported by helper"], "lazy": ["imported by helper"]}


def test_local_packages_with_relative_imports(world, kernel):
    init = world.write("shop/__init__.py", "from .core import price\n")
    core = world.write("shop/core.py", "from . import late\nfrom ..nothing import x\n")
    late = world.write("shop/late.py", "import importlib\nimportlib.import_module('lib')\n")
    world.install("lib", {"lib.py": ""})
    kernel.load("shop", init, search=[world.project / "shop"])
    kernel.load("shop.core", core)
    kernel.load("shop.late", late)
    found = kernel.needs(named={"shop": [1]})
    assert {root for root, _ in local(found).values()} == {str(world.project)}
    assert set(local(found)) == {"shop", "shop.core", "shop.late"}
    assert "lib" in named(found)


def test_a_local_module_that_was_never_loaded(world, kernel):
    world.write("later.py", "import other\n")
    world.write("other/__init__.py", "")
    found = kernel.needs(named={"later": [2]})
    assert set(local(found)) == {"later", "other"}


def test_folders_put_on_the_path_hold_local_code(world, kernel):
    library = world.root / "shared"
    library.mkdir()
    (library / "common_code.py").write_text("")
    world.sys_path.append(str(library))
    kernel.load("common_code", library / "common_code.py")
    found = kernel.needs(named={"common_code": [1]})
    assert local(found)["common_code"][0] == str(library)


def test_modules_loaded_from_a_zip_bring_the_zip(world, kernel):
    archive = world.project / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped.py", "x = 1")
    world.sys_path.append(str(archive))
    kernel.load("zipped", archive / "zipped.py")
    assert kernel.needs(named={"zipped": [1]}).local["bundle"].file == str(archive)


def test_files_generated_while_cells_run_are_nobodys(kernel, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    generated = tmp_path / "tmp/__autograph_generated_file1x.py"
    generated.parent.mkdir()
    generated.write_text("")
    kernel.load("__autograph_generated_file1x", generated)
    found = kernel.needs()
    assert (found.roots, found.local, found.problems) == ((), {}, [])


def test_a_module_that_no_distribution_provides_is_an_error(world, kernel):
    stray = world.site / "stray.py"
    stray.write_text("")
    kernel.load("stray", stray)
    found = kernel.needs(named={"stray": [2]})
    assert [one.code for one in found.problems] == ["import-without-distribution"]
    assert "Cell 2" in found.problems[0].what
    assert f"--include {stray}" in found.problems[0].fix
    assert kernel.needs(named={"stray": [2]}, include=[str(stray)]).problems == []


def test_a_stray_module_that_nobody_names_goes_along(world, kernel):
    (world.site / "stray.py").write_text("")
    kernel.load("stray", world.site / "stray.py")
    found = kernel.needs()
    assert found.problems == []
    assert found.local["stray"].root == str(world.site)


def test_a_module_uninstalled_since_it_was_loaded_is_an_error(world, kernel):
    kernel.load("gone", world.site / "gone.py")
    (problem,) = kernel.needs(named={"gone": [1]}).problems
    assert problem.code == "import-without-distribution"
    assert "removed since" in problem.why


def test_modules_that_cells_write_themselves_are_no_local_code(world, kernel):
    made = world.write("made_here.py", "x = 1\n")
    kernel.load("made_here", made)
    assert kernel.needs(named={"made_here": [1]}, written=[made]).local == {}


def test_an_import_that_is_not_installed_is_an_error_only_where_nothing_ran(kernel):
    assert kernel.needs(named={"nothing": [1]}).problems == []
    problems = kernel.needs(named={"nothing.at.all": [1]}, static=True).problems
    assert [one.code for one in problems] == ["import-without-distribution"]
    assert "'nothing'" in problems[0].what


def test_a_file_that_record_forgot_belongs_to_its_package(world, kernel):
    world.install("generated", {"generated/__init__.py": ""})
    made = world.site / "generated/_version.py"
    made.write_text("")
    kernel.load("generated._version", made)
    found = kernel.needs()
    assert loaded(found) == {"generated": ["imported by cell 1"]}
    assert list(found.extra_files.values()) == [{str(made)}]


@pytest.fixture
def editable(world):
    project = world.root / "work/gadget"
    (project / "src/gadget").mkdir(parents=True)
    (project / "src/gadget/__init__.py").write_text("import lib\n")
    world.install("lib", {"lib.py": ""})
    world.install(
        "gadget",
        {"__editable__.gadget-1.0.pth": str(project / "src")},
        direct_url=json.dumps({"url": f"file://{project}", "dir_info": {"editable": True}}),
        info_files={"top_level.txt": "gadget\n"},
    )
    world.sys_path.append(str(project / "src"))
    return project


def test_an_editable_install_is_local_code_with_its_metadata(kernel, editable):
    kernel.load("gadget", editable / "src/gadget/__init__.py", search=[editable / "src/gadget"])
    found = kernel.needs(named={"gadget": [1]})
    assert found.local["gadget"].root == str(editable / "src")
    assert found.local["gadget"].owner.key == "gadget"
    assert named(found) == {"gadget": ["imported by cell 1"], "lib": ["imported by gadget"]}


def test_an_editable_install_that_is_only_required_brings_its_code(world, editable):
    world.install("user", {"user.py": ""}, requires=["gadget"])
    environment = Environment(world.sys_path)
    places = Places(interpreter=world.interpreter, environment=environment, folders=())
    found = needs.Needs()
    why = Reason(ReasonKind.REQUIRED, "user")
    found.add_project(environment.by_key["gadget"], places, [why])
    assert found.local["gadget"].file == str(editable / "src/gadget/__init__.py")
    assert found.local_reasons["gadget"] == {why}


def test_scripts_beside_an_editable_project_are_not_part_of_it(world, kernel, editable):
    notebooks = editable / "notebooks"
    notebooks.mkdir()
    (notebooks / "plotting.py").write_text("")
    world.sys_path.append(str(notebooks))
    kernel.load("plotting", notebooks / "plotting.py")
    found = kernel.needs(named={"plotting": [1]})
    assert found.local["plotting"].owner is None


def test_our_own_package_stays_out_unless_named(world, kernel):
    world.install("jupyter-containerize", {"jupyter_containerize/__init__.py": ""})
    kernel.load("jupyter_containerize", world.site / "jupyter_containerize/__init__.py")
    assert kernel.needs().roots == ()
