"""The writable folders of a pod whose root is read-only: copies of what the image has there."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys

_NO_SPACE = 1


def fill(arguments: list[str]) -> int:
    """Copy each `SOURCE=TARGET`, a folder of the image into a volume; return the exit code.

    What belongs to another of the folders is left out: it has a volume of its own. A file
    that may not be read is left out too, as it could not be read by the cells either.
    """
    pairs = [argument.rsplit("=", 1) for argument in arguments]
    for source, target in pairs:
        others = {other for other, _ in pairs if other != source}
        os.makedirs(target, exist_ok=True)
        if not os.path.isdir(source):
            continue
        try:
            _copy(source, target, others)
        except OSError as error:
            print(f"{source} could not be copied into its volume: {error}", file=sys.stderr)
            return _NO_SPACE
    return 0


def _copy(source: str, target: str, others: set[str]) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            to = os.path.join(target, entry.name)
            if entry.is_symlink():
                with contextlib.suppress(FileExistsError):
                    os.symlink(os.readlink(entry.path), to)
            elif entry.is_dir():
                os.makedirs(to, exist_ok=True)
                if entry.path not in others and os.access(entry.path, os.R_OK | os.X_OK):
                    _copy(entry.path, to, others)
            elif entry.is_file() and os.access(entry.path, os.R_OK):
                shutil.copyfile(entry.path, to)
                shutil.copystat(entry.path, to)
                os.chmod(to, os.stat(to).st_mode | 0o200)
