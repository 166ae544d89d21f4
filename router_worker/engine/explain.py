"""A decision in plain sentences, for `classyard explain`, the console and reports.

It says nothing that does not stand in the decision: what a person reads is what was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from router_worker.engine.wording import count, counted, dollars, duration, listed
from schemas.decision import NOT_KEPT, Candidate, Decision, Outcome, Refusal, Step, StepRole

ONE_BY_ONE = 4
"""So many candidates with the same first reason are told one by one; more are told together."""

_OPENINGS = {
    Outcome.ROUTED: "Routed",
    Outcome.WAITING: "Waiting",
    Outcome.HELD: "Held",
    Outcome.REFUSED: "Refused",
}


def explain(decision: Decision) -> str:
    """Lines of text, without a final line end."""
    return "\n".join(_lines(decision))


def _lines(decision: Decision) -> Iterator[str]:
    yield f"{_OPENINGS[decision.outcome]}. {decision.reason}"
    ranked = [each for each in decision.candidates if each.rank is not None]
    if ranked:
        yield from _ranking(ranked)
    if decision.plan:
        yield from _plan(decision.plan)
    if decision.ladder:
        yield from _rungs(decision)
    yield from _group("Could serve it, but not now:", _unavailable(decision))
    yield from _group("May not serve it:", _refused(decision))


def _ranking(ranked: Sequence[Candidate]) -> Iterator[str]:
    yield "Ranked, with scores of 0 to 1,000,000 on the policy's scales:"
    for each in ranked:
        yield f"  {each.rank}. {_name(each)}{_score(each)}{_estimate(each)}"


def _score(candidate: Candidate) -> str:
    if candidate.score is None:
        return ""
    parts = candidate.score
    return (
        f": {count(parts.total)} (cost {count(parts.cost)}, latency {count(parts.latency)}, "
        f"quality {count(parts.quality)}, load {count(parts.load)})"
    )


def _estimate(candidate: Candidate) -> str:
    if candidate.estimate is None:
        return ""
    expected = candidate.estimate
    shadow = expected.shadow_usd_micros
    worth = f", its slot worth {dollars(shadow)} to other work" if shadow else ""
    return (
        f"; expected {dollars(expected.cost_usd_micros)}, {dollars(expected.worst_cost_usd_micros)} at worst, "
        f"{duration(expected.delay_ms)} of waiting and {duration(expected.latency_ms)} of work{worth}"
    )


def _plan(plan: Sequence[Step]) -> Iterator[str]:
    first, *others = dict.fromkeys(f"{step.provider}/{step.model}" for step in plan)
    worst = dollars(sum(step.worst_cost_usd_micros for step in plan))
    then = f", then {listed(others, most=len(others))}" if others else ", and no fallback"
    yield f"Plan: {first}{then}; {worst} at worst."


def _rungs(decision: Decision) -> Iterator[str]:
    """From which evidence the answer of each rung may stand."""
    yield f"Ladder {decision.ladder!r}, with evidence of 0 to 1,000,000 on an answer:"
    if decision.explores:
        yield "  It is walked to its last rung whatever the evidence, so that outcomes can be labelled."
    rungs = [step for step in decision.plan if step.role is StepRole.RUNG]
    for number, step in enumerate(rungs, start=1):
        again = f", sample {step.sample}" if step.sample > 1 else ""
        yield f"  {number}. {step.provider}/{step.model}{again}: {_stands(step, rungs[number:])}"


def _stands(step: Step, after: Sequence[Step]) -> str:
    if not after:
        return "the last one; a sound answer stands"
    if step.keep_from is None:
        return "a sound answer stands"
    if step.keep_from < NOT_KEPT:
        return f"an answer stands from {count(step.keep_from)} on"
    following = (after[0].provider, after[0].model)
    if following == (step.provider, step.model):
        return "asked again, whatever it answers"
    return "no answer stands; the next one is asked in any case"


def _unavailable(decision: Decision) -> list[tuple[Candidate, tuple[Refusal, ...]]]:
    return [(each, (each.unavailable,)) for each in decision.candidates if each.unavailable]


def _refused(decision: Decision) -> list[tuple[Candidate, tuple[Refusal, ...]]]:
    return [(each, each.refusals) for each in decision.candidates if each.refusals]


def _group(title: str, found: Sequence[tuple[Candidate, tuple[Refusal, ...]]]) -> Iterator[str]:
    """Each candidate with all its reasons; candidates that share their rules are told together when they are many."""
    if not found:
        return
    yield title
    by_rules: dict[tuple[str, ...], list[tuple[Candidate, tuple[Refusal, ...]]]] = {}
    for candidate, refusals in found:
        by_rules.setdefault(tuple(refusal.rule for refusal in refusals), []).append((candidate, refusals))
    for rules, members in by_rules.items():
        if len(members) <= ONE_BY_ONE:
            yield from (f"  {_name(candidate)}: {_sentences(refusals)}" for candidate, refusals in members)
        else:
            yield from _together(rules, members)


def _together(
    rules: tuple[str, ...], members: Sequence[tuple[Candidate, tuple[Refusal, ...]]]
) -> Iterator[str]:
    names = listed((_name(candidate) for candidate, _ in members), most=len(members))
    first, refusals = members[0]
    yield f"  {counted(len(members), 'candidate')} by {listed(rules)}: {names}."
    yield f"    For example {_name(first)}: {_sentences(refusals)}"


def _sentences(refusals: Sequence[Refusal]) -> str:
    return " ".join(refusal.sentence for refusal in refusals)


def _name(candidate: Candidate) -> str:
    return f"{candidate.provider}/{candidate.model}"
