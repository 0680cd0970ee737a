"""A package beside the notebook, with data of its own."""
import json
from pathlib import Path

CATALOGUE = json.loads((Path(__file__).parent / "catalogue.json").read_text())
