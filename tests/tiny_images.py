"""Images of a few files, made through the store: busybox and what a test adds."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile

from jupyter_containerize.model.image import Layer
from jupyter_containerize.model.plan import LABEL_VERSION, LABEL_WRITABLE, ImageConfig
from jupyter_containerize.model.platform import Platform

WRITABLE = ("/home/user/work", "/home/user", "/tmp", "/dev/shm", "/outputs")
COMMANDS = (
    "sh cat ls stat id env pwd sleep touch mkdir rm mv ln chmod dd df hostname kill ps seq wc "
    "head readlink test true false yes nproc find sort uname tail mount umount grep"
)
#: A symbolic link, a folder: values of a layer's file table beside bytes.
LINK, FOLDER = "link:", None


def layer(store, files):
    """Store a layer with `files`: path to bytes, `"link:TARGET"` or None (a folder)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode = 0o644
            # As our own builder does: what runs may write to is the user's, and group 0's.
            shared = path.startswith(WRITABLE)
            entry.uid = 1000 if shared else 0
            if content is FOLDER:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o775 if shared else 0o755
                tar.addfile(entry)
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content.removeprefix(LINK)
                tar.addfile(entry)
            else:
                entry.size = len(content)
                entry.mode = 0o755 if content[:4] == b"\x7fELF" else 0o664 if shared else 0o644
                tar.addfile(entry, io.BytesIO(content))
    blob = store.put_blob(buffer.getvalue())
    return Layer(digest=blob.digest, diff_id=blob.digest, size_bytes=blob.size_bytes)


def busybox_files():
    """Return the files of a root file system with busybox's commands."""
    with open(shutil.which("busybox"), "rb") as file:
        files = {"/bin/busybox": file.read()}
    for name in COMMANDS.split():
        files[f"/bin/{name}"] = f"{LINK}busybox"
    files["/etc/passwd"] = b"root:x:0:0::/root:/bin/sh\nuser:x:1000:0::/home/user:/bin/sh\n"
    # A static busybox cannot load the modules that other entries would need.
    files["/etc/nsswitch.conf"] = b"hosts: files\npasswd: files\ngroup: files\n"
    files["/etc/group"] = b"root:x:0:\n"
    # A rootless engine makes folders that have no entry for root alone.
    for folder in ("/bin", "/etc", "/home", "/home/user", "/home/user/work", "/tmp", "/outputs"):
        files[folder] = FOLDER
    files["/home/user/work/data.csv"] = b"a,b\n1,2\n"
    files["/home/user/.config"] = b"from the image\n"
    return files


def python_files(*modules):
    """Return the files of the interpreter under the tests' own, with these modules only."""
    script = (
        f"import sys, os, {', '.join(('encodings.idna', *modules))}\n"
        "files = [getattr(m, '__file__', None) for m in sys.modules.values()]\n"
        "files += [line.split()[-1] for line in open('/proc/self/maps') if '.so' in line]\n"
        "print('\\n'.join(sorted({f for f in files if f and f[0] == '/'})))\n"
    )
    program = os.path.realpath(sys._base_executable)
    found = subprocess.run(
        [program, "-I", "-S", "-B", "-c", script], capture_output=True, text=True, check=True
    ).stdout.split("\n")[:-1]
    loader = "/lib64/ld-linux-x86-64.so.2"
    if os.uname().machine == "aarch64":
        loader = "/lib/ld-linux-aarch64.so.1"
    files = {}
    for path in {*found, program, loader}:
        with open(path, "rb") as file:
            files[path] = file.read()
        # Libraries are asked for by other names than those of their files.
        for name in os.listdir(os.path.dirname(path)) if ".so." in path else ():
            link = os.path.join(os.path.dirname(path), name)
            if link not in files and os.path.realpath(link) == os.path.realpath(path):
                files[link] = LINK + path
    files["/bin/python"] = LINK + program
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
            labels={
                LABEL_WRITABLE: json.dumps(config.pop("writable", WRITABLE)),
                **({LABEL_VERSION: "0"} if config.pop("ours", True) else {}),
            },
            **config,
        ),
        platform=Platform("linux", "amd64"),
        created="1970-01-01T00:00:00Z",
    )
