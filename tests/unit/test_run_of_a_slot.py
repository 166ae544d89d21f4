"""What a slot has in hand: never more than one call that is not committed when the next one begins."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_workers.run import Run


@given(lags=st.lists(st.integers(0, 4), max_size=20))
def test_one_call_at_most_is_not_committed_when_the_next_begins(lags: list[int]) -> None:
    """`lags`: so many turns of the loop each commit takes after somebody was in a hurry for it."""

    async def served() -> None:
        run, open_, hurried = Run([]), list[asyncio.Future[bool]](), asyncio.Event()

        async def commit(done: asyncio.Future[bool], turns: int) -> None:
            await hurried.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            done.set_result(True)

        for turns in lags:
            await run.catch_up(hurried.set)
            assert sum(not each.done() for each in open_) <= 1
            done = asyncio.get_running_loop().create_future()
            open_.append(done)
            run.hand_in(done)
            task = asyncio.create_task(commit(done, turns))
            tasks.add(task)
        assert hurried.is_set() == (len(lags) > 2), "who does not wait hurries nobody"
        hurried.set()
        await asyncio.gather(*tasks)

    tasks: set[asyncio.Task[None]] = set()
    asyncio.run(served())


@pytest.mark.asyncio
async def test_a_commit_that_failed_holds_nobody_up() -> None:
    run = Run([])
    for _ in range(3):
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(RuntimeError("not kept"))
        run.hand_in(failed)

    await asyncio.wait_for(run.catch_up(lambda: None), 1)

    assert run.commits == []
