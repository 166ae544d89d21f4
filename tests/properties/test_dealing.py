"""How claimed jobs are dealt to slots: nobody twice, in the order of urgency, and wary ones alone."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from provider_workers.parcels import dealt
from schemas.job import Job
from schemas.sensitivity import Lane
from tests.yard import a_job


@st.composite
def claims(draw: st.DrawFn) -> tuple[list[Job], int, int, list[int]]:
    fresh, again = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    lengths = draw(st.lists(st.integers(1, 5), min_size=fresh + again, max_size=fresh + again))
    count = draw(st.integers(0, sum(lengths)))
    wary = draw(st.sets(st.integers(0, 30), max_size=3))
    found = [a_job(id=f"{n:04}", interruptions=int(n in wary)) for n in range(count)]
    return found, fresh, again, lengths


@given(claims())
def test_dealing(claim: tuple[list[Job], int, int, list[int]]) -> None:
    found, fresh, again, lengths = claim

    hands = dealt(found, fresh=fresh, again=again, lengths=lengths)

    dealt_ids = [job.id for hand in hands for job in hand]
    wary = [job for job in found if job.interruptions]
    assert len(hands) <= fresh + again
    assert len(dealt_ids) == len(set(dealt_ids)) <= sum(lengths)
    assert all([job.id for job in hand] == sorted(job.id for job in hand) for hand in hands)
    assert all(len(hand) == 1 for hand in hands if any(job.interruptions for job in hand))
    assert not any(job.interruptions for hand in hands[fresh:] for job in hand), "in new slots only"
    assert _served(hands, wary) == min(len(wary), fresh)
    assert len(hands) == max(fresh, fresh + again - max(0, len(wary) - fresh)), "a slot gives way for each"
    assert _calm_in_order(found, hands), "a job waits only behind more urgent ones"


def _served(hands: Sequence[Sequence[Job]], wary: Sequence[Job]) -> int:
    return sum(job in hand for hand in hands for job in wary)


def _calm_in_order(found: Sequence[Job], hands: Sequence[Sequence[Job]]) -> bool:
    there = sorted(job.id for hand in hands for job in hand if not job.interruptions)
    return there == [job.id for job in found if not job.interruptions][: len(there)]


@given(st.integers(1, 8), st.integers(1, 4))
def test_the_most_urgent_ones_come_first_in_every_slot(slots: int, length: int) -> None:
    found = [a_job(id=f"{n:04}") for n in range(slots * length)]

    hands = dealt(found, fresh=slots, again=0, lengths=[length] * slots)

    assert [hand[0].id for hand in hands] == [job.id for job in found[:slots]]


@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 40), st.integers(1, 3))
def test_no_urgent_job_waits_in_a_slot_where_the_next_free_one_is_sooner(
    slots: int, length: int, urgent: int, each: int
) -> None:
    lanes = [Lane.URGENT] * urgent + [Lane.BULK] * 40
    found = [a_job(id=f"{n:04}", lane=lane) for n, lane in enumerate(lanes)][: slots * length]

    hands = dealt(found, fresh=slots, again=0, lengths=[length] * slots, urgent=each)

    taken = [sum(job.lane is Lane.URGENT for job in hand) for hand in hands]
    assert all(count <= each for count in taken)
    assert sum(taken) == min(urgent, slots * min(each, length))
