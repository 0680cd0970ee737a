"""Memory is used again only when nobody holds it, whoever that was."""

from __future__ import annotations

from jupyter_containerize.guest.serving.buffers import Buffers

MB = 1 << 20


class Array(bytearray):
    """Stands for a numpy array of bytes."""

    @property
    def nbytes(self):
        return len(self)


def test_memory_that_nobody_holds_is_used_again():
    made = []
    buffers = Buffers(lambda size: made.append(size) or Array(size))
    made.clear()
    for _ in range(5):
        view = buffers.get(MB)
        view[0] = 1
        del view
    assert made == [MB]


def test_memory_that_is_held_by_a_part_of_a_view_is_left_alone():
    buffers = Buffers(Array)
    held = buffers.get(MB)[10:20]
    held[:] = b"x" * 10
    for _ in range(3):
        buffers.get(MB)[:] = b"y" * MB
    assert bytes(held) == b"x" * 10


def test_what_is_kept_is_bounded():
    buffers = Buffers(Array)
    for size in range(1, 100, 6):
        buffers.get(size * MB)
    assert sum(one.nbytes for one in buffers._kept) <= 64 * MB


def test_a_much_smaller_body_does_not_hold_large_memory():
    buffers = Buffers(Array)
    buffers.get(8 * MB)
    assert buffers.get(MB).nbytes == MB
    assert len(buffers._kept) == 2
