"""A language pack of our own: every text that the panel asks its translator for, in a pseudo-language.

Its letters are of another alphabet, so that whatever still reads as English was not translated.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "labextension" / "src"
DOMAIN = "jupyter_containerize"
#: A language that JupyterLab knows (by Babel) and nobody here has a pack for.
LOCALE = "eo"
_TEXT = r"'((?:[^'\\\n]|\\.)*)'"
_CALL = re.compile(rf"trans\.(__|_n|_p)\(\s*{_TEXT}(?:\s*,\s*{_TEXT})?")
_CONTEXT_END = "\4"
#: Letters of mathematics, one for each of ours.
_LETTERS = {ord("A") + n: chr(0x1D5A0 + n) for n in range(26)} | {
    ord("a") + n: chr(0x1D5BA + n) for n in range(26)
}
#: Returns what an element shows or reads out that has two English words in a row; texts of the user are not asked.
ENGLISH = """panel => {
  const said = [];
  const walker = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement.closest('pre, textarea')) said.push(walker.currentNode.data);
  }
  for (const element of panel.querySelectorAll('*')) {
    for (const name of ['title', 'aria-label', 'placeholder']) said.push(element.getAttribute(name) ?? '');
  }
  return said.filter(text => /[A-Za-z]{2,} [A-Za-z]{2,}/.test(text));
}"""


def turned(text):
    """Translate: all letters but those of `%1` are turned into others."""
    return text.translate(_LETTERS)


def messages():
    """Return every message of the panel's source, by its key, as a language pack has it."""
    found = {}
    for path in sorted(SOURCE.rglob("*.ts*")):
        if "tests" in path.parts:
            continue
        for kind, first, second in _CALL.findall(path.read_text("utf-8")):
            one, other = (ast.literal_eval(f"'{text}'") for text in (first, second))
            match kind:
                case "__":
                    found[one] = [turned(one)]
                case "_n":
                    found[one] = [turned(one), turned(other)]
                case "_p":
                    found[f"{one}{_CONTEXT_END}{other}"] = [turned(other)]
    return found


def install(site_packages):
    """Put the pack where Jupyter Server finds it: a package with an entry point, and its catalogue."""
    name = f"jupyterlab_language_pack_{LOCALE}"
    package = Path(site_packages) / name
    catalogue = package / "locale" / LOCALE / "LC_MESSAGES" / f"{DOMAIN}.json"
    catalogue.parent.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    about = {"domain": DOMAIN, "language": LOCALE, "plural_forms": "nplurals=2; plural=(n != 1);"}
    catalogue.write_text(json.dumps({"": about, **messages()}), "utf-8")
    info = Path(site_packages) / f"{name}-1.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[jupyterlab.languagepack]\n{LOCALE} = {name}\n")
