from __future__ import annotations

import datetime as dt

import pytest

from jupyter_containerize.proof.text import readable
from jupyter_containerize.proof.tokens import Tolerance, same_text

RUN = Tolerance(1e-6, dt.datetime(2026, 5, 1, 12), dt.datetime(2026, 5, 1, 13))  # noqa: DTZ001


def same(recorded, executed, tolerance=RUN):
    return same_text(readable(recorded), readable(executed), tolerance)


@pytest.mark.parametrize(
    ("recorded", "executed"),
    [
        ("loss 1.0", "loss 1.0000001"),
        ("[ 0.1 -0.2]", "[ 0.10000001 -0.2]"),
        ("nan -inf 1e-300", "nan -inf 1.0000001e-300"),
        ("-0.0", "0.0"),
        ("(1+2.0j)", "(1+2.0000001j)"),
        ("1,234.5 rows", "1,234.5001 rows"),
        ("a  0.5   b", "a  0.49999999   b"),
        ("5 1e3", "5 1000.0"),
    ],
)
def test_numbers_within_the_tolerance(recorded, executed):
    assert same(recorded, executed)


@pytest.mark.parametrize(
    ("recorded", "executed"),
    [
        ("1", "2"),
        ("1000000", "1000001"),
        ("0.5", "0.500001"),
        ("nan", "1.0"),
        ("inf", "-inf"),
        ("1e-16", "2e-16"),
        ("a", "b"),
        ("a b", "b a"),
        ("a 1", "a 1 1"),
        ("a", "a\na"),
        ("  a", "a"),
        ("v1", "v2"),
        ("dense_1", "dense_2"),
        ("1.26.4", "1.26.5"),
        ("x-1", "x-2"),
        ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),
        ("['a', 'b']", "['b', 'a']"),
        ("{'a', 'b'}", "{'a', 'c'}"),
        ("0xff", "0xfe"),
        ("12:30", "12:31"),
        ("3 kg", "4 kg"),
    ],
)
def test_what_differs(recorded, executed):
    assert not same(recorded, executed)


def test_the_tolerance_is_settable():
    assert same("0.5", "0.51", Tolerance(0.1))
    assert not same("0.5000001", "0.5", Tolerance(1e-9))


@pytest.mark.parametrize(
    ("recorded", "executed"),
    [
        ("took 3 s", "took 1.5 ms"),
        ("Wall time: 5.25 µs", "Wall time: 1min 2s"),
        (
            "CPU times: user 3 µs, sys: 0 ns, total: 3 µs\nWall time: 5.2 µs",
            "CPU times: user 13 ms, sys: 1.2 ms, total: 14.2 ms\nWall time: 1.5 s",
        ),
        (
            "1.23 µs ± 45 ns per loop (mean ± std. dev. of 7 runs, 1,000,000 loops each)",
            "12.3 µs ± 4.5 µs per loop (mean ± std. dev. of 7 runs, 100,000 loops each)",
        ),
        ("313/313 ━━━ 3s 2ms/step - loss: 0.5", "313/313 ━━━ 1s 900us/step - loss: 0.5"),
        ("10/10 [00:00<00:00, 1234.56it/s]", "10/10 [00:01<00:00,  9.1it/s]"),
        ("10/10 [00:10<00:00,  1.02s/it]", "10/10 [00:11<00:00,  1.12s/it]"),
        ("done in 0:00:05.123", "done in 0:01:00"),
        ("45.1 MB/s", "3 kB/s"),
        ("elapsed: 0.25", "elapsed: 1.5"),
        ("started 2026-04-01 10:00:00", "started 2026-05-01 12:30:00.5"),
        ("Thu Apr  2 10:00:00 2026", "Fri May  1 12:30:00 2026"),
        ("Date: Wed, 01 Apr 2026", "Date: Fri, 01 May 2026"),
        ("1770000000.5", "1777638600.25"),
    ],
)
def test_times_do_not_matter(recorded, executed):
    assert same(recorded, executed)


@pytest.mark.parametrize(
    ("recorded", "executed"),
    [
        ("2020-01-01", "2020-01-02"),
        ("2020-01-01 00:00:00", "2020-01-01 01:00:00"),
        ("Date: Wed, 01 Jan 2020", "Date: Thu, 02 Jan 2020"),
        ("1600000000", "1600000001"),
        ("0 days 01:00:00", "0 days 02:00:00"),
    ],
)
def test_dates_that_are_data_matter(recorded, executed):
    assert not same(recorded, executed)


def test_without_the_runs_times_dates_must_be_equal():
    assert not same("2026-04-01 10:00:00", "2026-05-01 12:30:00", Tolerance())
