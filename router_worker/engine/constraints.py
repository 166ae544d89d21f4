"""The hard constraints: each is a small function that gives a refusal, or None where the candidate may stay.

All of them are asked about every candidate, so that a refused one lists every reason; candidates that look the same
to a constraint are asked once. A candidate without a lasting
refusal is *allowed*, and no hop of the job ever leaves the allowed ones. Where a model was named, `only_named` refuses
all others first. Rules that do not look at the job
(`providers`, `training`, `unpriced`, `no_key`) are worked out once, in `candidates`.

Residency: the provider may process in any of its regions, so each of them must be covered. An allowed region covers
itself and what lies within it: `eu` covers `eu` and `eu-central-1`. The operator's own machine, region `local` of a
self-hosted provider, satisfies every rule.

Deadlines come in two kinds. A deadline that has passed is a refusal. A candidate that would be late is refused for
the moment (`unavailable`, rule `deadline`) while another allowed and available one can make it; where none can, all
stay, and the best is tried. It is not a lasting refusal, since it depends on the loads and on the other candidates:
with it among the lasting ones, raising a job's sensitivity could enlarge what is allowed. Of those that are left, the
candidates of a provider that is failing step aside in the same way (rule `failing`).

Budgets refuse for the moment too (rule `budget`), so that a cheaper candidate may still serve.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

from router_worker.engine.candidates import Ask, Seat
from router_worker.engine.estimates import worst_cost_usd_micros
from router_worker.engine.wording import count, dollars, duration, listed
from schemas.budget import call_cost_usd_micros
from schemas.catalog import ANY_LANGUAGE, ProviderKind, is_named
from schemas.decision import Estimate, Refusal
from schemas.residency import covered

Rule = Callable[[Ask, Seat], Refusal | None]


class Screen(NamedTuple):
    """One constraint over the candidates of a catalog."""

    rule: Rule
    groups: tuple[tuple[Seat, tuple[int, ...]], ...]
    """Candidates that look the same to the rule: one of them, and the indexes of all."""


def screens(seats: Sequence[Seat]) -> tuple[Screen, ...]:
    """Every constraint, ready for these candidates; in a fixed order."""
    return tuple(Screen(rule, _groups(looks_at, seats)) for rule, looks_at in RULES.items())


def screen(ask: Ask, screens: Iterable[Screen], found: Sequence[list[Refusal]]) -> None:
    """Adds to each candidate's list in `found` what the constraints have against it."""
    for rule, groups in screens:
        for one, members in groups:
            refusal = rule(ask, one)
            if refusal is not None:
                for index in members:
                    found[index].append(refusal)


def _groups(
    looks_at: Callable[[Seat], Hashable], seats: Sequence[Seat]
) -> tuple[tuple[Seat, tuple[int, ...]], ...]:
    members: dict[Hashable, list[int]] = {}
    for index, seat in enumerate(seats):
        members.setdefault(looks_at(seat), []).append(index)
    return tuple((seats[indexes[0]], tuple(indexes)) for indexes in members.values())


def only_named(asked: str, seats: Sequence[Seat], found: Sequence[list[Refusal]]) -> None:
    """Refuses all but the model that was named; whoever it is, the other constraints hold for it as for any."""
    other = Refusal("model_named", f"Model {asked!r} was asked for, and this is another one.")
    for index, seat in enumerate(seats):
        if not is_named(asked, seat.provider.name, seat.model.name):
            found[index].append(other)


def boundary(ask: Ask, seat: Seat) -> Refusal | None:
    if ask.sensitivity_rank <= seat.boundary_rank:
        return None
    provider = seat.provider
    return Refusal(
        "boundary",
        f"The document is {ask.job.sensitivity.value}; {provider.name} may see {provider.boundary.value} at most.",
    )


def self_hosted(ask: Ask, seat: Seat) -> Refusal | None:
    if not ask.self_hosted_only or seat.provider.kind is ProviderKind.SELF_HOSTED:
        return None
    sensitivity = ask.job.sensitivity.value
    sentence = f"The policy sends {sensitivity} documents to self-hosted models only; this one is not."
    return Refusal("self_hosted", sentence)


def residency(ask: Ask, seat: Seat) -> Refusal | None:
    allowed = ask.job.residency
    if not allowed:
        return None
    outside = [region for region in seat.regions if not covered(region, allowed)]
    if not outside:
        return None
    sentence = f"It may process in {listed(outside)}; the document must stay in {listed(allowed)}."
    return Refusal("residency", sentence)


def context(ask: Ask, seat: Seat) -> Refusal | None:
    needed = ask.tokens_into(seat.model) + ask.job.max_output_tokens
    if needed <= seat.model.context_tokens:
        return None
    return Refusal(
        "context",
        f"Too long: {count(needed)} tokens with prompt and answer; its context is {count(seat.model.context_tokens)}.",
    )


def output_length(ask: Ask, seat: Seat) -> Refusal | None:
    wanted, most = ask.job.max_output_tokens, seat.model.max_output_tokens
    if wanted <= most:
        return None
    sentence = f"The review allows answers of {count(wanted)} tokens; it writes {count(most)} at most."
    return Refusal("output_length", sentence)


def json_schema(ask: Ask, seat: Seat) -> Refusal | None:
    if not ask.job.needs_json_schema or seat.model.json_schema:
        return None
    return Refusal("json_schema", "It cannot be held to a JSON schema.")


def language(ask: Ask, seat: Seat) -> Refusal | None:
    known, wanted = seat.model.languages, ask.job.language
    if ANY_LANGUAGE in known or (wanted != "und" and wanted in known):
        return None
    if wanted == "und":
        sentence = f"The document's language could not be told, and it reads {listed(known)} only."
    else:
        sentence = f"The document's language is {wanted!r}; it reads {listed(known)}."
    return Refusal("language", sentence)


def modality(ask: Ask, seat: Seat) -> Refusal | None:
    missing = [needed for needed in ask.job.modalities if needed not in seat.model.modalities]
    return Refusal("modality", f"It cannot read {listed(missing)}.") if missing else None


def quality(ask: Ask, seat: Seat) -> Refusal | None:
    if seat.model.quality >= ask.quality_floor:
        return None
    level, prior = ask.job.quality.value, seat.model.quality
    sentence = f"Quality {level!r} asks for {ask.quality_floor:g} or more; its prior is {prior:g}."
    return Refusal("quality", sentence)


def cost_ceiling(ask: Ask, seat: Seat) -> Refusal | None:
    """Asked of one step alone; the plan keeps the sum of its steps under the ceiling."""
    ceiling = ask.job.max_cost_usd_micros
    if ceiling is None or seat.model.price is None:
        return None
    worst = worst_cost_usd_micros(ask, seat, seat.model.price)
    if worst <= ceiling:
        return None
    sentence = f"It may cost up to {dollars(worst)}; what is left of the job's ceiling is {dollars(ceiling)}."
    return Refusal("cost_ceiling", sentence)


def deadline(ask: Ask, seat: Seat) -> Refusal | None:
    left = ask.job.time_left_ms
    if left is None or left > 0:
        return None
    return Refusal("deadline", "The job's deadline has passed.")


def over_budget(ask: Ask, expected: Estimate) -> Refusal | None:
    """Not lasting: budgets are raised, days turn, and what was reserved is given back. Asked of one call, which is
    what is reserved."""
    left = ask.job.budget_left_usd_micros
    if left is None:
        return None
    worst = call_cost_usd_micros(expected.worst_cost_usd_micros, ask.attempts)
    if worst <= left:
        return None
    sentence = f"One call may cost up to {dollars(worst)}; the budgets over it have {dollars(left)} left."
    return Refusal("budget", sentence)


def _rates(seat: Seat) -> Hashable:
    price = seat.model.price
    rates = (price.input_usd_micros_per_mtok, price.output_usd_micros_per_mtok) if price else None
    return rates, seat.model.tokens_per_o200k, seat.model.counted_in


RULES: dict[Rule, Callable[[Seat], Hashable]] = {
    boundary: lambda seat: seat.provider.name,
    self_hosted: lambda seat: seat.provider.kind,
    residency: lambda seat: seat.regions,
    context: lambda seat: (seat.model.tokens_per_o200k, seat.model.counted_in, seat.model.context_tokens),
    output_length: lambda seat: seat.model.max_output_tokens,
    json_schema: lambda seat: seat.model.json_schema,
    language: lambda seat: seat.model.languages,
    modality: lambda seat: seat.model.modalities,
    quality: lambda seat: seat.model.quality,
    cost_ceiling: _rates,
    deadline: lambda seat: None,
}
"""Each constraint, with all that it looks at in a candidate, whatever the job."""


def is_late(estimate: Estimate, time_left_ms: int | None) -> bool:
    """Whether waiting and call together are expected to take longer than there is time."""
    return time_left_ms is not None and estimate.delay_ms + estimate.latency_ms > time_left_ms


def too_late(estimate: Estimate, time_left_ms: int | None) -> Refusal:
    needed, left = duration(estimate.delay_ms + estimate.latency_ms), duration(time_left_ms or 0)
    return Refusal("deadline", f"It would take about {needed}; {left} are left, and another can make it.")


def often_fails(seat: Seat) -> Refusal:
    sentence = f"More calls of {seat.provider.name} fail than usual, and another can serve it."
    return Refusal("failing", sentence)
