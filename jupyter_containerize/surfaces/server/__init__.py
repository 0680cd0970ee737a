"""The Jupyter Server extension: REST and events under `/containerize/api`.

Only a server imports this package; what it needs (`jupyter_server`, `tornado`, `jsonschema`)
is in every Jupyter Server, and in no kernel that has none.
"""

from __future__ import annotations
