"""The wrapper around a command under PRoot that tells its exit code.

PRoot 5.1 itself returns the code of whichever process ended last, and none for one that a
signal ended. So the image's own shell or Python starts the command and tells the truth.
"""

from __future__ import annotations

#: The descriptor on which the exit code comes out, as a line.
EXIT_CODE_FD = 9

SHELL = f'unset PROOT_LOADER; "$@" {EXIT_CODE_FD}>&-; printf "%s\\n" "$?" >&{EXIT_CODE_FD}'

PYTHON = f"""\
import os, sys
os.environ.pop("PROOT_LOADER", None)
child = os.fork()
if not child:
    os.close({EXIT_CODE_FD})
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"{{sys.argv[1]}}: {{error.strerror}}\\n")
        os._exit(127)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
os.write({EXIT_CODE_FD}, b"%d\\n" % (code if code >= 0 else 128 - code))
"""
