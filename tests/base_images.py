"""Bases for tests: Debian bookworm with its Python 3.11, for amd64 and arm64, by mmdebstrap.

Packages are only extracted, so that no program of another platform has to run. Made once a
session, or once for all when `$CONTAINERIZE_TEST_BASES` names a folder to keep them in.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

PACKAGES = "python3,libstdc++6,libgcc-s1,ca-certificates,busybox-static"
PLATFORMS = ("amd64", "arm64")


def tar_of(folder, architecture):
    """Return the tar of bookworm's files for an architecture, made if absent."""
    folder = os.environ.get("CONTAINERIZE_TEST_BASES") or str(folder)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"bookworm-{architecture}.tar")
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            done = subprocess.run(
                ["mmdebstrap", "--variant=extract", f"--include={PACKAGES}", "--quiet",
                 f"--arch={architecture}", "--skip=check/qemu",
                 *(f"--dpkgopt=path-exclude=/usr/share/{name}/*"
                   for name in ("doc", "locale", "man", "info")),
                 "bookworm", f"{path}.new.tar"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise RuntimeError(f"mmdebstrap: {done.stderr[-2000:]}")
            os.replace(f"{path}.new.tar", path)
    return path


def layout(folder, tars, *, environment=("PATH=/usr/local/bin:/usr/bin:/bin",), labels=None):
    """Write an OCI layout by hand: one manifest each of `tars` (architecture to path).

    With more than one, an index over them. Returns the folder.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    manifests = []
    for architecture, path in tars.items():
        with open(path, "rb") as tar:
            diff_id = hashlib.file_digest(tar, "sha256").hexdigest() if hasattr(
                hashlib, "file_digest") else hashlib.sha256(tar.read()).hexdigest()  # fmt: skip
        packed = blobs / "packed"
        with open(path, "rb") as tar, gzip.GzipFile(packed, "wb", 1, mtime=0) as file:
            shutil.copyfileobj(tar, file, 1 << 20)
        layer = {**_named(packed), "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": list(environment), "Cmd": ["/bin/sh"], "Labels": labels or {}},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                **_put(blobs, config),
                "mediaType": "application/vnd.oci.image.config.v1+json",
            },
            "layers": [layer],
        }
        place = {"os": "linux", "architecture": architecture}
        manifests.append(
            {**_put(blobs, manifest), "mediaType": manifest["mediaType"], "platform": place}
        )
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
             "manifests": manifests}  # fmt: skip
    if len(manifests) > 1:
        inner = {**_put(blobs, index), "mediaType": index["mediaType"]}
        index = {**index, "manifests": [inner]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def small_tar(path, files):
    """Write a tar of `files`: name to bytes, or to a `tarfile.TarInfo` to add as it is."""

    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return path


def push(folder, name):
    """Copy a layout into a registry with skopeo, all platforms; return the name."""
    subprocess.run(
        ["skopeo", "copy", "-q", "--all", "--dest-tls-verify=false", f"oci:{folder}",
         f"docker://{name}"],
        check=True,
    )  # fmt: skip
    return name


def _put(blobs, document):
    path = blobs / "document"
    path.write_text(json.dumps(document))
    return _named(path)


def _named(path):
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    path.rename(path.with_name(digest))
    return {"digest": f"sha256:{digest}", "size": len(data)}
