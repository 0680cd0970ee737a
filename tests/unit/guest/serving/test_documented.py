"""docs/service.md lists every setting with its default."""

from __future__ import annotations

import re
from pathlib import Path

from jupyter_containerize.guest.serving.settings import Settings

PAGE = Path(__file__).resolve().parents[4] / "docs" / "service.md"


def test_every_setting_is_listed_with_its_default():
    listed = dict(
        re.findall(r"^\| `CONTAINERIZE_(\w+)` \|([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    )
    defaults = Settings()._asdict()
    assert {name.lower() for name in listed} == set(defaults)
    for name, text in listed.items():
        default = defaults[name.lower()]
        assert text.strip() == (str(int(default)) if not isinstance(default, str) else default), (
            name
        )
