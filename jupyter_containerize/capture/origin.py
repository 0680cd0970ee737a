"""Where an installed distribution came from.

Source: PEP 610 (`direct_url.json`) and "Recording installed projects" (`INSTALLER`).
"""

from __future__ import annotations

import json
from urllib.parse import unquote, urlsplit, urlunsplit

from ..model.snapshot import Origin, OriginKind
from . import conda_records, dpkg_lists
from .installed import Installed
from .recorded_files import ListSource


def origin_of(installed: Installed) -> Origin:
    """Return the origin; its `url` never holds credentials."""
    files = installed.file_list
    if files.dpkg:
        package = f"{files.dpkg} {dpkg_lists.version_of(files.dpkg)}".rstrip()
        return Origin(OriginKind.SYSTEM, package=package)
    direct = _direct_url(installed)
    if direct is not None:
        return direct
    installer = (installed.read("INSTALLER") or "").strip()
    conda = conda_records.package_of(installed.location, installed.key)
    if conda is not None and installer in ("", "conda"):
        channel = without_credentials(conda.channel)
        return Origin(OriginKind.CONDA, url=channel, package=conda.title)
    if installer in ("rpm", "debian"):
        return Origin(OriginKind.SYSTEM)
    if files.source is ListSource.RECORD:
        return Origin(OriginKind.INDEX)
    return Origin(OriginKind.UNKNOWN)


def without_credentials(url: str) -> str:
    """Return `url` without user, password, query and fragment; `git@` says nothing and stays."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"git@{host}" if at and user == "git" else host
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))


def editable_folder(installed: Installed) -> str:
    """Return the project folder of an editable install, or ""."""
    data = _read_direct_url(installed)
    info = data.get("dir_info")
    if isinstance(info, dict) and info.get("editable"):
        return path_of(str(data.get("url", "")))
    if installed.file_list.source is ListSource.SOURCE:
        # `setup.py develop`: an .egg-link's folder on sys.path, metadata beside the sources.
        return installed.location
    return ""


def path_of(url: str) -> str:
    """Return the path of a `file://` URL, or ""."""
    parts = urlsplit(url)
    return unquote(parts.path).rstrip("/") if parts.scheme == "file" else ""


def _direct_url(installed: Installed) -> Origin | None:
    data = _read_direct_url(installed)
    url = without_credentials(str(data.get("url", "")))
    if not url:
        folder = editable_folder(installed)
        return Origin(OriginKind.EDITABLE, url=f"file://{folder}") if folder else None
    vcs = data.get("vcs_info")
    if isinstance(vcs, dict):
        name = str(vcs.get("vcs", "git"))
        return Origin(OriginKind.VCS, url=f"{name}+{url}", commit=str(vcs.get("commit_id", "")))
    if editable_folder(installed):
        return Origin(OriginKind.EDITABLE, url=url)
    if url.startswith("file:"):
        return Origin(OriginKind.LOCAL, url=url)
    return Origin(OriginKind.INDEX, url=url)


def _read_direct_url(installed: Installed) -> dict[str, object]:
    try:
        data = json.loads(installed.read("direct_url.json") or "{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
