import pytest

from jupyter_containerize.capture.closure import close
from jupyter_containerize.capture.installed import Environment


@pytest.fixture
def closed(world):
    def run(*keys, fallback=None):
        environment = Environment(world.sys_path)
        roots = [environment.by_key[key] for key in keys]
        return close(
            roots,
            environment=environment,
            markers=world.interpreter.markers,
            fallback=fallback,
        )

    return run


def test_requirements_are_followed_to_the_end_and_circles_end(world, closed):
    world.install("a", {"a.py": ""}, requires=["b>=1", "c"])
    world.install("b", {"b.py": ""}, requires=["A"])
    world.install("c", {"c.py": ""})
    world.install("bystander", {"d.py": ""})
    found = closed("a")
    assert sorted(found.chosen) == ["a", "b", "c"]
    assert found.requires == {"a": ("b", "c"), "b": ("a",)}
    assert found.required_by("b") == ("a",)


def test_markers_are_the_kernels_not_ours(world, closed):
    world.install(
        "a",
        {"a.py": ""},
        requires=[
            "old; python_version < '3.0'",
            "here; python_version == '3.11'",
            "mac; sys_platform == 'darwin'",
        ],
    )
    for name in ("old", "here", "mac"):
        world.install(name, {f"{name}.py": ""})
    assert sorted(closed("a").chosen) == ["a", "here"]


def test_extras_count_only_when_asked_for(world, closed):
    world.install("plain", {"plain.py": ""}, requires=["tool"])
    world.install("rich", {"rich.py": ""}, requires=["tool[fast, Big_Data]"])
    world.install(
        "tool",
        {"tool.py": ""},
        requires=['quick; extra == "fast"', 'big; extra == "big-data"', 'docs; extra == "docs"'],
    )
    for name in ("quick", "big", "docs"):
        world.install(name, {f"{name}.py": ""})
    assert sorted(closed("plain").chosen) == ["plain", "tool"]
    assert sorted(closed("rich").chosen) == ["big", "quick", "rich", "tool"]


def test_an_extra_that_names_its_own_package(world, closed):
    world.install(
        "tool", {"t.py": ""}, requires=['tool[fast]; extra == "all"', 'quick; extra == "fast"']
    )
    world.install("user", {"u.py": ""}, requires=["tool[all]"])
    world.install("quick", {"q.py": ""})
    assert sorted(closed("user").chosen) == ["quick", "tool", "user"]


def test_a_requirement_installed_nowhere_is_a_finding(world, closed):
    world.install("a", {"a.py": ""}, requires=["gone>=2", 'optional; extra == "x"'])
    found = closed("a")
    assert [one.code for one in found.findings] == ["missing-requirement"]
    assert "gone" in found.findings[0].what
    assert "optional" not in found.findings[0].what


def test_requirements_that_nobody_can_parse_are_passed_over(world, closed):
    world.install("a", {"a.py": ""}, requires=["???", "b; unknown_marker == '1'", "c"])
    world.install("b", {"b.py": ""})
    world.install("c", {"c.py": ""})
    assert sorted(closed("a").chosen) == ["a", "c"]


def test_the_fallback_serves_only_what_is_lacking(world, tmp_path):
    world.install("shared", {"s.py": ""}, version="1")
    lent = tmp_path / "ours"
    world.install("guest", {"g.py": ""}, requires=["shared", "only-ours"], site=lent)
    world.install("shared", {"s.py": ""}, version="2", site=lent)
    world.install("only-ours", {"o.py": ""}, site=lent)
    ours = Environment([str(lent)])
    environment = Environment(world.sys_path)
    found = close(
        [ours.by_key["guest"]],
        environment=environment,
        markers=world.interpreter.markers,
        fallback=ours,
    )
    assert found.chosen["shared"].location == str(world.site)
    assert found.chosen["only-ours"].location == str(lent)


def test_setuptools_requires_txt_counts(world, closed):
    info = world.site / "old.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: old\nVersion: 1\n")
    (info / "requires.txt").write_text("b\n\n[fast]\nc\n\n[:python_version < '3']\nd\n")
    (info / "top_level.txt").write_text("old\n")
    for name in "bcd":
        world.install(name, {f"{name}.py": ""})
    assert sorted(closed("old").chosen) == ["b", "old"]
