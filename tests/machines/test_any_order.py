"""Whatever happens in whatever order, the invariants hold after every step, and everything accepted comes to an end.

Hypothesis draws the story: bells that come twice, late or never, workers that die or freeze between any two steps and
come back, leases that run out, commits that were applied and reported as failed, cancels, deadlines, other policies,
and providers that answer, fail, or answer too late. A story that breaks an invariant is cut down to its shortest form.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ClassVar, TypeVar

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from producer.intake.cancel import cancel_batch, cancel_job
from producer.intake.retry import Which, retry
from runtime.db.stores import capacity, jobs, upkeep
from schemas.catalog import Catalog
from schemas.errors import BadInput, ClassyardError
from schemas.lifecycle import FINAL, JobState
from schemas.policy import PlanLimits, RoutingPolicy
from tests.engine_values import a_policy, a_provider
from tests.invariants import check_invariants
from tests.machines.hands import ENDINGS, Hands, Worker, empty
from tests.yard import TENANT, Yard, yard

pytestmark = pytest.mark.services

T = TypeVar("T")

CATALOG = Catalog(
    providers=(a_provider("alpha", ceiling=2), a_provider("beta", ceiling=3), a_provider("gamma", ceiling=1))
)
NAMES = [provider.name for provider in CATALOG.providers]
POLICIES: tuple[RoutingPolicy, ...] = (
    a_policy(),
    a_policy(plan=PlanLimits(max_steps=1, attempts_per_step=1)),
    a_policy(plan=PlanLimits(max_steps=3, attempts_per_step=2, max_attempts=4), providers=("alpha", "beta")),
)
MOST_ROUNDS = 120
"""Rounds of everything in good order, after which a story must have come to its end."""

pick = st.integers(0, 10_000)


class AnyOrder(RuleBasedStateMachine):
    database_url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        empty(self.database_url)
        self.loop = asyncio.new_event_loop()
        self._yard = yard(self.database_url, connections=8, lease_s=30)
        self.here: Yard = self.run(self._yard.__aenter__())
        self.hands = Hands(self.here, CATALOG, POLICIES[0])
        self.batches: list[str] = []
        self.accepted = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(count=st.integers(1, 6))
    def begin(self, count: int) -> None:
        self.run(self.hands.start())
        self.submit(count, None)

    # -- submitters

    @rule(count=st.integers(1, 5), deadline_s=st.none() | st.just(3_600))
    def submit(self, count: int, deadline_s: int | None) -> None:
        accepted = self.run(self.here.submit(count, deadline_s=deadline_s))
        self.batches.append(accepted.batch_id)
        self.accepted += count

    @rule(number=pick, how=st.sampled_from(["key", "cancel batch", "cancel job", "retry", "deadline"]))
    def a_submitter_meddles(self, number: int, how: str) -> None:
        match how:
            case "key":
                self._hand_in_twice(f"key {number % 2}")
            case "cancel batch":
                self.run(cancel_batch(self.here.database, TENANT, self._batch(number), actor="a person"))
            case "cancel job":
                jobs = self.run(self.here.jobs())
                job_id = jobs[number % len(jobs)].id
                self.run(cancel_job(self.here.database, TENANT, job_id, actor="a person"))
            case "retry":
                self._retry(self._batch(number))
            case "deadline":
                self.run(self.hands.a_deadline_passes(number))

    def _hand_in_twice(self, key: str) -> None:
        first, second = (self.run(self.here.submit(2, key=key)) for _ in range(2))
        assert first.batch_id == second.batch_id
        if not first.repeated:
            self.batches.append(first.batch_id)
            self.accepted += 2

    def _retry(self, batch: str) -> None:
        states = tuple(state for state in FINAL if state is not JobState.SUCCEEDED)
        try:
            done = self.run(retry(self.here.database, TENANT, batch, Which(states)))
        except BadInput:
            return
        self.batches.append(done.batch_id)
        self.accepted += done.jobs

    def _batch(self, number: int) -> str:
        return self.batches[number % len(self.batches)]

    # -- bells: any number of them, at any time

    @rule(bells=st.integers(1, 3))
    def route(self, bells: int) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(self.hands.stage.route() for _ in range(bells)))

        self.run(all_at_once())

    @rule(name=st.sampled_from(NAMES), bells=st.integers(1, 4))
    def take(self, name: str, bells: int) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(self.hands.take(name) for _ in range(bells)))

        self.run(all_at_once())

    @rule()
    def keep(self) -> None:
        self.run(self.hands.keeper.round())

    @rule(name=st.sampled_from(NAMES), ending=st.sampled_from(ENDINGS))
    def work_comes_as_far_as_a_call(self, name: str, ending: str) -> None:
        """The ordinary way of a job, up to where most can go wrong."""

        async def on_its_way() -> None:
            await self.hands.stage.route()
            if worker := await self.hands.take(name):
                await self.hands.call(worker, ending)

        self.run(on_its_way())

    # -- workers

    @precondition(lambda self: self.hands.workers)
    @rule(number=pick, ending=st.sampled_from(ENDINGS))
    def call(self, number: int, ending: str) -> None:
        self.run(self.hands.call(self._worker(number), ending))

    @precondition(lambda self: self.hands.workers)
    @rule(number=pick, times=st.integers(1, 2))
    def hand_in(self, number: int, times: int) -> None:
        self.run(self.hands.hand_in(self._worker(number), times=times))

    @precondition(lambda self: self.hands.workers)
    @rule(number=pick, ending=st.sampled_from(ENDINGS))
    def serve_to_the_end(self, number: int, ending: str) -> None:
        self.run(self._serve(self._worker(number), ending))

    @precondition(lambda self: self.hands.workers)
    @rule(number=pick)
    def settle(self, number: int) -> None:
        worker = self._worker(number)
        self.run(self.hands.settle(worker))
        self.hands.workers.remove(worker)

    @precondition(lambda self: self.hands.workers)
    @rule(number=pick)
    def freeze(self, number: int) -> None:
        """Between any two steps. It may be dead."""
        worker = self._worker(number)
        self.hands.workers.remove(worker)
        self.hands.stale.append(worker)

    @rule(name=st.sampled_from(NAMES))
    def what_is_frozen_goes_to_others(self, name: str) -> None:
        async def to_others() -> None:
            await self.hands.leases_end()
            await self.hands.keeper.round()
            await self.hands.stage.route()
            await self.hands.take(name)

        self.run(to_others())

    @precondition(lambda self: self.hands.stale)
    @rule(number=pick)
    def thaw(self, number: int) -> None:
        """It goes on as if nothing had been, whatever was done with its work meanwhile."""
        worker = self.hands.stale.pop(number % len(self.hands.stale))
        self.hands.workers.append(worker)

    @precondition(lambda self: self.hands.workers or self.hands.stale)
    @rule(number=pick)
    def hand_in_what_was_handed_in(self, number: int) -> None:
        known = [*self.hands.workers, *self.hands.stale]
        self.run(self.hands.hand_in_again(known[number % len(known)]))

    # -- operators and the world

    @rule(
        number=pick, name=st.sampled_from(NAMES), how=st.sampled_from(["policy", "pause", "go on", "silent"])
    )
    def an_operator_meddles(self, number: int, name: str, how: str) -> None:
        match how:
            case "policy":
                self.run(self.hands.under(POLICIES[number % len(POLICIES)]))
            case "pause" | "go on":
                self.run(self.hands.pause(name, paused=how == "pause"))
            case "silent":
                self.run(self.hands.falls_silent(name))

    @rule()
    def time_passes(self) -> None:
        """Pauses are over, and whoever was silent is heard of."""
        self.run(self.hands.pauses_end())
        self.run(self.hands.beat())

    # -- what must always be so

    @invariant()
    def all_invariants_hold(self) -> None:
        check_invariants(self.database_url)
        assert self.run(self.here.count("jobs")) == self.accepted

    @invariant()
    def no_ceiling_is_passed(self) -> None:
        held = self.run(self.hands.slots())
        for provider in CATALOG.providers:
            assert held.get(provider.name, 0) <= provider.ceiling

    @invariant()
    def a_result_was_asked_for(self) -> None:
        """No result without a call that the provider saw."""
        seen: Counter[str] = sum((caller.seen for caller in self.hands.callers.values()), start=Counter())
        for row in self.run(self.here.database.rows("select job_id::text from results")):
            assert seen[row["job_id"]] >= 1

    def teardown(self) -> None:
        try:
            self.run(self._to_the_end())
            check_invariants(self.database_url)
        finally:
            self.run(self._yard.__aexit__(None, None, None))
            self.loop.close()

    async def _to_the_end(self) -> None:
        """From wherever the story left it: providers serve, nobody freezes any more, and all jobs become final."""
        self.hands.stale += self.hands.workers
        self.hands.workers = []
        await self.here.do("update providers set paused = false")
        for _ in range(MOST_ROUNDS):
            await self.hands.beat()
            await self.hands.leases_end()
            await self.hands.pauses_end()
            await self.hands.keeper.round()
            await self.hands.stage.route()
            for name in NAMES:
                if worker := await self.hands.take(name):
                    await self._serve(worker, "sound")
                    await self.hands.settle(worker)
            open_jobs = [job for job in await self.here.jobs() if job.state not in FINAL]
            if not open_jobs:
                return
        raise AssertionError(f"it never ended: {[(job.state, job.reason) for job in open_jobs]}")

    async def _serve(self, worker: Worker, ending: str) -> None:
        while not worker.is_done:
            await self.hands.call(worker, ending)
            await self.hands.hand_in(worker)

    def _worker(self, number: int) -> Worker:
        return self.hands.workers[number % len(self.hands.workers)]


@pytest.fixture
def machine(database_url: str) -> Iterator[type[AnyOrder]]:
    yield type("Here", (AnyOrder,), {"database_url": database_url})


SOME = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)

FIXED = settings(
    SOME, max_examples=60, phases=[Phase.generate], derandomize=True, database=None, print_blob=False
)
"""The same stories every time, and no search for the shortest one."""


@pytest.mark.timeout(600)
def test_whatever_happens_the_invariants_hold_and_everything_ends(machine: type[AnyOrder]) -> None:
    run_state_machine_as_test(machine, settings=SOME)


# -- each guard is there for a reason: without it, some story breaks an invariant


async def _none(*_: Any, **__: Any) -> list[Any]:
    return []


def without_tokens(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(jobs, "_FENCE", "")


def without_a_ceiling(patch: pytest.MonkeyPatch) -> None:
    has_room = property(lambda gate: not gate.closed and gate.backlog > 0)
    patch.setattr(capacity.Gate, "has_room", has_room)


def without_taking_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(upkeep, "orphans", _none)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("guard", [without_tokens, without_a_ceiling, without_taking_back])
def test_without_a_guard_an_invariant_breaks(
    machine: type[AnyOrder], monkeypatch: pytest.MonkeyPatch, guard: Callable[[pytest.MonkeyPatch], None]
) -> None:
    guard(monkeypatch)

    with pytest.raises((AssertionError, psycopg.Error, ClassyardError, ExceptionGroup)):
        run_state_machine_as_test(machine, settings=FIXED)
