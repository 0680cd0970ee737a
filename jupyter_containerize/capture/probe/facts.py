"""What the kernel's process says about itself."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import site
import sys
import sysconfig

#: Variables whose values a container needs to behave alike, and that hold no secrets.
_VALUES_KEPT = re.compile(
    r"(LD_LIBRARY_PATH|LD_PRELOAD|PATH|PYTHON(PATH|HOME|HASHSEED|OPTIMIZE|UTF8|IOENCODING|WARNINGS)"
    r"|LANG|LANGUAGE|LC_[A-Z]+|TZ|OMP_\w+|MKL_\w+|OPENBLAS_\w+|NUMEXPR_\w+|MPLBACKEND|KERAS_BACKEND"
    r"|TF_(CPP_MIN_LOG_LEVEL|ENABLE_ONEDNN_OPTS|DETERMINISTIC_OPS|USE_LEGACY_KERAS)"
    r"|CONDA_(PREFIX|DEFAULT_ENV|SHLVL)|GDAL_DATA|PROJ_(DATA|LIB)|R_HOME|JAVA_HOME"
    r"|(KERAS|HF|TORCH)_HOME|SCIKIT_LEARN_DATA|NLTK_DATA|XDG_CACHE_HOME|VIRTUAL_ENV|SHELL)\Z"
)


def interpreter():
    """Return every field of `model.snapshot.Interpreter`."""
    user_site = site.getusersitepackages() if site.ENABLE_USER_SITE else None
    named = [*getattr(site, "getsitepackages", list)(), *([user_site] if user_site else [])]
    found = [
        path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")
    ]
    sites = [path for path in dict.fromkeys(named + found) if os.path.isdir(path)]
    return {
        "executable": sys.executable or "",
        "real_executable": os.path.realpath(sys.executable or ""),
        "version": platform.python_version(),
        "implementation": sys.implementation.name,
        "cache_tag": sys.implementation.cache_tag or "",
        "pyc_magic": importlib.util.MAGIC_NUMBER.hex(),
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "exec_prefix": sys.exec_prefix,
        "base_exec_prefix": sys.base_exec_prefix,
        "sys_path": [str(path) for path in sys.path],
        "stdlib": sysconfig.get_path("stdlib"),
        # In a virtual environment sysconfig names a folder there, which holds nothing.
        "platstdlib": sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix}),
        "purelib": sysconfig.get_path("purelib"),
        "platlib": sysconfig.get_path("platlib"),
        "site_packages": sites,
        "user_site": user_site,
        "conda": os.path.isdir(os.path.join(sys.prefix, "conda-meta")),
        "markers": markers(),
        "libc": libc(),
        "home": os.path.expanduser("~"),
        "optimize": sys.flags.optimize,
    }


def markers():
    """Return the PEP 508 environment; the running system's release only where markers use it."""
    info = sys.implementation.version
    level = "" if info.releaselevel == "final" else info.releaselevel[0] + str(info.serial)
    system = platform.uname()
    mac = system.system == "Darwin"
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": "{}.{}.{}{}".format(info.major, info.minor, info.micro, level),
        "os_name": os.name,
        "platform_machine": system.machine,
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": system.release if mac else "",
        "platform_system": system.system,
        "platform_version": system.version if mac else "",
        "python_full_version": platform.python_version(),
        "python_version": "{}.{}".format(*sys.version_info[:2]),
        "sys_platform": sys.platform,
    }


def libc():
    """Return e.g. `["glibc", "2.36"]`, empty where the C library does not say."""
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (AttributeError, ValueError, OSError):
        return []


def modules(first_seen):
    """Return a row for each loaded module but ours; lazy modules are not touched."""
    rows = []
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("jupyter_containerize", "_jupyter_containerize_probe"):
            continue
        try:
            inside = object.__getattribute__(module, "__dict__")
        except Exception:
            inside = {}
        try:
            paths = [str(path) for path in inside.get("__path__") or ()]
        except Exception:
            paths = []
        file, origin = inside.get("__file__"), getattr(inside.get("__spec__"), "origin", None)
        rows.append(
            [
                name,
                os.path.abspath(file) if isinstance(file, str) and file else "",
                origin if isinstance(origin, str) else "",
                paths,
                first_seen.get(name, 0),
            ]
        )
    return rows


def maps():
    """Return `(path, executable)` of each mapped file."""
    found = set()
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                _, rights, _, _, _, *path = line.rstrip("\n").split(None, 5)
                if path and path[0].startswith("/") and not path[0].endswith(" (deleted)"):
                    found.add((path[0], "x" in rights))
    except OSError:
        pass
    return sorted(found)


def environ():
    """Return all variables' names and the values that are safe and needed."""
    return {
        "names": sorted(os.environ),
        "values": {name: value for name, value in os.environ.items() if _VALUES_KEPT.match(name)},
    }


def notebook(user_names, folder):
    """Return the notebook's path and who told it; both "" if nobody did."""
    for path, teller in (
        (user_names.get("__vsc_ipynb_file__"), "__vsc_ipynb_file__"),
        (os.environ.get("JPY_SESSION_NAME"), "JPY_SESSION_NAME"),
    ):
        if isinstance(path, str) and path.endswith(".ipynb"):
            # A relative name is relative to the server's root: some folder above the kernel's.
            above = folder
            while True:
                candidate = os.path.normpath(os.path.join(above, path))
                if os.path.isfile(candidate):
                    return {"notebook_path": candidate, "found_by": teller}
                if os.path.dirname(above) == above:
                    break
                above = os.path.dirname(above)
    return {"notebook_path": "", "found_by": ""}


def boot_id():
    """Return what identifies this boot of this machine, "" elsewhere than on Linux."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""
