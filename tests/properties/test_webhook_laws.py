"""Laws of webhooks: signatures that others accept, addresses that nothing is sent to, and waits that grow."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

import openai
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from openai import OpenAI
from standardwebhooks import Webhook, WebhookVerificationError

from producer.webhooks.addresses import (
    CLOSED_V4,
    CLOSED_V6,
    NAT64,
    OPEN_V6,
    is_named,
    why_closed,
)
from producer.webhooks.schedule import Schedule, Standing, after_failure, next_wait, read_retry_after
from producer.webhooks.signing import headers, secret_of, secret_text, signature
from producer.webhooks.targets import read_target
from runtime.settings import Settings
from schemas.errors import BadInput
from schemas.webhooks import EVENTS, body_of, wanted_events

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PEPPERS = st.text(min_size=32, max_size=40)
IDS = st.from_regex(r"evt_[0-9a-f]{8,32}", fullmatch=True)
PAYLOADS = st.binary(max_size=200)
OPENAI = OpenAI(api_key="none")


# -- signatures


@given(secret=st.binary(min_size=24, max_size=64), event_id=IDS, data=st.dictionaries(st.text(), st.text()))
def test_others_accept_what_is_signed_and_nothing_that_was_changed(
    secret: bytes, event_id: str, data: dict[str, str]
) -> None:
    payload, now = json.dumps({"type": "batch.completed", "data": data}).encode(), int(time.time())
    sent = headers([secret], event_id, now, payload)

    assert Webhook(secret_text(secret)).verify(payload, sent) == json.loads(payload)
    OPENAI.webhooks.verify_signature(payload, sent, secret=secret_text(secret))
    for changed in (
        (payload + b" ", sent),
        (payload, {**sent, "webhook-id": event_id + "0"}),
        (payload, {**sent, "webhook-timestamp": str(now - 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret_text(secret)).verify(*changed)
        with pytest.raises(openai.InvalidWebhookSignatureError):
            OPENAI.webhooks.verify_signature(*changed, secret=secret_text(secret))


@given(secret=st.binary(min_size=24, max_size=64), event_id=IDS, text=st.text(max_size=50))
def test_a_signature_is_the_one_that_others_make(secret: bytes, event_id: str, text: str) -> None:
    theirs = Webhook(secret_text(secret)).sign(event_id, NOON, text)

    # `NOON` is in UTC: with a time of another zone, theirs is another instant.
    assert signature(secret, event_id, int(NOON.timestamp()), text.encode()) == theirs


@given(old=st.binary(min_size=32, max_size=32), new=st.binary(min_size=32, max_size=32), payload=PAYLOADS)
def test_while_a_secret_is_changed_who_knows_either_accepts(old: bytes, new: bytes, payload: bytes) -> None:
    assume(old != new)
    body, now = json.dumps({"x": payload.hex()}).encode(), int(time.time())
    sent = headers([new, old], "evt_1", now, body)

    for known in (old, new):
        Webhook(secret_text(known)).verify(body, sent)
        OPENAI.webhooks.verify_signature(body, sent, secret=secret_text(known))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(old)).verify(body, headers([new], "evt_1", now, body))


@given(pepper=PEPPERS, other=PEPPERS, salt=st.binary(min_size=24, max_size=24), ids=st.tuples(IDS, IDS))
def test_a_secret_is_of_its_pepper_its_endpoint_and_its_salt(
    pepper: str, other: str, salt: bytes, ids: tuple[str, str]
) -> None:
    one = secret_of(pepper, ids[0], salt)

    assert one == secret_of(pepper, ids[0], salt) and len(one) == 32
    assert one != secret_of(pepper, ids[0], salt[:-1] + bytes([salt[-1] ^ 1]))
    assert (one == secret_of(other, ids[0], salt)) == (pepper == other)
    assert (one == secret_of(pepper, ids[1], salt)) == (ids[0] == ids[1])
    assert b64decode(secret_text(one).removeprefix("whsec_")) == one


@given(data=st.dictionaries(st.text(max_size=5), st.text(max_size=5)), seconds=st.integers(0, 10**9))
def test_a_body_is_the_same_bytes_whenever_it_is_made(data: dict[str, str], seconds: int) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    body = body_of("evt_1", "batch.completed", at, data)

    assert body == body_of("evt_1", "batch.completed", at, dict(reversed(data.items())))
    assert json.loads(body) == {
        "id": "evt_1",
        "object": "event",
        "type": "batch.completed",
        "created_at": seconds,
        "data": data,
    }


# -- addresses

V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(IPv6Address)


def inside(network: object) -> st.SearchStrategy[int]:
    assert hasattr(network, "network_address") and hasattr(network, "num_addresses")
    first = int(network.network_address)
    return st.integers(first, first + network.num_addresses - 1)


@given(st.sampled_from(sorted(CLOSED_V4, key=str)).flatmap(inside).map(IPv4Address))
def test_nothing_is_sent_to_a_closed_range_in_whatever_dress(address: IPv4Address) -> None:
    number = int(address)
    assert why_closed(address)
    for dressed in (
        IPv6Address(0xFFFF_0000_0000 | number),  # mapped
        IPv6Address(int(NAT64.network_address) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),  # 6to4
        IPv6Address(number),  # compatible
        IPv6Address((0x2001 << 112) | (number ^ 0xFFFF_FFFF)),  # Teredo
    ):
        assert why_closed(dressed), dressed


@given(st.sampled_from(sorted(CLOSED_V6, key=str)).flatmap(inside).map(IPv6Address))
def test_nothing_is_sent_to_a_closed_range_of_ipv6(address: IPv6Address) -> None:
    assert why_closed(address)


@given(st.one_of(V4, V6))
def test_what_python_does_not_hold_for_global_is_closed(address: IPv4Address | IPv6Address) -> None:
    if why_closed(address) is None:
        plain = address
        if isinstance(address, IPv6Address) and address not in OPEN_V6:
            plain = IPv4Address(int(address) & 0xFFFF_FFFF)
            assert address.ipv4_mapped or address in NAT64
        assert plain.is_global and not plain.is_multicast and not plain.is_private


@given(V4)
def test_the_open_internet_is_open(address: IPv4Address) -> None:
    closed = any(address in network for network in CLOSED_V4)
    assert (why_closed(address) is not None) == closed


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "10.0.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "100.100.100.200", "192.0.0.192", "168.63.129.16", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
        "fd00:ec2::254", "fc00::1", "ff02::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1",
        "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "100::1", "5f00::1",
    ],
)  # fmt: skip
def test_a_closed_address(address: str) -> None:
    assert why_closed(ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_an_open_address(address: str) -> None:
    assert why_closed(ip_address(address)) is None


@given(V4, st.integers(8, 32))
def test_a_range_that_the_operator_named_opens_itself_and_nothing_beside_it(
    address: IPv4Address, bits: int
) -> None:
    network = IPv4Network((int(address), bits), strict=False)
    named = Settings(webhook_allow=f" {network}, fd00::/64 ").webhook_networks

    assert is_named(address, named) and is_named(IPv6Address(0xFFFF_0000_0000 | int(address)), named)
    after = int(network.broadcast_address) + 1
    assert after >= 2**32 or not is_named(IPv4Address(after), named)


# -- names


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_a_sentence(text: str) -> None:
    try:
        target = read_target(text, may_be_plain=True)
    except BadInput as error:
        assert error.where == "url" and str(error)
    else:
        assert read_target(target.url, may_be_plain=True) == target


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.example/", "ftp://receiver.example/", "https://user@receiver.example/",
        "https://user:pw@receiver.example/", "https://receiver.example/#x", "https://receiver.example\\@10.0.0.1/",
        "https://receiver.example:22/", "https://receiver.example:25/", "https://receiver.example:0/",
        "https://receiver.example:65536/", "https://2130706433/", "https://0x7f.1/", "https://127.1/",
        "https://0177.0.0.1/", "https://1.2.3.4.5/", "https://[fe80::1%25eth0]/", "https://[::1/", "https:///x",
        "https://a..b/", "https://-a.example/", "https://a_b.example/", "https://receiver.example/ x",
        "https://receiver.example/\r\nX: y", "https://ex%61mple.org/", "https://bücher.example/", " https://a.example/",
        "HTTPS://a.example/", "https://" + "a" * 64 + ".example/", "https://a.example/" + "x" * 2_000, "",
    ],
)  # fmt: skip
def test_a_target_that_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        read_target(url, may_be_plain=False)


@pytest.mark.parametrize(
    ("url", "becomes"),
    [
        ("https://Receiver.Example", "https://receiver.example:443/"),
        ("https://receiver.example.:8443/a?b=c%20d", "https://receiver.example:8443/a?b=c%20d"),
        ("https://[2606:4700:0::1111]/x", "https://[2606:4700::1111]:443/x"),
        ("https://93.184.216.34/", "https://93.184.216.34:443/"),
    ],
)
def test_a_target_that_is_taken(url: str, becomes: str) -> None:
    assert read_target(url, may_be_plain=False).url == becomes


# -- when


@given(st.integers(1, 9), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 10**7)))
def test_a_wait_is_never_shorter_than_the_schedule_nor_than_what_was_asked(
    attempts: int, chance: float, after_s: float | None
) -> None:
    schedule = Schedule()
    wait = next_wait(schedule, attempts, after_s=after_s, chance=chance)

    assert wait is not None and wait >= schedule.waits_s[attempts - 1]
    assert wait >= min(after_s or 0, schedule.most_after_s)
    assert wait <= max(schedule.waits_s[attempts - 1] * (1 + schedule.jitter), after_s or 0)
    assert next_wait(schedule, len(schedule.waits_s) + 1, after_s=after_s, chance=chance) is None


def test_ten_attempts_take_three_days_and_end_before_a_delivery_is_too_old() -> None:
    schedule = Schedule()
    waits = [next_wait(schedule, n, after_s=None, chance=1.0) for n in range(1, 10)]

    assert 3 * 86_400 <= sum(schedule.waits_s) <= sum(wait for wait in waits if wait) < schedule.lifetime_s


@given(st.integers(1, 60), st.integers(1, 10_000))
def test_an_endpoint_that_fails_rests_longer_and_is_given_up_after_days_only(
    times: int, apart_s: int
) -> None:
    schedule, standing, now = Schedule(), Standing(), NOON
    rests: list[float] = []
    for _ in range(times):
        standing = after_failure(standing, schedule, now=now, asks_s=None, is_gone=False)
        rests.append((standing.rests_until - now).total_seconds() if standing.rests_until else 0.0)
        now += timedelta(seconds=apart_s)

    assert standing.failures == times and standing.failing_since == NOON
    assert all(rest == 0 for rest in rests[: schedule.trips_after - 1])
    fresh = [rest for rest in rests if rest > 0]
    assert all(rest <= schedule.most_rest_s for rest in fresh)
    is_old = (times - 1) * apart_s >= schedule.gives_up_s
    assert bool(standing.disabled_reason) == is_old


def test_what_an_endpoint_asks_for_and_410() -> None:
    asked = after_failure(Standing(), Schedule(), now=NOON, asks_s=90, is_gone=False)
    gone = after_failure(Standing(), Schedule(), now=NOON, asks_s=None, is_gone=True)

    assert asked.rests_until == NOON + timedelta(seconds=90) and not asked.disabled_reason
    assert "410" in gone.disabled_reason


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None), ("", None), ("soon", None), ("-5", None), ("1.5", None), ("7", 7), (" 7 ", 7), ("٣", None),
        ("Fri, 20 Nov 2026 12:01:00 GMT", 60), ("Fri, 20 Nov 2026 11:00:00 GMT", 0), ("9" * 100, None),
        ("Fri, 20 Nov 2026 12:01:00 +0100", 0), ("Fri, 99 Nov 2026 12:01:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text, NOON) == seconds


@given(st.text(max_size=70))
def test_no_retry_after_breaks_anything(text: str) -> None:
    assert (read_retry_after(text, NOON) or 0) >= 0


# -- events


def test_events_by_name_and_by_kind() -> None:
    assert wanted_events(["*"]) == EVENTS
    assert wanted_events(["job.failed", "batch.*", "batch.completed"]) == (*EVENTS[:4], "job.failed")
    for wrong in ([], ["job.routed"], ["batch"], ["job.*", "x"], ["webhook.test"]):
        with pytest.raises(BadInput):
            wanted_events(wrong)
