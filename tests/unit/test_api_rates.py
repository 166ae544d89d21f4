"""How often a key may ask, and addresses that try keys: the arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.api import peers as peers_module
from producer.api.peers import Peers, network_of
from producer.api.rates import MINUTE_S, Allowance, after, parse_rate, rate_text
from schemas.errors import BadInput

rates = st.integers(1, 100_000)


@given(rates, st.lists(st.floats(0, 30), max_size=80))
def test_no_more_come_in_than_a_minutes_worth_and_the_limit_since(limit: int, pauses: list[float]) -> None:
    busy, clock, admitted = 0.0, 0.0, 0
    for pause in pauses:
        clock += pause
        busy = max(0.0, busy - pause)
        standing = Allowance(limit, busy)
        assert standing.admits == (standing.left > 0)
        if standing.admits:
            admitted += 1
            busy += standing.step_s
        assert admitted <= limit + clock / standing.step_s + 1


@given(st.integers(1, 5_000))
def test_a_full_bucket_is_exactly_the_limit_also_in_whole_microseconds(limit: int) -> None:
    busy_us, count = 0, 0
    while Allowance(limit, busy_us / 1e6).admits:
        assert Allowance(limit, busy_us / 1e6).left == limit - count
        busy_us += round(60e6 / limit)
        count += 1
    assert count == limit


@given(rates, st.floats(0, MINUTE_S))
def test_who_waits_as_long_as_is_said_is_let_in(limit: int, busy_s: float) -> None:
    standing = Allowance(limit, busy_s)
    waited = float(after(standing.wait_s)["Retry-After"])

    assert waited >= 1 and waited < standing.wait_s + 2
    assert Allowance(limit, max(0.0, busy_s - waited)).admits


@pytest.mark.parametrize(
    ("text", "per_minute"), [("600/m", 600), ("10/s", 600), ("1/m", 1), ("none", 0), ("1000000/m", 1_000_000)]
)
def test_a_rate_as_people_write_it(text: str, per_minute: int) -> None:
    assert parse_rate(text) == per_minute
    assert parse_rate(rate_text(per_minute)) == per_minute


@pytest.mark.parametrize(
    "text", ["", "600", "0/m", "-1/m", "1/h", "600/m ", "٣/m", "1000001/m", "99999/s", "1.5/s"]
)
def test_what_is_no_rate_is_said(text: str) -> None:
    with pytest.raises(BadInput, match="600/m"):
        parse_rate(text)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_who_tries_many_keys_waits_and_who_was_let_in_does_not() -> None:
    clock = Clock()
    peers = Peers(clock)
    peers.succeeded("10.0.0.1", "good")
    for _ in range(5):
        assert peers.wait_s("10.0.0.1", "bad", 5) == 0
        peers.failed("10.0.0.1", 5)

    assert 0 < peers.wait_s("10.0.0.1", "bad", 5) <= 12
    assert peers.wait_s("10.0.0.1", "good", 5) == peers.wait_s("10.0.0.2", "bad", 5) == 0
    assert peers.wait_s("10.0.0.2", "good", 5) == 0
    clock.now_s += 12.1
    assert peers.wait_s("10.0.0.1", "bad", 5) == 0
    assert peers.wait_s("10.0.0.1", "bad", 0) == 0


def test_addresses_that_one_caller_may_choose_among_are_one() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") != network_of("2001:db8:0:1::1")
    assert network_of("10.0.0.1") != network_of("10.0.0.2")
    assert network_of("unix") == "unix" and len(network_of("x" * 9_999)) == 100


def test_memory_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_module, "MOST_KEPT", 50)
    peers = Peers()
    for n in range(500):
        peers.failed(f"10.0.{n // 250}.{n % 250}", 60)
        peers.succeeded("10.0.0.1", str(n))

    assert len(peers._busy_until) == len(peers._known) == 50
