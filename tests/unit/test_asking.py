"""Those who ask at once are answered together; who can wait does, until one comes who cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from provider_workers.asking import Asked, Together

LONG_S = 60.0


class Work:
    """Gives each who asks its slot's name, and keeps who was answered together."""

    def __init__(self) -> None:
        self.groups: list[list[str | None]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.fails = False

    async def __call__(self, asking: Sequence[Asked[str]]) -> Mapping[int, str]:
        await self.free.wait()
        self.groups.append([each.into for each in asking])
        if self.fails:
            raise RuntimeError("no luck")
        return {id(each): f"for {each.into}" for each in asking if each.into != "nothing"}


@pytest.mark.asyncio
async def test_who_comes_while_one_is_under_way_is_in_the_next() -> None:
    work = Work()
    together = Together(work)
    work.free.clear()
    first = asyncio.create_task(together.ask(None, "a", patience_s=0))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(together.ask(None, name, patience_s=0)) for name in ("b", "nothing", "c")]
    await asyncio.sleep(0.01)
    work.free.set()

    assert await asyncio.gather(first, *others) == ["for a", "for b", None, "for c"]
    assert work.groups == [["a"], ["b", "nothing", "c"]]


@pytest.mark.asyncio
async def test_who_can_wait_waits_for_one_who_cannot_and_goes_with_it() -> None:
    work = Work()
    together = Together(work)
    patient = [asyncio.create_task(together.ask(None, name, patience_s=LONG_S)) for name in ("a", "b")]
    await asyncio.sleep(0.01)
    assert work.groups == []

    assert await together.ask(None, "c", patience_s=0) == "for c"
    assert await asyncio.gather(*patient) == ["for a", "for b"]
    assert work.groups == [["a", "b", "c"]]


@pytest.mark.asyncio
async def test_patience_ends() -> None:
    work = Work()

    assert await Together(work).ask(None, "a", patience_s=0.01) == "for a"


@pytest.mark.asyncio
async def test_a_failure_is_told_to_all_who_asked_and_to_nobody_after_them() -> None:
    work = Work()
    together = Together(work)
    work.fails = True
    asked = [together.ask(None, name, patience_s=0) for name in ("a", "b")]

    assert [type(each) for each in await asyncio.gather(*asked, return_exceptions=True)] == [RuntimeError] * 2
    work.fails = False
    assert await together.ask(None, "c", patience_s=0) == "for c"


@pytest.mark.asyncio
async def test_what_came_for_one_who_left_is_there_at_the_end() -> None:
    work = Work()
    together = Together(work)
    work.free.clear()
    gone = asyncio.create_task(together.ask(None, "a", patience_s=0))
    await asyncio.sleep(0.01)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    work.free.set()

    assert await together.close() == ["for a"]
