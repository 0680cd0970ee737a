"""A snapshot on another base than `host`: what the base brings stays out, its Python runs it.

Distributions lie in a virtual environment over the base's Python, at the same fixed prefix as
on base `host`: so their layers are the same on every base, and nothing of the base is hidden.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import replace

from ..model.base import BaseImage
from ..model.files import FileKind
from ..model.plan import (
    LIBRARY_FOLDER,
    OUTPUTS_FOLDER,
    Entry,
    FileContent,
    FolderContent,
    InlineContent,
    LinkContent,
    RewrittenContent,
)
from ..model.snapshot import Snapshot, Variable
from .contents import file_content
from .placement import ENVIRONMENT_PREFIX, SITE_FOLDERS, Placement
from .system import USER_ID, USER_NAME, home_of

#: The interpreter that runs the cells in such an image.
PYTHON = f"{ENVIRONMENT_PREFIX}/bin/python"


def site_of(base: BaseImage) -> str:
    """Return the folder where the environment's Python finds distributions."""
    return f"{ENVIRONMENT_PREFIX}/lib/python{base.python_version}/site-packages"


def moves_onto(snapshot: Snapshot, base: BaseImage) -> Mapping[str, str]:
    """Return where the kernel's folders of distributions lie on that base."""
    interpreter, site = snapshot.interpreter, site_of(base)
    found = {interpreter.prefix: ENVIRONMENT_PREFIX}
    locations = {distribution.location for distribution in snapshot.distributions}
    for path in sorted({*interpreter.sys_path, *interpreter.site_packages, *locations}):
        if posixpath.basename(path) in SITE_FOLDERS:
            found[path] = site
    if interpreter.user_site:
        found[interpreter.user_site] = site
    return found


def onto(snapshot: Snapshot, base: BaseImage, placement: Placement) -> Snapshot:
    """Return the snapshot without what the base brings, and as its Python sees the image.

    Its libraries are those that the base lacks, and no others.
    """
    own = {variable.name for variable in snapshot.environment}
    brought = [
        Variable(name, value)
        for name, value in base.environment.items()
        if name not in own and name not in ("PATH", "HOME")
    ]
    return replace(
        snapshot,
        platform=base.platform,
        executables=(),
        system_files=(),
        system_packages=(),
        environment=(*snapshot.environment, *brought),
        interpreter=replace(
            snapshot.interpreter,
            executable=PYTHON,
            sys_path=_sys_path(snapshot, base, placement),
        ),
    )


def _sys_path(snapshot: Snapshot, base: BaseImage, placement: Placement) -> tuple[str, ...]:
    """Return the kernel's `sys.path` as it is on the base, in the same order."""
    interpreter = snapshot.interpreter
    number = base.python_version.replace(".", "")
    of_base = {
        interpreter.stdlib: base.stdlib,
        interpreter.platstdlib: base.stdlib,
        f"{interpreter.platstdlib}/lib-dynload": f"{base.stdlib}/lib-dynload",
        f"{interpreter.stdlib}/lib-dynload": f"{base.stdlib}/lib-dynload",
    }
    result = []
    for path in interpreter.sys_path:
        if posixpath.basename(path) == f"python{number}.zip":
            path = f"{posixpath.dirname(base.stdlib)}/python{number}.zip"  # noqa: PLW2901
        elif path in of_base:
            path = of_base[path]  # noqa: PLW2901
        elif path and placement.folder(path).moved is not None:
            path = placement.folder(path).target  # noqa: PLW2901
        result.append(path)
    if site_of(base) not in result:
        result.append(site_of(base))
    return tuple(dict.fromkeys(result))


def brought_libraries(snapshot: Snapshot) -> dict[str, Entry]:
    """Return the libraries that the base lacks, in a folder of their own, by all their names."""
    entries: dict[str, Entry] = {}
    for library in snapshot.libraries:
        for file in library.files:
            if file.kind is FileKind.FILE:
                target = f"{LIBRARY_FOLDER}/{library.soname}"
                entries[target] = Entry(target, file_content(file), 0o755)
        for name in {posixpath.basename(file.path) for file in library.files} - {library.soname}:
            target = f"{LIBRARY_FOLDER}/{name}"
            entries.setdefault(target, Entry(target, LinkContent(library.soname), 0o755))
    return entries


def scripts(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the entries with the packages' scripts run by the environment's Python.

    A script of a Python in `/usr/local`, say, would be run by the base's own, without the packages.
    """
    start = f"{ENVIRONMENT_PREFIX}/bin/"
    return {
        target: replace(entry, content=RewrittenContent(entry.content, f"#!{PYTHON}"))
        if target.startswith(start) and isinstance(entry.content, FileContent)
        else entry
        for target, entry in entries.items()
    }


def base_entries(snapshot: Snapshot, base: BaseImage) -> dict[str, Entry]:
    """Return the environment over the base's Python, its user, and `/outputs`.

    Source: PEP 405 (`pyvenv.cfg`).
    """
    home, version = posixpath.dirname(base.python), base.python_version
    texts = {
        f"{ENVIRONMENT_PREFIX}/pyvenv.cfg": (
            f"home = {home}\ninclude-system-site-packages = false\nversion = {version}\n"
            f"executable = {base.python}\n"
        ),
        "/etc/passwd": _with_user(base.passwd, snapshot),
        "/etc/group": base.group or f"root:x:0:\n{USER_NAME}:x:{USER_ID}:\n",
    }
    links = {PYTHON: base.python}
    links |= {f"{ENVIRONMENT_PREFIX}/bin/python{end}": "python" for end in ("3", version)}
    entries = {path: Entry(path, InlineContent(text)) for path, text in texts.items()}
    entries |= {path: Entry(path, LinkContent(to), 0o755) for path, to in links.items()}
    for folder in ("/tmp", "/var/tmp"):  # noqa: S108 - folders of the image
        entries[folder] = Entry(folder, FolderContent(), 0o1777)
    entries[site_of(base)] = Entry(site_of(base), FolderContent(), 0o755)
    entries[OUTPUTS_FOLDER] = Entry(OUTPUTS_FOLDER, FolderContent(), 0o755, group_writable=True)
    return entries


def _with_user(passwd: str, snapshot: Snapshot) -> str:
    lines = [line for line in passwd.splitlines() if line]
    if not lines:
        lines = ["root:x:0:0:root:/root:/bin/sh"]
    if not any(line.split(":")[2:3] == [str(USER_ID)] for line in lines):
        home = home_of(snapshot).replace(":", "_").replace("\n", "_")
        lines.append(f"{USER_NAME}:x:{USER_ID}:0:{USER_NAME}:{home}:/bin/sh")
    return "\n".join(lines) + "\n"
