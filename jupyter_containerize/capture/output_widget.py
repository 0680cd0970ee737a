"""nbclient's `Output` widget, sending so that no reply is lost. Imports nbclient: import it late."""

from __future__ import annotations

from typing import Any

from nbclient.output_widget import OutputWidget


class AsyncOutputWidget(OutputWidget):  # type: ignore[misc]
    """Tells the kernel what the widget shows through the asynchronous socket.

    nbclient sends past it. ZeroMQ wakes a reader once for each change of a socket's state, a
    send included: a cell's reply that comes meanwhile is then never noticed, and the notebook
    stands still. Source: zmq_getsockopt(3), ZMQ_FD; nbclient 0.11.
    """

    def _publish_msg(
        self,
        msg_type: str,
        data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        buffers: list[Any] | None = None,
        **keys: Any,
    ) -> None:
        content = {"data": data or {}, "comm_id": self.comm_id, **keys}
        session = self.kernel_client.session
        message = session.msg(
            msg_type, content=content, parent=self.parent_header, metadata=metadata
        )
        parts = [*session.serialize(message), *(buffers or ())]
        self.kernel_client.shell_channel.socket.send_multipart(parts)  # a future, sent at once
