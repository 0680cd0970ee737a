"""What a module is, judged by where its file lies."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from enum import Enum

from ..model.snapshot import Interpreter
from . import dpkg_lists
from .disk import inside
from .installed import Environment, Installed
from .origin import editable_folder
from .record_view import Module

_SITE_NAMES = ("site-packages", "dist-packages")
_SUFFIXES = (".py", ".pyc", ".so")


class Place(Enum):
    """Who a module belongs to. `STRAY` lies among installed packages but belongs to none."""

    BUILTIN = "built in"
    STANDARD = "standard library"
    DISTRIBUTION = "distribution"
    LOCAL = "local code"
    GENERATED = "generated at run time"
    STRAY = "stray"


class Places:
    """Judges modules of one kernel. `folders` are where local code may lie (notebook, cwd)."""

    def __init__(
        self, *, interpreter: Interpreter, environment: Environment, folders: Iterable[str]
    ) -> None:
        self._interpreter = interpreter
        self._environment = environment
        self._folders = tuple(folder for folder in dict.fromkeys(folders) if folder)
        self._projects = _editable_projects(environment)
        self._standard = tuple(dict.fromkeys((interpreter.stdlib, interpreter.platstdlib)))
        self._sites = tuple(
            dict.fromkeys(
                path
                for path in (
                    *interpreter.site_packages,
                    interpreter.purelib,
                    interpreter.platlib,
                    interpreter.user_site or "",
                    *(p for p in interpreter.sys_path if p.endswith(_SITE_NAMES)),
                )
                if path
            )
        )

    def of(self, module: Module) -> tuple[Place, Installed | None]:
        """Return where the module belongs, and its distribution if it has one."""
        if not module.file:
            return Place.BUILTIN, None
        owner = self._owner(module.file)
        if owner is not None:
            return Place.DISTRIBUTION, owner
        if self.is_standard_file(module.file):
            return Place.STANDARD, None
        if any(inside(module.file, site) for site in self._sites):
            neighbour = self._owner_of_package(module)
            return (Place.DISTRIBUTION, neighbour) if neighbour else (Place.STRAY, None)
        if self._generated(module):
            return Place.GENERATED, None
        return Place.LOCAL, None

    def editable_owner(self, module: Module) -> Installed | None:
        """Return the editable install whose project a local module belongs to."""
        for folder, owner in self._projects.items():
            if inside(module.file, folder):
                known = owner.file_list.top_level
                root = self.root_of(module)
                if module.top_level in known or (not known and root not in self._folders):
                    return owner
        return None

    def project_modules(self, owner: Installed) -> tuple[tuple[str, str, str], ...]:
        """Return name, file and root of the packages of an editable install, by its folder."""
        found = []
        for folder in [at for at, one in self._projects.items() if one is owner]:
            names = owner.file_list.top_level or (owner.key.replace("-", "_"),)
            for name in names:
                for root in (f"{folder}/src", folder):
                    file = _module_file(root, name)
                    if file:
                        found.append((name, file, root))
                        break
        return tuple(found)

    def is_standard_file(self, path: str) -> bool:
        """Whether `path` belongs to the standard library (site folders inside it do not)."""
        if any(inside(path, site) for site in self._sites):
            return False
        return any(inside(path, folder) for folder in self._standard if folder)

    def is_site_state(self, path: str) -> bool:
        """Whether `path` is Python's or an installer's own among installed packages."""
        if not any(inside(path, site) for site in self._sites):
            return False
        return path.endswith((".py", ".pth", ".so")) or "-info/" in path

    def is_standard(self, dotted: str) -> bool:
        """Whether `dotted` names a module of the kernel's standard library."""
        name = dotted.partition(".")[0]
        if name in sys.stdlib_module_names:
            return True
        return any(
            os.path.exists(f"{folder}/{name}.py") or os.path.exists(f"{folder}/{name}/__init__.py")
            for folder in self._standard
            if folder
        )

    def root_of(self, module: Module) -> str:
        """Return the folder that the module's dotted name starts from."""
        folder, _, file = module.file.rpartition("/")
        stem = file.partition(".")[0]
        named = folder if stem == "__init__" else f"{folder}/{stem}"
        tail = "/" + module.name.replace(".", "/")
        return (named[: -len(tail)] if named.endswith(tail) else folder) or "/"

    def local_module(self, dotted: str) -> tuple[str, str] | None:
        """Return file and root of a local module that is not loaded, if there is one."""
        name = dotted.partition(".")[0]
        for folder in (*self._folders, *self._interpreter.sys_path):
            if not folder or folder in self._sites or folder in self._standard:
                continue
            file = _module_file(folder, name)
            if file:
                return file, folder
        return None

    def _owner(self, path: str) -> Installed | None:
        owners = self._environment.owners
        found = owners.get(path)
        if found is None and path.endswith(".pyc"):
            found = owners.get(path[:-1])
        return found or owners.get(os.path.realpath(path))

    def _owner_of_package(self, module: Module) -> Installed | None:
        """Return who owns the package that an unlisted file (generated at install) lies in."""
        folder = os.path.dirname(module.file)
        while not (folder in self._sites or len(folder) <= 1):
            owner = self._environment.owners.get(f"{folder}/__init__.py")
            if owner is not None:
                return owner
            folder = os.path.dirname(folder)
        package = dpkg_lists.owner_of_file(module.file)
        return (
            self._environment.system_package(package, location=os.path.dirname(module.file))
            if package
            else None
        )

    def _generated(self, module: Module) -> bool:
        """Whether something (TensorFlow's autograph, a JIT) wrote the file while cells ran."""
        if not inside(module.file, tempfile.gettempdir()):
            return False
        root = self.root_of(module)
        known = (*self._folders, *self._interpreter.sys_path)
        return root not in known and not any(inside(module.file, one) for one in self._folders)


def archive_of(path: str) -> str:
    """Return the zip file (on `sys.path`) that a module's path leads into, or ""."""
    folder = os.path.dirname(path)
    while len(folder) > 1 and not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return folder if os.path.isfile(folder) else ""


def _module_file(folder: str, name: str) -> str:
    files = (f"{folder}/{name}/__init__.py", f"{folder}/{name}.py")
    return next((file for file in files if os.path.isfile(file)), "")


def _editable_projects(environment: Environment) -> dict[str, Installed]:
    """Return the project folders of editable installs, the innermost first."""
    found: dict[str, Installed] = {}
    for one in environment.installed:
        folder = editable_folder(one)
        if folder and environment.by_key[one.key] is one:
            found.setdefault(folder, one)
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))
