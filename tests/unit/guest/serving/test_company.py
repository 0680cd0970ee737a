"""When a batch waits for more: times are made up, so every case is exact."""

from __future__ import annotations

from jupyter_containerize.guest.serving.company import Company


def after_a_batch(jobs, *, call_s=0.01, longest_s=1.0, most=64):
    company = Company(longest_s=longest_s, most=most)
    company.ran(jobs, call_s)
    return company


def test_one_client_alone_never_waits():
    company = after_a_batch(1)
    assert not company.worth_waiting(1, 0.0)


def test_nobody_waits_before_the_first_call():
    assert not Company(longest_s=1.0, most=64).worth_waiting(1, 0.0)


def test_it_waits_until_all_of_the_last_batch_are_back():
    company = after_a_batch(4)
    assert company.worth_waiting(1, 0.0)
    assert company.worth_waiting(3, 0.001)
    assert not company.worth_waiting(4, 0.002)


def test_it_waits_for_at_most_half_a_call():
    company = after_a_batch(4, call_s=0.01)
    assert company.worth_waiting(3, 0.0)
    assert company.worth_waiting(3, 0.0049)
    assert not company.worth_waiting(3, 0.0051)


def test_it_waits_no_longer_than_allowed():
    company = after_a_batch(4, call_s=10.0, longest_s=0.005)
    assert company.worth_waiting(1, 0.0)
    assert not company.worth_waiting(1, 0.0051)
    assert not after_a_batch(4, longest_s=0.0).worth_waiting(1, 0.0)


def test_a_full_batch_does_not_wait():
    assert not after_a_batch(100, most=64).worth_waiting(64, 0.0)


def test_where_nobody_comes_waiting_becomes_ever_rarer():
    company = after_a_batch(4, call_s=0.01)
    now, waits = 0.0, 0
    for _ in range(1000):
        now += 1.0
        if company.worth_waiting(1, now):
            waits += 1
            assert not company.worth_waiting(1, now + 0.5)
            company.ran(4, 0.01)
    assert waits < 20


def test_once_they_come_again_it_waits_as_before():
    company = after_a_batch(4, call_s=0.01)
    now = 0.0
    for _ in range(50):
        now += 1.0
        if company.worth_waiting(1, now):
            company.worth_waiting(1, now + 0.5)
    while not company.worth_waiting(1, now):
        now += 1.0
    assert not company.worth_waiting(4, now + 0.001)
    now += 1.0
    assert company.worth_waiting(1, now)
