"""A process that takes submissions has room for a group on its socket, and lets the loop send while it packs."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from producer.intake.accept import TURN_S, take_short_turns
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
