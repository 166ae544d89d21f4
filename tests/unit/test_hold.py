"""A slot's hold: what is under way in it is given up when the slot is lost, or when its one job is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from provider_workers.hold import Hold

pytestmark = pytest.mark.asyncio


async def endless() -> str:
    await asyncio.sleep(60)
    return "never"


async def quick() -> str:
    return "done"


async def test_a_cancelled_job_gives_up_its_call_and_the_next_one_goes_on() -> None:
    hold = Hold(["one", "two"])
    waiting = asyncio.create_task(hold.during(endless(), job="one"))
    await asyncio.sleep(0)

    hold.withdraw({"one"})

    assert await waiting is None
    assert hold.is_withdrawn("one") and not hold.is_withdrawn("two") and not hold.is_lost
    assert await hold.during(quick(), job="two") == "done"


async def test_a_job_that_is_withdrawn_before_its_call_is_not_called() -> None:
    hold = Hold(["one"])
    hold.withdraw({"one"})
    called = False

    async def call() -> str:
        nonlocal called
        called = True
        return "done"

    assert await hold.during(call(), job="one") is None
    assert not called


async def test_another_jobs_withdrawal_leaves_the_call_alone() -> None:
    hold = Hold(["one", "two"])
    waiting = asyncio.create_task(hold.during(quick(), job="one"))
    hold.withdraw({"two"})

    assert await waiting == "done"


async def test_a_worker_that_ends_is_not_mistaken_for_a_withdrawal() -> None:
    hold = Hold(["one"])
    waiting = asyncio.create_task(hold.during(endless(), job="one"))
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_worker_that_ends_while_its_job_is_withdrawn_still_ends() -> None:
    hold = Hold(["one"])
    waiting = asyncio.create_task(hold.during(endless(), job="one"))
    await asyncio.sleep(0)
    hold.withdraw({"one"})
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_whoever_gave_up_a_call_is_not_cancelled_himself() -> None:
    """Also where the call made something else of it."""
    hold = Hold(["one", "two"])

    async def stubborn() -> str:
        try:
            return await endless()
        except asyncio.CancelledError:
            return "said before"

    async def slot() -> tuple[str | None, str | None, int]:
        first = await hold.during(stubborn(), job="one")
        second = await hold.during(endless(), job="two")
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return first, second, task.cancelling()

    serving = asyncio.create_task(slot())
    for job in ("one", "two"):
        for _ in range(3):
            await asyncio.sleep(0)
        hold.withdraw({job})
        hold.lose()  # a second word changes nothing
        hold._lost = False

    assert await serving == ("said before", None, 0)
