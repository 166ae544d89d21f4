"""Why a decision ended as it did: the outcome, a stable code, and one sentence for people.

some can be ranked now                       ROUTED    `best`, `only`, or `ladder` where one begins there
none, and an allowed one is only full        WAITING   `full`: it is up, room comes by itself
none, and no allowed one is up               HELD      `paused`, `drained`, `down`, `no_worker`, or `unavailable`
none, and all allowed ones cost too much     HELD      `budget`: it is raised, the day turns, or money is given back
none is allowed                              REFUSED   the rule that refuses all, or `no_candidate`
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from router_worker.engine.candidates import Ask, Seat
from router_worker.engine.wording import count, counted, dollars, listed
from schemas.decision import Candidate, Outcome, Step

MOST_NAMED = 3
"""Candidates of one named model that are told one by one."""

_NONE_UP = "No provider that may serve it is up."


class Why(NamedTuple):
    outcome: Outcome
    code: str
    sentence: str


def why(
    ask: Ask,
    seats: Sequence[Seat],
    judged: Sequence[Candidate],
    ranked: Sequence[Candidate],
    ladder: str = "",
    rungs: Sequence[Step] = (),
) -> Why:
    """`judged` are all candidates in the order of `seats`; `ranked` those that can serve now, best first; `rungs` the
    steps of the ladder that the plan follows."""
    if rungs:
        return _laddered(ladder, rungs)
    if ranked:
        return _routed(ranked)
    allowed = [each for each in judged if not each.refusals]
    if not allowed:
        return _refused(ask, seats, judged)
    full = sorted({each.provider for each in allowed if each.unavailable and each.unavailable.rule == "full"})
    if full:
        return Why(Outcome.WAITING, "full", f"Every provider that may serve it now is full: {listed(full)}.")
    if all(each.unavailable and each.unavailable.rule == "budget" for each in allowed):
        return _over_budget(ask)
    return _held(allowed)


def _laddered(ladder: str, rungs: Sequence[Step]) -> Why:
    names = list(dict.fromkeys(f"{step.provider}/{step.model}" for step in rungs))
    if len(names) == 1:
        return Why(Outcome.ROUTED, "ladder", f"{names[0]} is all that is left of ladder {ladder!r} now.")
    then = listed(names[1:], most=len(names))
    told = f"Ladder {ladder!r} begins with {names[0]}; {then} follow{'s' if len(names) == 2 else ''}"
    return Why(Outcome.ROUTED, "ladder", f"{told} where the evidence on an answer is too weak.")


def _routed(ranked: Sequence[Candidate]) -> Why:
    best = f"{ranked[0].provider}/{ranked[0].model}"
    if len(ranked) == 1:
        return Why(Outcome.ROUTED, "only", f"{best} is the only candidate that can serve it now.")
    total = ranked[0].score.total if ranked[0].score else 0
    of = counted(len(ranked), "candidate")
    return Why(Outcome.ROUTED, "best", f"{best} has the best score, {count(total)} of 1,000,000, among {of}.")


def _held(allowed: Sequence[Candidate]) -> Why:
    by_provider = {each.provider: each.unavailable for each in allowed if each.unavailable}
    codes = {refusal.rule for refusal in by_provider.values()}
    sentences = " ".join(by_provider[name].sentence for name in sorted(by_provider)[:6])
    more = f" And {len(by_provider) - 6} more." if len(by_provider) > 6 else ""
    opening = "No provider that may serve it now is up and within budget." if "budget" in codes else _NONE_UP
    code = codes.pop() if len(codes) == 1 else "unavailable"
    return Why(Outcome.HELD, code, f"{opening} {sentences}{more}")


def _over_budget(ask: Ask) -> Why:
    name = ask.job.budget or "work"
    target = name.partition(" (")[0]
    command = "day" if target.startswith("day") else target
    sentence = (
        f"The budget of the {name} has {dollars(ask.job.budget_left_usd_micros or 0)} left, too little for any call. "
        f"It goes on when that is raised: classyard budget set {command} AMOUNT."
    )
    return Why(Outcome.HELD, "budget", sentence)


def _refused(ask: Ask, seats: Sequence[Seat], judged: Sequence[Candidate]) -> Why:
    told = [each for each in judged if all(refusal.rule != "model_named" for refusal in each.refusals)]
    if ask.job.asked_model and told:
        return _named_refused(ask.job.asked_model, told)
    shared = _shared(judged)
    if shared:
        return Why(Outcome.REFUSED, shared[0], _of_all(shared[0], ask, seats, judged))
    rules = Counter(refusal.rule for each in judged for refusal in each.refusals)
    named = ", ".join(f"{rule} {number}" for rule, number in sorted(rules.items(), key=_most_first))
    sentence = f"None of {counted(len(judged), 'candidate')} may serve it. Refusals by rule: {named}."
    return Why(Outcome.REFUSED, "no_candidate", sentence)


def _named_refused(asked: str, named: Sequence[Candidate]) -> Why:
    """What speaks against the model that was named; that the others are others is no news."""
    shared = _shared(named)
    sentences = " ".join(
        f"{each.provider}/{each.model}: {' '.join(refusal.sentence for refusal in each.refusals)}"
        for each in named[:MOST_NAMED]
    )
    more = f" And {len(named) - MOST_NAMED} more." if len(named) > MOST_NAMED else ""
    sentence = f"Model {asked!r} was asked for, and it may not serve it. {sentences}{more}"
    return Why(Outcome.REFUSED, shared[0] if shared else "no_candidate", sentence)


def _shared(judged: Sequence[Candidate]) -> list[str]:
    """The rules that refuse every one of them."""
    return [
        refusal.rule
        for refusal in judged[0].refusals
        if all(any(other.rule == refusal.rule for other in each.refusals) for each in judged)
    ]


def _of_all(rule: str, ask: Ask, seats: Sequence[Seat], judged: Sequence[Candidate]) -> str:
    """The engine's own rules have a sentence for all candidates together; one of the policy's says its own."""
    if rule in _SHARED:
        return _SHARED[rule](ask, seats)
    sentences = (each.sentence for each in judged[0].refusals if each.rule == rule)
    return f"The policy's rule {rule!r} refuses every candidate. {next(sentences)}"


def _most_first(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


def _boundary(ask: Ask, seats: Sequence[Seat]) -> str:
    highest = max(seats, key=lambda seat: seat.boundary_rank).provider.boundary.value
    return (
        f"The document is {ask.job.sensitivity.value}, and no provider may see that; "
        f"the highest boundary is {highest}."
    )


def _self_hosted(ask: Ask, seats: Sequence[Seat]) -> str:
    sensitivity = ask.job.sensitivity.value
    return f"The policy sends {sensitivity} documents to self-hosted models only, and the catalog has none."


def _residency(ask: Ask, seats: Sequence[Seat]) -> str:
    return f"The document must stay in {listed(ask.job.residency)}; no provider processes there alone."


def _context(ask: Ask, seats: Sequence[Seat]) -> str:
    roomiest = max(seats, key=lambda seat: (seat.model.context_tokens, seat.name)).model
    needed = ask.tokens_into(roomiest) + ask.job.max_output_tokens
    return (
        f"Too long for every model: {count(needed)} tokens with prompt and answer; "
        f"the largest context is {count(roomiest.context_tokens)}."
    )


def _output_length(ask: Ask, seats: Sequence[Seat]) -> str:
    most = max(seat.model.max_output_tokens for seat in seats)
    wanted = ask.job.max_output_tokens
    return f"The review allows answers of {count(wanted)} tokens; no model writes more than {count(most)}."


def _language(ask: Ask, seats: Sequence[Seat]) -> str:
    if ask.job.language == "und":
        return "The document's language could not be told, and no model reads every language."
    return f"No model reads the document's language, {ask.job.language!r}."


def _quality(ask: Ask, seats: Sequence[Seat]) -> str:
    best = max(seat.model.quality for seat in seats)
    return f"Quality {ask.job.quality.value!r} asks for {ask.quality_floor:g} or more; the best prior is {best:g}."


_SHARED: dict[str, Callable[[Ask, Sequence[Seat]], str]] = {
    "providers": lambda ask, seats: (
        f"No provider is used both in tier {ask.job.asked_tier!r}, which was asked for, and for such documents."
        if ask.job.asked_tier
        else "The policy uses none of the catalog's providers."
    ),
    "training": lambda ask, seats: (
        "Every provider trains on what it is sent, and the policy does not allow that."
    ),
    "unpriced": lambda ask, seats: "No model of the catalog has a price, and none is ever taken for free.",
    "no_key": lambda ask, seats: "No provider's workers have a key.",
    "boundary": _boundary,
    "self_hosted": _self_hosted,
    "residency": _residency,
    "context": _context,
    "output_length": _output_length,
    "json_schema": lambda ask, seats: "No model can be held to a JSON schema.",
    "language": _language,
    "modality": lambda ask, seats: f"No model reads all of {listed(ask.job.modalities)}.",
    "quality": _quality,
    "cost_ceiling": lambda ask, seats: "Every model may cost more than what is left of the job's ceiling.",
    "deadline": lambda ask, seats: "The job's deadline has passed.",
    "model_named": lambda ask, seats: (
        f"Model {ask.job.asked_model!r} was asked for, and the catalog has none of that name."
    ),
    "tier_named": lambda ask, seats: (
        f"Tier {ask.job.asked_tier!r} was asked for, and the policy has none of that name."
    ),
    "tier": lambda ask, seats: (
        "Which tier of the policy applies could not be evaluated, so nothing is allowed."
    ),
}
"""For each rule, the sentence when it alone leaves nobody."""
