"""The plan as a whole: what is where, what people share, what a change rewrites."""

from __future__ import annotations

import dataclasses
import random

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.codec import dumps, from_json, to_json
from jupyter_containerize.model.files import FileEntry, FileKind
from jupyter_containerize.model.plan import (
    BytecodeContent,
    FileContent,
    ImagePlan,
    LayerKind,
    LinkContent,
)
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.snapshot import (
    DataFile,
    Executable,
    LocalCode,
    NativeLibrary,
    SystemFiles,
    SystemGroup,
)
from jupyter_containerize.planning import plan

SITE = "/opt/jupyter-containerize/env/lib/python3.11/site-packages"
SHARED = {
    LayerKind.BASE,
    LayerKind.LIBRARIES,
    LayerKind.DISTRIBUTION,
    LayerKind.DISTRIBUTIONS,
    LayerKind.GUEST,
}


def entries(result, *kinds):
    return {
        entry.target: entry
        for layer in result.layers
        if not kinds or layer.kind in kinds
        for entry in layer.entries
    }


def without_sources(layer):
    """The layer as bytes would show it: where the files came from is not in them."""
    data = to_json(layer, volatile=False)
    for entry in data["entries"]:
        content = entry["content"]
        for part in (content, content.get("source") or {}, content.get("pyc") or {}):
            if "path" in part:
                part["path"] = ""
    return data


def test_layers_come_in_the_order_of_change(small, options):
    result = plan(small(), options)
    assert [layer.kind for layer in result.layers] == [
        LayerKind.BASE,
        LayerKind.LIBRARIES,
        LayerKind.DISTRIBUTION,
        LayerKind.DISTRIBUTIONS,
        LayerKind.DISTRIBUTIONS,
        LayerKind.LOCAL_CODE,
        LayerKind.DATA,
        LayerKind.GUEST,
        LayerKind.LINKS,
        LayerKind.NOTEBOOK,
    ]
    for layer in result.layers:
        targets = [entry.target for entry in layer.entries]
        assert targets == sorted(set(targets))
        assert {entry.mode for entry in layer.entries} <= {0o644, 0o755, 0o1777}


def test_people_who_share_packages_share_layers(small, options):
    ours = plan(small("anna"), options)
    theirs = plan(
        small("bert", venv="/srv/bert/envs/x", base="/home/bert/py", folder="/home/bert/a/b"),
        options,
    )
    for mine, other in zip(ours.layers, theirs.layers, strict=True):
        if mine.kind in SHARED:
            assert without_sources(mine) == without_sources(other)
            assert b"anna" not in dumps(without_sources(mine))


def test_every_kernel_path_leads_to_its_file(small, options):
    result = plan(small(), options)
    final = entries(result)
    venv, base = "/home/anna/work/.venv", "/home/anna/.pyenv/versions/3.11.7"
    same = (
        f"{venv}/lib/python3.11/site-packages/alpha/core.py",
        f"{venv}/pyvenv.cfg",
        f"{venv}/bin/alpha",
        f"{base}/lib/python3.11/os.py",
        "/home/anna/work/helper.py",
        "/home/anna/work/data.csv",
    )
    others = {
        f"{venv}/bin/python": f"{base}/bin/python3.11",
        "/lib/x86_64-linux-gnu/libz.so.1": "/usr/lib/x86_64-linux-gnu/libz.so.1.2",
        "/lib64/ld-linux-x86-64.so.2": "/usr/lib64/ld-linux-x86-64.so.2",
    }
    for path, source in {**dict(zip(same, same, strict=True)), **others}.items():
        assert final[follow(final, path)].content.path == source


def follow(final, path):
    """Return the target that `path` leads to through the plan's links."""
    for _ in range(20):
        parts = path.split("/")
        for count in range(2, len(parts) + 1):
            entry = final.get("/".join(parts[:count]))
            if entry is not None and isinstance(entry.content, LinkContent):
                to = entry.content.to
                start = "" if to.startswith("/") else "/".join(parts[: count - 1]) + "/"
                path = "/".join([start + to, *parts[count:]])
                break
        else:
            return path
    raise AssertionError(f"a circle of links at {path}")


def test_what_names_the_kernels_folders_is_in_the_links_layer(small, options, make):
    site = "/home/anna/work/.venv/lib/python3.11/site-packages"
    editable = make.distribution(
        "edit", site, "__editable__.edit.pth", "__editable___edit_finder.py",
        "edit-1.0.dist-info/direct_url.json", "edit-1.0.dist-info/uv_cache.json",
    )  # fmt: skip
    result = plan(small(more=(editable,)), options)
    links = entries(result, LayerKind.LINKS)
    for name in (
        "__editable__.edit.pth", "__editable___edit_finder.py", "edit-1.0.dist-info/RECORD",
        "__pycache__/__editable___edit_finder.cpython-311.pyc",
        "edit-1.0.dist-info/direct_url.json", "edit-1.0.dist-info/uv_cache.json",
    ):  # fmt: skip
        assert f"{SITE}/{name}" in links
    assert f"{SITE}/edit-1.0.dist-info/METADATA" not in links
    # beta has nothing of the kind: its RECORD is the same for everyone.
    assert f"{SITE}/beta-1.0.dist-info/RECORD" in entries(result, LayerKind.DISTRIBUTIONS)
    assert {"/etc/passwd", "/opt/jupyter-containerize/env/bin/python"} <= links.keys()


def test_compiled_files_carry_the_fixed_path(small, options):
    final = entries(plan(small(), options))
    compiled = final[f"{SITE}/alpha/__pycache__/core.cpython-311.pyc"].content
    assert isinstance(compiled, BytecodeContent)
    assert compiled.filename == f"{SITE}/alpha/core.py"
    assert compiled.pyc is None
    standard = final[
        "/opt/jupyter-containerize/python/lib/python3.11/__pycache__/os.cpython-311.pyc"
    ]
    assert standard.content.pyc.path.endswith("/__pycache__/os.cpython-311.pyc")
    local = final["/home/anna/work/__pycache__/helper.cpython-311.pyc"].content
    assert local.filename == "/home/anna/work/helper.py"


def test_one_edited_cell_rewrites_only_the_cells(small, options):
    before = small()
    cell = dataclasses.replace(before.notebook.cells[1], source="print(2)")
    edited = dataclasses.replace(
        before,
        notebook=dataclasses.replace(
            before.notebook, cells=(before.notebook.cells[0], cell, before.notebook.cells[2])
        ),
    )
    old, new = plan(before, options), plan(edited, options)
    changed = [b.kind for a, b in zip(old.layers, new.layers, strict=True) if a.key() != b.key()]
    assert changed == [LayerKind.NOTEBOOK]
    assert new.layers[-1].size_bytes < 5000


def test_one_added_small_package_rewrites_one_group_and_the_links(small, options, make):
    site = "/home/anna/work/.venv/lib/python3.11/site-packages"
    many = tuple(make.distribution(f"package{n}", site, size=5000) for n in range(60))
    large = tuple(make.distribution(f"large{n}", site, size=20_000_000 + n) for n in range(4))
    old = plan(small(more=(*many, *large)), options)
    for added in ("tiny", "another", "third"):
        new = plan(small(more=(*many, *large, make.distribution(added, site))), options)
        known = {layer.key() for layer in old.layers}
        fresh = [layer for layer in new.layers if layer.key() not in known]
        assert [layer.kind for layer in fresh] == [LayerKind.DISTRIBUTIONS, LayerKind.LINKS]
        assert fresh[0].size_bytes < sum(d.size_bytes for d in many) * 0.6


def test_there_are_never_more_layers_than_allowed(small, options, make):
    site = "/home/anna/work/.venv/lib/python3.11/site-packages"
    large = [make.distribution(f"large{n}", site, size=20_000_000 + n) for n in range(40)]
    rest = [make.distribution(f"package{n}", site) for n in range(100)]
    guest = [make.distribution("ipython", site), make.distribution("traitlets", site)]
    snapshot = small(more=(*large, *rest, *guest))
    program = Executable("git", "/usr/bin/git", (make.file("/usr/bin/git", executable=True),))
    snapshot = dataclasses.replace(snapshot, executables=(program,))
    for limit in (24, 20, 16):
        result = plan(snapshot, dataclasses.replace(options, max_layers=limit))
        assert len(result.layers) <= limit
        for number in range(40):
            assert f"{SITE}/large{number}/__init__.py" in entries(result)


def test_the_plan_depends_on_no_order(small, options):
    snapshot = small()
    shuffle = random.Random(3)

    def mixed(items):
        return tuple(shuffle.sample(items, len(items)))

    other = dataclasses.replace(
        snapshot,
        distributions=mixed(
            [dataclasses.replace(d, files=mixed(d.files)) for d in snapshot.distributions]
        ),
        system_files=mixed(
            [dataclasses.replace(s, files=mixed(s.files)) for s in snapshot.system_files]
        ),
    )
    assert plan(snapshot, options).layers == plan(other, options).layers


def test_times_and_hosts_change_nothing(small, options):
    snapshot = small()
    later = dataclasses.replace(snapshot, created_at="2031-01-01T00:00:00Z", host="elsewhere")
    assert plan(snapshot, options) == plan(later, options)


def test_a_plan_survives_its_json(small, options):
    result = plan(small(), options)
    again = from_json(ImagePlan, to_json(result))
    assert again == result
    assert [a.key() for a in again.layers] == [b.key() for b in result.layers]


def test_keys_tell_every_difference(small, options):
    layer = plan(small(), options).layers[2]
    first = layer.entries[0]
    source = first.content
    others = [
        dataclasses.replace(first, mode=0o755),
        dataclasses.replace(first, group_writable=True),
        dataclasses.replace(first, target=first.target + "x"),
        dataclasses.replace(first, content=dataclasses.replace(source, size_bytes=1)),
        dataclasses.replace(first, content=dataclasses.replace(source, mtime_ns=1)),
        dataclasses.replace(first, content=dataclasses.replace(source, sha256="0" * 64)),
        dataclasses.replace(first, content=LinkContent(source.path)),
    ]
    keys = {
        dataclasses.replace(layer, entries=(entry, *layer.entries[1:])).key()
        for entry in (first, *others)
    }
    assert len(keys) == len(others) + 1


def test_a_venv_that_holds_the_notebook_is_linked_by_its_parts(small, options):
    snapshot = small(venv="/home/anna/work", folder="/home/anna/work")
    final = entries(plan(snapshot, options))
    assert "/home/anna/work" not in {
        t for t, e in final.items() if isinstance(e.content, LinkContent)
    }
    assert final["/home/anna/work/lib"].content == LinkContent("/opt/jupyter-containerize/env/lib")
    assert final["/home/anna/work/data.csv"].content.path == "/home/anna/work/data.csv"


def test_a_module_in_a_site_folder_that_nobody_installed_moves_along(small, options, make):
    site = "/home/anna/work/.venv/lib/python3.11/site-packages"
    snapshot = small()
    stray = LocalCode("stray", site, (make.file(f"{site}/stray.py"),))
    snapshot = dataclasses.replace(snapshot, local_code=(*snapshot.local_code, stray))
    final = entries(plan(snapshot, options))
    assert f"{SITE}/stray.py" in final
    assert final["/home/anna/work/.venv"].content == LinkContent("/opt/jupyter-containerize/env")


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local", "/opt/python"])
def test_a_system_python_stays(small, options, prefix):
    snapshot = small(venv=prefix, base=prefix)
    final = entries(plan(snapshot, options))
    assert f"{prefix}/lib/python3.11/site-packages/alpha/core.py" in final
    assert not any(e.content == LinkContent(prefix) for e in final.values())
    assert plan(snapshot, options).config.entrypoint[0] == f"{prefix}/bin/python"


def test_conda_keeps_its_own_prefix(small, options):
    snapshot = small(venv="/home/anna/conda", base="/home/anna/conda")
    snapshot = dataclasses.replace(
        snapshot, interpreter=dataclasses.replace(snapshot.interpreter, conda=True)
    )
    result = plan(snapshot, options)
    target = "/home/anna/conda/lib/python3.11/site-packages/alpha/core.py"
    assert target in entries(result, LayerKind.DISTRIBUTIONS)


def test_what_the_guest_lacks_comes_from_elsewhere_by_a_link(small, options, make):
    ours = "/home/anna/tools/lib/python3.11/site-packages"
    result = plan(small(more=(make.distribution("ipython", ours),)), options)
    final = entries(result)
    (link,) = [e for t, e in final.items() if t == ours]
    assert f"{link.content.to}/ipython/__init__.py" in entries(result, LayerKind.DISTRIBUTIONS)
    assert ours in final["/opt/jupyter-containerize/guest.json"].content.text


def test_libraries_of_ones_own_are_in_no_shared_layer(small, options, make):
    snapshot = small()
    tool = Executable("tool", "/home/anna/bin/tool", (make.file("/home/anna/bin/tool", 9_999_999),))
    result = plan(dataclasses.replace(snapshot, executables=(tool,)), options)
    assert "/home/anna/bin/tool" in entries(result, LayerKind.LOCAL_CODE)


def test_users_files_of_the_machine_stay_there(small, options):
    final = entries(plan(small(), options))
    assert "user:x:1000:0" in final["/etc/passwd"].content.text
    assert final["/etc/os-release"].content.path == "/etc/os-release"


def test_folders_that_runs_write_belong_to_the_user_in_every_layer(small, options):
    result = plan(small(), options)
    for layer in result.layers:
        for entry in layer.entries:
            for root in ("/home/anna", "/home/anna/work"):
                if entry.target.startswith(f"{root}/"):
                    own = {e.target: e for e in layer.entries}[root]
                    assert own.group_writable
                    assert own.mode == 0o755
    final = entries(result)
    assert final["/outputs"].group_writable
    assert final["/home/anna/work/data.csv"].group_writable
    assert not final["/usr/lib/x86_64-linux-gnu/libz.so.1.2"].group_writable


@pytest.mark.parametrize("os", ["darwin", "windows"])
def test_another_platform_than_linux_is_an_error(small, options, os):
    snapshot = dataclasses.replace(small(), platform=Platform(os, "arm64"))
    with pytest.raises(ContainerizeError) as caught:
        plan(snapshot, options)
    assert caught.value.code == "platform-not-linux"


@pytest.mark.parametrize(
    "path", ["/proc/cpuinfo", "/dev/shm/x", "/sys/a", "/home/anna/../x", "relative", "/a\0b/c"]
)  # fmt: skip
def test_paths_that_no_image_may_have_are_errors(small, options, make, path):
    snapshot = dataclasses.replace(small(), data_files=(DataFile(path, (make.file(path),)),))
    with pytest.raises(ContainerizeError) as caught:
        plan(snapshot, options)
    assert caught.value.code == "path-not-allowed"


def test_a_file_that_is_a_folder_too_is_an_error(small, options, make):
    files = (make.file("/data/a"), make.file("/data/a/b"))
    snapshot = dataclasses.replace(small(), data_files=(DataFile("/data", files),))
    with pytest.raises(ContainerizeError) as caught:
        plan(snapshot, options)
    assert caught.value.code == "path-conflict"


@pytest.mark.parametrize(
    "name",
    ["a b", "ünï", "new\nline", "x" * 255, "quote'\"", "back\\slash", "\udcff\udcfe", "$(touch x)"],
)
def test_odd_names_go_in_as_they_are(small, options, make, name):
    path = f"/home/anna/work/{name}"
    snapshot = dataclasses.replace(small(), data_files=(DataFile(path, (make.file(path),)),))
    result = plan(snapshot, options)
    assert path in entries(result, LayerKind.DATA)
    assert all(layer.key() for layer in result.layers)


def test_a_circle_of_links_ends(small, options, make):
    data = DataFile(
        "/home/anna/work/loop",
        (make.link("/home/anna/work/loop", "loop"), make.link("/home/anna/work/up", ".."),
         make.link("/home/anna/work/a", "b"), make.link("/home/anna/work/b", "a")),
    )  # fmt: skip
    result = plan(dataclasses.replace(small(), data_files=(data,)), options)
    assert entries(result)["/home/anna/work/loop"].content == LinkContent("loop")


def test_data_behind_a_linked_folder_goes_where_the_link_leads(small, options, make):
    files = (make.link("/home/anna/work/big", "/mnt/big"), make.file("/home/anna/work/big/x.csv"))
    snapshot = dataclasses.replace(small(), data_files=(DataFile("/home/anna/work/big", files),))
    final = entries(plan(snapshot, options))
    assert final["/home/anna/work/big"].content == LinkContent("/mnt/big")
    assert "/mnt/big/x.csv" in final


def test_usrmerge_links_are_never_replaced_by_folders(small, options, make):
    files = (
        make.link("/bin", "usr/bin"),
        make.file("/bin/sh", executable=True),
        make.file("/lib/x86_64-linux-gnu/libc.so.6"),
        FileEntry("/lib/x86_64-linux-gnu/gconv", FileKind.DIRECTORY),
    )
    snapshot = small()
    tools = SystemFiles(SystemGroup.TOOLS, files)
    snapshot = dataclasses.replace(snapshot, system_files=(*snapshot.system_files, tools))
    final = entries(plan(snapshot, options))
    assert final["/bin"].content == LinkContent("usr/bin")
    assert "/usr/bin/sh" in final
    assert "/usr/lib/x86_64-linux-gnu/libc.so.6" in final
    assert "/usr/lib/x86_64-linux-gnu/gconv" in final
    assert not any(t.startswith(("/lib/", "/bin/")) for t in final)


def test_a_relative_link_that_leaves_a_moved_prefix_still_leads_there(small, options, make):
    venv = "/home/anna/work/.venv"
    snapshot = small()
    extra = SystemFiles(
        SystemGroup.INTERPRETER, (make.link(f"{venv}/bin/tool", "../../../.pyenv/versions/3.11.7/bin/python3.11"),)
    )  # fmt: skip
    snapshot = dataclasses.replace(snapshot, system_files=(*snapshot.system_files, extra))
    final = entries(plan(snapshot, options))
    assert follow(final, f"{venv}/bin/tool").endswith("/python/bin/python3.11")


def test_a_user_site_moves_and_its_scripts_stay(small, options, make):
    site = "/home/anna/.local/lib/python3.11/site-packages"
    tool = make.distribution("tool", site, prefix="/home/anna/.local")
    snapshot = small(more=(tool,))
    snapshot = dataclasses.replace(
        snapshot, interpreter=dataclasses.replace(snapshot.interpreter, user_site=site)
    )
    result = plan(snapshot, options)
    final = entries(result)
    moved = "/opt/jupyter-containerize/user/lib/python3.11/site-packages"
    assert final[site].content == LinkContent(moved)
    assert f"{moved}/tool/__init__.py" in entries(result, LayerKind.DISTRIBUTIONS)
    assert "/home/anna/.local/bin/tool" in entries(result, LayerKind.LOCAL_CODE)


def test_sizes_are_those_of_the_files(small, options):
    result = plan(small(), options)
    base = result.layers[0]
    files = sum(e.content.size_bytes for e in base.entries if isinstance(e.content, FileContent))
    assert base.size_bytes == files + 20


def test_a_notebook_inside_the_venvs_folder_may_be_written(small, options):
    snapshot = small(venv="/home/anna/v", folder="/home/anna/v/notebooks")
    final = entries(plan(snapshot, options))
    assert final["/home/anna/v/notebooks"].group_writable
    assert final["/home/anna/v/lib"].content == LinkContent("/opt/jupyter-containerize/env/lib")


def test_conda_below_home_stays_roots(small, options):
    snapshot = small(venv="/home/anna/conda", base="/home/anna/conda")
    snapshot = dataclasses.replace(
        snapshot, interpreter=dataclasses.replace(snapshot.interpreter, conda=True)
    )
    final = entries(plan(snapshot, options))
    assert final["/home/anna"].group_writable
    assert not any(e.group_writable for t, e in final.items() if t.startswith("/home/anna/conda"))


def test_the_interpreters_own_library_is_in_the_base(small, options, make):
    path = "/home/anna/.pyenv/versions/3.11.7/lib/libpython3.11.so.1.0"
    snapshot = small()
    own = NativeLibrary("libpython3.11.so.1.0", path, (make.file(path),))
    snapshot = dataclasses.replace(snapshot, libraries=(*snapshot.libraries, own))
    result = plan(snapshot, options)
    target = "/opt/jupyter-containerize/python/lib/libpython3.11.so.1.0"
    assert target in entries(result, LayerKind.BASE)
    assert target not in entries(result, LayerKind.LIBRARIES)


def test_further_site_folders_are_numbered_as_in_sys_path(small, options, make):
    def kernel(user):
        sites = [f"/srv/{user}/z/site-packages", f"/home/{user}/a/site-packages"]
        more = [make.distribution(f"d{n}", site) for n, site in enumerate(sites)]
        debian = make.distribution("debian", "/usr/lib/python3/dist-packages")
        snapshot = small(user, more=(*more, debian))
        interpreter = snapshot.interpreter
        return dataclasses.replace(
            snapshot,
            interpreter=dataclasses.replace(
                interpreter,
                sys_path=(*interpreter.sys_path, *sites, "/usr/lib/python3/dist-packages"),
            ),
        )

    final = entries(plan(kernel("anna"), options))
    assert "/opt/jupyter-containerize/site/0/d0/__init__.py" in final
    assert "/opt/jupyter-containerize/site/1/d1/__init__.py" in final
    assert (
        entries(plan(kernel("zoe"), options), *SHARED).keys()
        == entries(plan(kernel("anna"), options), *SHARED).keys()
    )
