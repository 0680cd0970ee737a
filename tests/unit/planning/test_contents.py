"""Which files get a `.pyc` in the image."""

from __future__ import annotations

import pytest

from jupyter_containerize.model.files import FileEntry
from jupyter_containerize.planning.contents import kept_entries
from jupyter_containerize.planning.placement import Placement


@pytest.mark.parametrize(
    ("name", "compiled"),
    [
        ("plain.py", True),
        ("_sysconfigdata__linux_x86_64-linux-gnu.py", True),
        ("with space.py", False),
        ("1st.py", False),
        ("two.dots.py", False),
        ("script", False),
    ],
)
def test_what_can_be_imported_is_compiled(small, name, compiled):
    entry = FileEntry(f"/srv/{name}", size_bytes=1, sha256="0" * 64)
    entries = kept_entries([entry], Placement(small(), ()), cache_tag="cpython-311")
    assert any(target.endswith(".pyc") for target in entries) == compiled
