"""What a capture of a live kernel must not wait for."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import sys, json
from jupyter_containerize.capture import assemble, python_text, record
python_text.tree_of("import numpy\\nx = 1")
print(json.dumps([name for name in ("jupyter_client", "nbclient", "zmq", "IPython", "asyncio")
                  if name in sys.modules]))
"""


def test_a_capture_of_plain_cells_imports_no_client_and_no_ipython():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == []
