"""Which clusters a store knows: runs live there, so they are looked for there.

`clusters.json` in the store names contexts and namespaces, nothing secret.
"""

from __future__ import annotations

import json
import os

from ...model.cluster import Place
from ...model.codec import from_json, to_json
from ...oci.store import Store

_FILE = "clusters.json"


def known(store: Store) -> tuple[Place, ...]:
    """Return the places in which runs were started or looked for from this store."""
    try:
        with open(os.path.join(store.root, _FILE), encoding="utf-8") as file:
            return tuple(from_json(Place, item) for item in json.load(file)["places"])
    except FileNotFoundError:
        return ()
    except Exception:  # noqa: BLE001 - a damaged list costs a `--context`, not the store
        return ()


def remember(store: Store, place: Place) -> None:
    """Add a place to those of the store, the newest first."""
    with store.lock("clusters"):
        places = [place, *(item for item in known(store) if item != place)]
        if places == [*known(store)]:
            return
        path = os.path.join(store.root, _FILE)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump({"version": 1, "places": [to_json(item) for item in places[:20]]}, file)
        os.replace(f"{path}.new", path)
