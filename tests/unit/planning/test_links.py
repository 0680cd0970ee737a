"""Links make everything reachable and hide nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_containerize.planning.links import prefix_links
from jupyter_containerize.planning.placement import Moved, under

IMAGE = "/opt/jupyter-containerize/env"
NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


def links(kernel, targets, occupied=(), moved=()):
    made = prefix_links(
        (*moved, Moved(kernel, IMAGE)), targets=[*targets, *occupied], occupied=list(occupied)
    )
    return {target: entry.content.to for target, entry in made.items()}


def test_one_link_where_nothing_else_lies():
    assert links("/home/a/venv", [f"{IMAGE}/lib/x.py"], ["/home/a/data.csv"]) == {
        "/home/a/venv": IMAGE
    }


def test_a_prefix_without_files_needs_no_link():
    assert links("/home/a/venv", ["/usr/bin/x"]) == {}


def test_children_where_something_lies_inside():
    targets = [f"{IMAGE}/lib/x.py", f"{IMAGE}/bin/python"]
    assert links("/p", targets, ["/p/lib/own/data.csv"]) == {
        "/p/bin": f"{IMAGE}/bin",
        "/p/lib/x.py": f"{IMAGE}/lib/x.py",
    }


def test_a_prefix_inside_another_keeps_its_own_link():
    inner = Moved("/base/envs/x", "/opt/jupyter-containerize/x")
    made = links(
        "/base", [f"{IMAGE}/bin/python", "/opt/jupyter-containerize/x/lib/y.py"], moved=(inner,)
    )
    assert made == {"/base/bin": f"{IMAGE}/bin", "/base/envs/x": "/opt/jupyter-containerize/x"}


def test_a_writable_folder_is_never_a_link():
    assert links("/home/a", [f"{IMAGE}/lib/x.py"], ["/home/a"]) == {"/home/a/lib": f"{IMAGE}/lib"}


@settings(max_examples=300, deadline=None)
@given(inside=st.sets(PATHS, min_size=1, max_size=8), own=st.sets(PATHS, max_size=5))
def test_all_is_reachable_and_nothing_hidden(inside, own):
    # A file is no folder: keep the leaves only.
    inside = {p for p in inside if not any(q != p and under(q, p) for q in inside)}
    made = links("/p", [f"{IMAGE}/{path}" for path in inside], [f"/p/{path}" for path in own])
    for path in own:
        assert not any(under(f"/p/{path}", link) for link in made)
    for path in inside:
        leading = [link for link in made if under(f"/p/{path}", link)]
        taken = any(under(path, other) or under(other, path) for other in own)
        assert len(leading) == 1 or (taken and not leading)
        for link in leading:
            assert made[link] + f"/p/{path}"[len(link) :] == f"{IMAGE}/{path}"
