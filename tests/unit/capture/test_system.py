"""System files of base `host`; that they suffice is shown in tests/integration."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import ssl
import sys
import sysconfig
import zoneinfo

import pytest

from jupyter_containerize.capture import compiled_in, standard_library, system
from jupyter_containerize.capture.packages import Owners
from jupyter_containerize.model.files import FileKind
from jupyter_containerize.model.snapshot import Interpreter, SystemGroup

PATHS = sysconfig.get_paths()


def this_python(**changes) -> Interpreter:
    facts = {
        "executable": sys.executable, "real_executable": os.path.realpath(sys.executable),
        "version": platform.python_version(), "implementation": "cpython",
        "cache_tag": sys.implementation.cache_tag, "pyc_magic": importlib.util.MAGIC_NUMBER.hex(),
        "prefix": sys.prefix, "base_prefix": sys.base_prefix, "exec_prefix": sys.exec_prefix,
        "base_exec_prefix": sys.base_exec_prefix, "sys_path": tuple(sys.path),
        "stdlib": PATHS["stdlib"], "platstdlib": PATHS["platstdlib"], "purelib": PATHS["purelib"],
        "platlib": PATHS["platlib"], "site_packages": (PATHS["purelib"],), "user_site": None,
        "conda": False, "markers": {},
    }  # fmt: skip
    return Interpreter(**{**facts, **changes})


@pytest.fixture(scope="module")
def groups():
    found = system.find(
        this_python(), environment={"LANG": "C.UTF-8"}, imported=["json"], packages=Owners()
    )
    return {group.group: group for group in found}


def names(group) -> set[str]:
    return {entry.path for entry in group.files}


def test_every_group_is_there_with_a_reason(groups):
    needed = set(SystemGroup) - {SystemGroup.OPENSSL}
    assert needed <= set(groups)
    for group in groups.values():
        assert group.reasons
        assert len(names(group)) == len(group.files)
        assert all(not os.path.islink(os.path.dirname(entry.path)) for entry in group.files)


def test_nothing_of_the_machines_own_business_goes_in(groups):
    everything = set().union(*(names(group) for group in groups.values()))

    secret = {"/etc/passwd", "/etc/shadow", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname"}
    assert not secret & everything
    assert not any("/ssl/private" in path for path in everything)


def test_the_standard_library_without_parts_for_developers(groups):
    stdlib = names(groups[SystemGroup.STDLIB])
    relative = {os.path.relpath(path, PATHS["stdlib"]) for path in stdlib}

    assert {"os.py", "json/__init__.py", "encodings/utf_8.py", "ensurepip/__init__.py"} <= relative
    for start in ("test/", "idlelib/", "turtledemo/", "tkinter/", "config-", "site-packages/"):
        assert not any(path.startswith(start) for path in relative), start
    assert not any("_tkinter" in path or "_testcapi" in path for path in relative)
    assert not any(path.endswith((".a", ".whl", ".pyc")) for path in relative)
    assert any("_ssl" in path for path in relative)


def test_bytecode_is_for_this_interpreter_and_these_files(groups):
    stdlib = groups[SystemGroup.STDLIB]
    sources = names(stdlib)

    for entry in stdlib.bytecode:
        assert importlib.util.source_from_cache(entry.path) in sources
        assert entry.path.endswith(f".{sys.implementation.cache_tag}.pyc")


def test_imported_parts_go_in():
    files, _ = standard_library.standard_library(this_python(), imported=["tkinter.ttk"])

    relative = {os.path.relpath(entry.path, PATHS["stdlib"]) for entry in files}
    if os.path.isdir(f"{PATHS['stdlib']}/tkinter"):
        assert "tkinter/ttk.py" in relative
    assert not any(path.startswith("test/") for path in relative)


def test_every_name_of_the_interpreter_leads_to_it(groups):
    interpreter = groups[SystemGroup.INTERPRETER]
    real = os.path.realpath(sys.executable)

    assert {sys.executable, real} <= names(interpreter)
    if sys.prefix != sys.base_prefix:
        assert f"{sys.prefix}/pyvenv.cfg" in names(interpreter)
    for entry in interpreter.files:
        if entry.kind is FileKind.SYMLINK and "/python" in os.path.basename(entry.path):
            assert os.path.realpath(entry.path) == real


def test_zones_come_once(groups):
    zones = names(groups[SystemGroup.TIME_ZONES])

    assert "/usr/share/zoneinfo/Europe/Berlin" in zones
    assert not any("/posix/" in path or "/right/" in path for path in zones)
    size = sum(entry.size_bytes for entry in groups[SystemGroup.TIME_ZONES].files)
    assert size < 3 << 20


def test_few_character_sets_with_their_index(groups):
    sets = {os.path.basename(path) for path in names(groups[SystemGroup.GCONV])}

    assert {"UTF-16.so", "ISO8859-15.so", "gconv-modules.cache"} <= sets
    assert "EUC-TW.so" not in sets


def test_owners_are_named(groups):
    if shutil.which("dpkg"):
        assert groups[SystemGroup.TIME_ZONES].packages == ("tzdata",)
        assert "libc6" in groups[SystemGroup.LOADER].packages


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("de_DE.UTF-8", {"de_DE.utf8/LC_CTYPE"}),
        ("de_DE.utf8", {"de_DE.utf8/LC_CTYPE"}),
        ("sr_RS@latin", {"sr_RS@latin/LC_CTYPE"}),
        ("fr_FR.UTF-8", {"locale-archive"}),
        ("POSIX", set()),
        ("", set()),
    ],
)
def test_locales_in_use(value, expected, tmp_path, monkeypatch):
    for name in ("C.utf8", "de_DE.utf8", "sr_RS@latin", "it_IT.utf8"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "LC_CTYPE").write_text("x")
    (tmp_path / "locale-archive").write_text("x")
    monkeypatch.setattr(system, "_LOCALE_FOLDER", str(tmp_path))

    found = system._locales({"LC_ALL": value, "LANGUAGE": "it_IT.UTF-8"})

    relative = {os.path.relpath(entry.path, tmp_path) for entry in found}
    assert relative == {"C.utf8/LC_CTYPE"} | expected


def test_what_openssls_configuration_includes_goes_in(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/policy.cnf").write_text("x")
    (tmp_path / "openssl.cnf").write_text(f"a = b\n.include = {tmp_path}/more\n.include rel.cnf\n")
    facts = compiled_in.CompiledIn(ca_file=f"{tmp_path}/cert.pem")

    found = {os.path.relpath(entry.path, tmp_path) for entry in system._openssl(facts, {})}

    assert found == {"openssl.cnf", "more/policy.cnf"}


def test_single_certificates_only_where_there_is_no_bundle(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "_CA_BUNDLES", ())
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs/0a1b2c.0").write_text("one")
    facts = compiled_in.CompiledIn(ca_file=f"{tmp_path}/cert.pem", ca_folder=f"{tmp_path}/certs")

    alone = {os.path.basename(entry.path) for entry in system._certificates(facts, {})}
    (tmp_path / "cert.pem").write_text("all")
    with_bundle = {os.path.basename(entry.path) for entry in system._certificates(facts, {})}

    assert alone == {"certs", "0a1b2c.0"}
    assert with_bundle == {"certs", "cert.pem"}


def test_data_of_mapped_libraries_goes_in(require):
    require(os.path.isdir("/etc/fonts"), "fontconfig's configuration")
    mapped = ["/usr/lib/x86_64-linux-gnu/libfontconfig.so.1.12.0"]

    with_fonts = {entry.path for entry in system._tools(this_python(), {}, mapped)}
    without = {entry.path for entry in system._tools(this_python(), {}, [])}

    assert "/etc/fonts/fonts.conf" in with_fonts - without


class TestCompiledIn:
    def ask(self, executable=sys.executable, cache=None):
        return compiled_in.ask(executable, environment={}, cache=cache)

    def test_tells_what_this_python_says(self):
        facts = self.ask()

        assert facts.ca_file == ssl.get_default_verify_paths().openssl_cafile
        assert facts.tz_folders == tuple(zoneinfo.TZPATH)
        assert "libcrypto" in facts.libcrypto

    def test_asks_once(self, tmp_path, monkeypatch):
        first = self.ask(cache=f"{tmp_path}/kept")
        monkeypatch.setattr(compiled_in, "_run", lambda *_: pytest.fail("asked again"))

        assert self.ask(cache=f"{tmp_path}/kept") == first

    def test_a_broken_cache_is_asked_past(self, tmp_path):
        (tmp_path / "compiled-in-1.json").write_text("[")

        assert self.ask(cache=str(tmp_path)) == self.ask()

    def test_a_cache_that_cannot_be_written_is_no_error(self, tmp_path):
        (tmp_path / "file").write_text("")

        assert self.ask(cache=f"{tmp_path}/file/below") == self.ask()

    @pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho junk\n"])
    def test_a_python_that_cannot_say_is_taken_for_debians(self, text, tmp_path):
        (tmp_path / "python").write_text(text)
        (tmp_path / "python").chmod(0o755)

        assert self.ask(f"{tmp_path}/python") == compiled_in.CompiledIn()
        assert self.ask("/nonexistent/python") == compiled_in.CompiledIn()


def test_bytecode_without_source_or_for_others_stays_out(tmp_path):
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "here.py").write_text("")
    for name in (
        "here.cpython-399",
        "gone.cpython-399",
        "here.cpython-398",
        "here.cpython-399.opt-1",
    ):
        (tmp_path / "__pycache__" / f"{name}.pyc").write_bytes(b"")

    def bytecode(**changes):
        paths = {"stdlib": str(tmp_path), "platstdlib": str(tmp_path), "sys_path": ()}
        python = this_python(cache_tag="cpython-399", **paths, **changes)
        _, found = standard_library.standard_library(python, imported=())
        return [os.path.basename(entry.path) for entry in found]

    assert bytecode() == ["here.cpython-399.pyc"]
    assert bytecode(optimize=1) == ["here.cpython-399.opt-1.pyc"]
