"""A process that takes submissions has room for a group on its socket, lets the loop send while it packs, and packs
from the first group to the last in one thread."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from producer.intake.accept import TURN_S, _ahead, take_short_turns
from runtime.db.session import send_much


def _room(one: socket.socket) -> int:
    return one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


def test_a_unix_socket_takes_more_at_a_time_and_stays_open() -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        before = _room(here)
        connection: Any = here  # what is asked of it is its number

        send_much(connection)

        assert _room(here) > before
        here.sendall(b"still there")
        assert there.recv(20) == b"still there"


def test_over_tcp_the_system_finds_out_by_itself() -> None:
    with socket.socket(socket.AF_INET) as here:
        before = _room(here)
        connection: Any = here

        send_much(connection)

        assert _room(here) == before


@pytest.fixture
def usual_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("usual_turns")
def test_turns_get_shorter_and_never_longer() -> None:
    sys.setswitchinterval(0.005)
    take_short_turns()
    assert sys.getswitchinterval() == pytest.approx(TURN_S, rel=0.05)

    sys.setswitchinterval(0.0001)
    take_short_turns()
    assert sys.getswitchinterval() == pytest.approx(0.0001, rel=0.05)


def test_all_groups_are_packed_in_one_thread_which_ends_with_the_last() -> None:
    packers = set[threading.Thread]()

    def groups() -> Iterator[Any]:
        for number in range(1, 300):
            packers.add(threading.current_thread())
            yield number

    async def taken() -> int:
        met = threading.Barrier(3)
        await asyncio.gather(*(asyncio.to_thread(met.wait, 5) for _ in range(3)))  # others, free by now
        return sum([number async for number in _ahead(groups())])  # type: ignore[misc]

    assert asyncio.run(taken()) == 299 * 300 / 2
    (packer,) = packers
    assert packer is not threading.current_thread()
    packer.join(5)
    assert not packer.is_alive()
