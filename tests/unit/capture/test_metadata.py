import importlib.metadata

import pytest

from jupyter_containerize.capture.metadata import normalise, parse


def test_headers_end_at_the_first_empty_line():
    found = parse("Name: a\nVersion: 1\nSummary: what\n\nName: b\n")
    assert (found.name, found.version, found.summary) == ("a", "1", "what")


def test_continued_lines_belong_to_their_header():
    text = "Name: a\nLicense: MIT\n        and more\nRequires-Dist: b\n        ; os_name == 'x'\n\n"
    assert parse(text).requires == ("b\n; os_name == 'x'",)
    assert parse(text).license == ""


@pytest.mark.parametrize(
    ("headers", "license_"),
    [
        ("License-Expression: Apache-2.0 OR MIT", "Apache-2.0 OR MIT"),
        ("License: BSD-3-Clause", "BSD-3-Clause"),
        ("License: Some words of our own", ""),
        ("License: UNKNOWN", ""),
        ("Classifier: License :: OSI Approved :: MIT License", "MIT"),
        ("Classifier: License :: OSI Approved :: BSD License", ""),
    ],
)
def test_only_what_is_spdx_is_a_license(headers, license_):
    assert parse(f"Name: a\n{headers}\n").license == license_


def test_a_line_of_blanks_does_not_end_the_headers():
    assert parse("License: one\n        \n        two\nName: a\n\n").name == "a"


def test_nonsense_gives_empty_fields():
    assert parse("\x00\xff:::\n  \n").name == ""
    assert parse("").requires == ()


def test_names_compare_by_pep_503():
    assert normalise("Zope.Interface__x-Y") == "zope-interface-x-y"


def test_agrees_with_importlib_metadata():
    for one in importlib.metadata.distributions():
        text = one.read_text("METADATA")
        if text is None:
            continue
        found = parse(text)
        assert found.name == one.metadata["Name"]
        assert found.version == one.version
        theirs = [" ".join(line.split()) for line in one.requires or ()]
        assert [" ".join(line.split()) for line in found.requires] == theirs
