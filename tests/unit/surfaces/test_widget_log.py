from __future__ import annotations

import time

from jupyter_containerize.surfaces.widget.log import MOST_PIECES, PIECE_LINES, Log


def shown(log):
    return "\n".join(log.pieces()[1])


def test_lines_may_come_in_parts():
    log = Log()
    for part in ("on", "e\ntw", "o"):
        log.write(part)
    assert shown(log) == "one\ntwo"
    assert log.lines == 1


def test_a_progress_bar_overwrites_its_line():
    log = Log()
    for percent in range(0, 101, 10):
        log.write(f"\r{percent}%")
    assert shown(log) == "100%"
    log.write("\r\ndone\r\n")
    assert shown(log) == "100%\ndone"


def test_colours_and_other_control_sequences_are_left_out():
    log = Log()
    log.write("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07\x07\n")
    assert shown(log) == "red link"


def test_a_long_log_keeps_its_end_in_bounded_memory_and_time():
    log = Log()
    start = time.perf_counter()
    for number in range(200_000):
        log.write(f"line {number}\n")
    assert time.perf_counter() - start < 5
    first, pieces = log.pieces()
    assert log.lines == 200_000
    assert len(pieces) <= MOST_PIECES + 1
    assert pieces[-1].endswith("line 199999")
    assert pieces[0].startswith(f"line {first * PIECE_LINES}\n")


def test_a_bar_without_line_ends_does_not_grow():
    log = Log()
    for number in range(10_000):
        log.write(f"\r{number:>50}")
    assert len(log._open) < 200
    assert shown(log).strip() == "9999"
