"""What runs inside a kernel to save an object for serving: standard library only, injected as text.

It evaluates the expression, lets an adapter save the object, asks the object itself a few
questions, and leaves everything in a folder: `artifact/` for the image, and `saved.json` that
tells what came of it. It never raises into the user's kernel.
"""

from __future__ import annotations

import json
import os
import re
import traceback

SAVED_FILE = "saved.json"
ARTIFACT_FOLDER = "artifact"
COMPILED_FOLDER = "compiled"
EXAMPLES_FILE = "examples.json"
#: Questions beyond these prove nothing more, and take place in every image.
_MOST_QUESTIONS = 40


def save(folder, expression, example, adapters, shell, settings=None):
    """Save what `expression` names into `folder`; `example` is an expression too, or ""."""
    # The kernel's own `open` may be wrapped by the probe: what we write is no file of the cells.
    try:
        found = _save(folder, expression, example, adapters, shell, dict(settings or {}))
    except adapters.CannotServe as problem:
        found = {"error": problem.to_json()}
    except Exception as error:
        unknown = adapters.CannotServe(
            "not-saved",
            what="{} cannot be saved.".format(expression),
            why="{}: {}".format(type(error).__name__, error),
            fix="Serve a function that does what you need: def predict(x): ...",
        )
        found = {"error": unknown.to_json(), "traceback": traceback.format_exc()}
    _write(os.path.join(folder, SAVED_FILE), found)


def _save(folder, expression, example, adapters, shell, settings):
    value = _evaluated(expression, "object", adapters, shell)
    asked = _evaluated(example, "example", adapters, shell) if example else None
    name, adapter = adapters.find(value)
    place = os.path.join(folder, ARTIFACT_FOLDER)
    os.makedirs(place)
    settings.setdefault("namespace", shell.user_ns)
    made = adapters.saved(adapter, value, place, example=asked, settings=settings)
    findings = made.pop("findings", [])
    uses = made.pop("uses", [])
    if uses and "definitions" not in made:
        gathered = adapters.gather(uses, place, settings["namespace"])
        if gathered is not None:
            made["definitions"] = gathered.save()
            findings += gathered.writer.findings
    artifact = {"version": 1, "name": _model_name(expression), "adapter": name, "example": None}
    artifact.update(made)
    model = adapters.original(adapter, value, place, artifact)
    questions = adapters.questions(adapter, asked, artifact)
    answers, refused = adapters.asked(model, questions)
    if not answers:
        raise _no_answer(expression, refused, asked is not None, artifact["signature"], adapters)
    adapters.complete(artifact, answers)
    _write(os.path.join(place, adapters.ARTIFACT_FILE), artifact)
    examples = adapters.proofs(artifact, answers)[:_MOST_QUESTIONS]
    _write(os.path.join(place, EXAMPLES_FILE), examples)
    found = {"artifact": artifact, "findings": findings, "questions": len(examples)}
    found.update(_compiled(value, folder, artifact, examples, adapters))
    return found


def _compiled(value, folder, artifact, examples, adapters):
    """Write a copy that onnxruntime serves, where there is a converter; return it or why not."""
    place = os.path.join(folder, COMPILED_FOLDER)
    os.makedirs(place)
    try:
        made = adapters.convert(value, place, artifact)
    except adapters.CannotConvert as problem:
        return {"compiled": None, "not_compiled": str(problem)}
    _write(os.path.join(place, adapters.ARTIFACT_FILE), made)
    _write(os.path.join(place, EXAMPLES_FILE), examples)
    return {"compiled": made, "not_compiled": ""}


def _evaluated(expression, what, adapters, shell):
    try:
        return eval(compile(expression, "<{}>".format(what), "eval"), shell.user_ns)
    except SyntaxError as error:
        raise adapters.CannotServe(
            "bad-expression",
            what="`{}` is no Python expression.".format(expression),
            why=str(error),
            fix="Name the {} as a cell would: a variable, or an expression.".format(what),
        )
    except NameError as error:
        names = [n for n in shell.user_ns if not n.startswith("_")]
        raise adapters.CannotServe(
            "no-such-object",
            what="`{}` names nothing in this kernel.".format(expression),
            why="{}.".format(error),
            fix=_did_you_mean(expression, names) + "Run the cell that makes it, then try again.",
        )
    except Exception as error:
        raise adapters.CannotServe(
            "no-such-object",
            what="`{}` cannot be evaluated.".format(expression),
            why="{}: {}".format(type(error).__name__, error),
            fix="Give an expression that works in a cell of this notebook.",
        )


def _did_you_mean(expression, names):
    import difflib

    name = re.split(r"\W", expression)[0]
    close = difflib.get_close_matches(name, names, n=1)
    return "Did you mean {}? ".format(close[0]) if close else ""


def _no_answer(expression, refused, has_example, signature, adapters):
    why = refused[0] if refused else "There was nothing to ask."
    if has_example:
        return adapters.CannotServe(
            "example-refused",
            what="`{}` does not answer the example.".format(expression),
            why=why,
            fix="Give --example what it takes; try it in a cell first.",
        )
    return adapters.CannotServe(
        "example-needed",
        what="`{}` answered none of the inputs that its signature allows.".format(expression),
        why=why,
        fix="Name an example of its input: --example " + _example_for(signature),
    )


def _example_for(signature):
    """Return an expression as users would write it, for what the object takes."""
    inputs = signature["inputs"]
    if signature["style"] != "arguments":
        return "X_test.head()"
    if len(inputs) == 1 and inputs[0].get("format") == "base64":
        return "\"open('FILE', 'rb').read()\""
    return (
        "EXPRESSION (of several arguments a dict or a tuple)" if len(inputs) > 1 else "EXPRESSION"
    )


def _model_name(expression):
    """Return the model's name in URLs: what the expression calls it."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", expression).strip("-.")
    return name[:64] or "model"


def _write(path, data):
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1, sort_keys=True)
    os.replace(path + ".part", path)
