"""Bases for tests: Debian bookworm with its Python 3.11, for amd64 and arm64, by mmdebstrap.

Packages are only extracted, so that no program of another platform has to run. Made once, in
`.cache/test-bases` or the folder that `$CONTAINERIZE_TEST_BASES` names.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = "python3,libstdc++6,libgcc-s1,ca-certificates,busybox-static"
PLATFORMS = ("amd64", "arm64")


def tar_of(architecture):
    """Return the tar of bookworm's files for an architecture, made if absent."""
    folder = os.environ.get("CONTAINERIZE_TEST_BASES") or str(ROOT / ".cache" / "test-bases")
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


def layout(
    folder, tars, *, environment=("PATH=/usr/local/bin:/usr/bin:/bin",), labels=None, above=None
):
    """Write an OCI layout by hand: one manifest each of `tars` (architecture to path).

    `above` is a tar for a second layer.

    With more than one, an index over them. Returns the folder.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    manifests = []
    for architecture, path in tars.items():
        parts = [_layer(blobs, one) for one in (path, above) if one is not None]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": list(environment), "Cmd": ["/bin/sh"], "Labels": labels or {}},
            "rootfs": {"type": "layers", "diff_ids": [diff_id for diff_id, _ in parts]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                **put(blobs, config),
                "mediaType": "application/vnd.oci.image.config.v1+json",
            },
            "layers": [layer for _, layer in parts],
        }
        place = {"os": "linux", "architecture": architecture}
        manifests.append(
            {**put(blobs, manifest), "mediaType": manifest["mediaType"], "platform": place}
        )
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
             "manifests": manifests}  # fmt: skip
    if len(manifests) > 1:
        inner = {**put(blobs, index), "mediaType": index["mediaType"]}
        index = {**index, "manifests": [inner]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def _layer(blobs, path):
    """Compress a tar into a blob; return its diff ID and its descriptor."""
    with open(path, "rb") as tar:
        diff_id = hashlib.sha256(tar.read()).hexdigest()
    packed = blobs / "packed"
    with open(path, "rb") as tar, gzip.GzipFile(packed, "wb", 1, mtime=0) as file:
        shutil.copyfileobj(tar, file, 1 << 20)
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    return f"sha256:{diff_id}", {**_named(packed), "mediaType": kind}


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


def put(blobs, document):
    path = blobs / "document"
    path.write_text(json.dumps(document))
    return _named(path)


def _named(path):
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    path.rename(path.with_name(digest))
    return {"digest": f"sha256:{digest}", "size": len(data)}


_QEMU = "/usr/bin/qemu-aarch64-static"
_BINFMT = "/proc/sys/fs/binfmt_misc"
_MAGIC = r"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"


@contextlib.contextmanager
def emulation():
    """Let arm64 programs run, unless they do already; yield whether they do.

    The flag F opens the emulator now: so it works in every root file system.
    """
    name = "containerize-test-aarch64"
    if any("aarch64" in one for one in _listed()):
        yield True
        return
    try:
        if not os.path.exists(f"{_BINFMT}/register"):
            subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT], check=True)
        with open(f"{_BINFMT}/register", "w") as file:
            file.write(f":{name}:M::{_MAGIC}:{_MASK}:{_QEMU}:F")
    except (OSError, subprocess.CalledProcessError):
        yield False
        return
    yield True
    # It stays: other tests of this session may be running such programs.


def _listed():
    with contextlib.suppress(OSError):
        return os.listdir(_BINFMT)
    return []
