from __future__ import annotations

import base64
import struct

import pytest

from jupyter_containerize.proof.bundle import renamed, same_data
from jupyter_containerize.proof.pictures import size_of
from jupyter_containerize.proof.tokens import Tolerance


def png(width, height):
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height)
    return base64.b64encode(head + b"rest").decode()


def jpeg(width, height):
    frame = struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return base64.b64encode(b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0" + frame + b"\xff\xd9").decode()


@pytest.mark.parametrize(
    ("kind", "data", "size"),
    [
        ("image/png", png(640, 480), (640, 480)),
        ("image/jpeg", jpeg(30, 20), (30, 20)),
        ("image/gif", base64.b64encode(b"GIF89a\x05\x00\x07\x00").decode(), (5, 7)),
        ("image/svg+xml", '<svg width="10pt" height="5pt">', (10, 5)),
        ("image/svg+xml", "<svg viewBox='0 0 30 20'>", (30, 20)),
        ("image/svg+xml", "no picture", None),
        ("image/png", "not base64!", None),
        ("image/png", "", None),
        ("image/jpeg", base64.b64encode(b"\xff\xd8\xff").decode(), None),
    ],
)
def test_sizes_of_pictures(kind, data, size):
    assert size_of(kind, data) == size


@pytest.mark.parametrize(
    ("kind", "one", "other", "same"),
    [
        ("image/png", png(640, 480), png(641, 479), True),
        ("image/png", png(640, 480), png(640, 490), False),
        ("image/png", png(640, 480), "broken", False),
        ("image/svg+xml", '<svg width="9" height="9"/>', ['<svg width="9" height="9">', "x"], True),
        ("text/html", "<td>1.0</td>", "<td>1.0000001</td>", True),
        ("text/html", "<td>1.0</td>", "<td>1.1</td>", False),
        ("text/html", '<p id="sk-container-id-1">x', '<p id="sk-container-id-7">x', True),
        ("text/html", '<t id="T_ab12c"><i id="T_ab12c_row0">', '<t id="T_0ff1e"><i id="T_0ff1e_row0">', True),
        ("text/html", '<p id="a1b2">x</p>#a1b2', '<p id="c3d4">x</p>#e5f6', False),
        ("text/html", '<p id="blmcpv">x<s>#blmcpv a', '<p id="xlcefy">x<s>#xlcefy a', True),
        ("text/html", '<p id="blmcpv">x<s>#blmcpv a', '<p id="xlcefy">x<s>#blmcpv a', False),
        ("text/html", '<p id="blmcpv">x', '<p id="xlcefy">y', False),
        ("text/html", '<p id="blmcpv"><b id="header">', '<p id="header"><b id="xlcefy">', False),
        ("application/json", {"a": [1, 2.0]}, {"a": [1, 2.0000001]}, True),
        ("application/json", {"a": [1, 2.0]}, {"a": [2, 2.0]}, False),
        ("application/json", {"a": 1}, {"b": 1}, False),
        ("application/json", [1, True], [1, 1], False),
        ("application/json", [1.0, None], [1.0, 0.0], False),
        ("application/vnd.x+json", {"t": "at 0x7f0000000000"}, {"t": "at 0x7f0000000001"}, True),
        ("application/vnd.jupyter.widget-view+json", {"model_id": "1"}, {"model_id": "2"}, True),
        ("text/latex", ["$x$\n", "y"], "$x$\ny", True),
    ],
)  # fmt: skip
def test_one_representation(kind, one, other, same):
    assert same_data(kind, one, other, Tolerance()) is same
    assert same_data(kind, other, one, Tolerance()) is same


def test_ids_are_numbered_in_order():
    assert (
        renamed('<a id="x9f8"><b for="x9f8" id="q123">') == '<a id="id-1"><b for="id-1" id="id-2">'
    )
