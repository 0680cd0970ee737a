"""Images of a few files, made through the store: busybox and what a test adds."""

from __future__ import annotations

import io
import json
import shutil
import tarfile

from jupyter_containerize.model.image import Layer
from jupyter_containerize.model.plan import LABEL_WRITABLE, ImageConfig
from jupyter_containerize.model.platform import Platform

WRITABLE = ("/home/user/work", "/home/user", "/tmp", "/dev/shm", "/outputs")
#: A symbolic link, a folder: values of a layer's file table beside bytes.
LINK, FOLDER = "link:", None


def layer(store, files, *, executable=()):
    """Store a layer with `files`: path to bytes, `"link:TARGET"` or None (a folder)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode = 0o644
            if content is FOLDER:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content.removeprefix(LINK)
                tar.addfile(entry)
            else:
                entry.size = len(content)
                entry.mode = 0o755 if path in executable or path.startswith("/bin/") else 0o644
                tar.addfile(entry, io.BytesIO(content))
    blob = store.put_blob(buffer.getvalue())
    return Layer(digest=blob.digest, diff_id=blob.digest, size_bytes=blob.size_bytes)


def busybox_files():
    """Return the files of a root file system with busybox's commands."""
    with open(shutil.which("busybox"), "rb") as file:
        files = {"/bin/busybox": file.read()}
    for name in (
        "sh cat ls stat id env pwd sleep touch mkdir rm mv ln chmod dd df hostname kill ps seq wc "
        "head readlink test true false yes nproc nc wget ip mount umount find sort uname tail"
    ).split():
        files[f"/bin/{name}"] = f"{LINK}busybox"
    files["/etc/passwd"] = b"root:x:0:0::/root:/bin/sh\nuser:x:1000:0::/home/user:/bin/sh\n"
    files["/etc/group"] = b"root:x:0:\n"
    files["/home/user/work/data.csv"] = b"a,b\n1,2\n"
    files["/home/user/.config"] = b"from the image\n"
    return files


def image(store, *layers, command=("/bin/sh", "-c", "echo hello"), environment=None, **config):
    """List an image of busybox and further layers (file tables or `Layer`s)."""
    stored = [layer(store, busybox_files())]
    stored += [one if isinstance(one, Layer) else layer(store, one) for one in layers]
    return store.add_image(
        layers=stored,
        config=ImageConfig(
            user=config.pop("user", "1000:0"),
            working_dir=config.pop("working_dir", "/home/user/work"),
            entrypoint=tuple(command),
            environment={"HOME": "/home/user", "PATH": "/bin", **(environment or {})},
            labels={LABEL_WRITABLE: json.dumps(config.pop("writable", WRITABLE))},
            **config,
        ),
        platform=Platform("linux", "amd64"),
        created="1970-01-01T00:00:00Z",
    )
