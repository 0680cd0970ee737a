"""What cells show, as nbformat outputs, read from the messages that the kernel sends."""

from __future__ import annotations

#: More than this of one cell is left to the front end's copy.
MAX_OUTPUT_CHARS = 20_000_000


class Outputs:
    """Collects the outputs of each execution; `session` is the kernel's, wrapped in place."""

    def __init__(self, session, journal):
        self.session = session
        self.journal = journal
        self.executions = {}  # id of the request → execution
        self.displays = {}  # display id → [outputs]
        real = session.send

        def send(stream, msg_or_type, content=None, parent=None, *args, **options):
            result = real(stream, msg_or_type, content, parent, *args, **options)
            try:
                self.saw(msg_or_type, content, parent)
            except Exception:
                journal.problem("an output could not be recorded")
            return result

        session.send = send

    def restore(self):
        del self.session.send

    def expect(self, request, execution):
        execution["outputs"] = []
        self.executions[request] = execution

    def saw(self, message, content, parent):
        if isinstance(message, dict):
            kind = message.get("msg_type") or message["header"]["msg_type"]
            content, parent = message["content"], message["parent_header"]
        else:
            kind = message
        if kind == "update_display_data":
            for output in self.displays.get(content["transient"].get("display_id"), ()):
                output.update(data=content["data"], metadata=content["metadata"])
            return
        parent = parent or {}
        execution = self.executions.get(parent.get("header", parent).get("msg_id"))
        if execution is None or execution["outputs"] is None:
            return
        if kind == "clear_output":
            if content.get("wait"):
                execution["clear"] = True
            else:
                execution["outputs"].clear()
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if execution.pop("clear", False):
                execution["outputs"].clear()
            self.add(execution, kind, content)

    def add(self, execution, kind, content):
        outputs = execution["outputs"]
        shown = [content["text"]] if kind == "stream" else (content.get("data") or {}).values()
        size = sum(len(value) for value in shown if isinstance(value, str))
        execution["size"] = execution.get("size", 0) + size
        if execution["size"] > MAX_OUTPUT_CHARS:
            execution["outputs"] = None
            self.journal.problem("a cell's outputs are too large to keep")
        elif kind == "stream":
            last = outputs[-1] if outputs else {}
            if last.get("name") == content["name"]:
                last["text"].append(content["text"])
            else:
                outputs.append(
                    {"output_type": kind, "name": content["name"], "text": [content["text"]]}
                )
        elif kind == "error":
            outputs.append(
                {"output_type": kind, **{k: content[k] for k in ("ename", "evalue", "traceback")}}
            )
        else:
            output = {
                "output_type": kind,
                "data": content["data"],
                "metadata": content.get("metadata") or {},
            }
            if kind == "execute_result":
                output["execution_count"] = content.get("execution_count")
            display = (content.get("transient") or {}).get("display_id")
            if display:
                self.displays.setdefault(display, []).append(output)
            outputs.append(output)


def finished(outputs):
    """Return a copy of `outputs` with the pieces of streams joined."""
    if outputs is None:
        return None
    return [
        dict(output, text="".join(output["text"])) if "text" in output else dict(output)
        for output in outputs
    ]
