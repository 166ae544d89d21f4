"""Replies that come at once go on one after the other; a loop that is always busy is left alone."""

from __future__ import annotations

import asyncio

import pytest

from provider_workers.turns import REMEMBERED, TURNS, Turns

pytestmark = pytest.mark.asyncio


async def test_each_has_the_turns_in_which_its_call_is_sent_before_the_next_goes_on() -> None:
    turns, steps = Turns(), list[str]()

    async def call(name: str) -> None:
        await turns.take()
        for step in range(TURNS):
            steps.append(f"{name}{step}")
            await asyncio.sleep(0)

    await asyncio.gather(*map(call, "abcd"))

    assert steps == [f"{name}{step}" for name in "abcd" for step in range(TURNS)]


async def test_who_comes_alone_goes_on_at_once() -> None:
    turns = Turns()
    for _ in range(3):
        taking = turns.take()
        with pytest.raises(StopIteration):
            taking.send(None)  # it did not wait for anything
        for _ in range(TURNS + 2):
            await asyncio.sleep(0)


async def test_who_does_not_wait_any_more_is_passed_over() -> None:
    turns = Turns()
    await turns.take()
    gone, there = asyncio.create_task(turns.take()), asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    gone.cancel()

    await asyncio.wait_for(there, 1)
    await asyncio.wait_for(turns.take(), 1)
    assert gone.cancelled()


async def test_one_that_is_cancelled_as_its_turn_comes_holds_nobody_up() -> None:
    turns = Turns()
    await turns.take()
    both = [asyncio.create_task(turns.take()) for _ in range(2)]
    while not turns._waiting:
        await asyncio.sleep(0)
    while len(turns._waiting) == 2:
        await asyncio.sleep(0)
    both[0].cancel()  # its future is set, and it has not run since

    await asyncio.wait_for(both[1], 1)


async def test_in_a_crowd_nobody_waits() -> None:
    turns = Turns()
    for _ in range(8 * REMEMBERED):  # as quickly as they can be asked for
        await turns.take()
    assert turns._gap_s < 0.002

    for _ in range(3):
        with pytest.raises(StopIteration):
            turns.take().send(None)
    assert not turns._waiting
