"""An API server of our own, in this process: for faults that a real one does not make on demand.

It knows nothing of what we believe about Kubernetes beyond this: every body is validated
against the official schemas, and the real kubectl is tested against it.
"""

from . import objects, schemas
from .nodes import ScriptedNode
from .processes import ProcessNode
from .server import CARRIERS, FakeCluster, node

__all__ = ["CARRIERS", "FakeCluster", "ProcessNode", "ScriptedNode", "node", "objects", "schemas"]
