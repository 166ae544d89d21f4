"""The decision once more, slowly and plainly, from the rules as the docs state them. Imports nothing of the engine.

It says who is allowed, who is out and by which rules, who is ranked in which order with which score, and the plan;
words are left to the engine. Fractions are exact here: the engine may differ by its rounding, one millionth of a part.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from schemas.catalog import CatalogModel, CatalogProvider
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy, Scale, Tier
from schemas.sensitivity import Quality, Sensitivity
from schemas.snapshot import ProviderLoad, ProviderSnapshot, ProviderStatus
from tests.oracles.rules import says

ORDER = [Sensitivity.PUBLIC, Sensitivity.INTERNAL, Sensitivity.CONFIDENTIAL, Sensitivity.RESTRICTED]


class Verdict(NamedTuple):
    refused: dict[str, set[str]]
    """`provider/model` of each refused candidate, and the rules that refuse it."""
    unavailable: dict[str, str]
    totals: dict[str, Fraction]
    """Exact score in millionths of each candidate that can be ranked."""
    worst: dict[str, int]
    outcome: str


def verdict(job: JobFeatures, policy: RoutingPolicy, snapshot: ProviderSnapshot) -> Verdict:
    refused: dict[str, set[str]] = {}
    unavailable: dict[str, str] = {}
    totals: dict[str, Fraction] = {}
    worst: dict[str, int] = {}
    takes: dict[str, int] = {}
    policy, used, untold = within_tiers(job, policy)
    for provider in snapshot.catalog.providers:
        for model in provider.models:
            name = f"{provider.name}/{model.name}"
            rules = rules_against(job, policy, snapshot, provider, model) | untold
            if used is not None and provider.name not in used:
                rules.add("providers")
            if rules:
                refused[name] = rules
                continue
            left, tries = job.budget_left_usd_micros, policy.plan.attempts_per_step
            dear = left is not None and worst_of(job, policy, model) > left * tries
            reason = "budget" if dear else why_not_now(job, snapshot, provider.name)
            if reason:
                unavailable[name] = reason
                continue
            figures = figures_of(job, policy, snapshot, provider, model)
            totals[name] = total(policy, figures, model)
            worst[name] = figures["worst"]
            takes[name] = figures["latency"] + figures["delay"]
    if job.time_left_ms is not None:
        late = [name for name in totals if takes[name] > job.time_left_ms]
        if len(late) < len(totals):
            for name in late:
                unavailable[name] = "deadline"
                del totals[name]
    failing = [name for name in totals if often_fails(snapshot, name.split("/")[0])]
    if len(failing) < len(totals):
        for name in failing:
            unavailable[name] = "failing"
            del totals[name]
    return Verdict(refused, unavailable, totals, worst, outcome_of(totals, unavailable))


def outcome_of(totals: dict[str, Fraction], unavailable: dict[str, str]) -> str:
    if totals:
        return "routed"
    if not unavailable:
        return "refused"
    return "waiting" if "full" in unavailable.values() else "held"


def rules_against(
    job: JobFeatures,
    policy: RoutingPolicy,
    snapshot: ProviderSnapshot,
    provider: CatalogProvider,
    model: CatalogModel,
) -> set[str]:
    load = snapshot.load(provider.name)
    document = ORDER.index(job.sensitivity)
    needed = into(job, model) + job.max_output_tokens
    speaks = "*" in model.languages or (job.language in model.languages and job.language != "und")
    self_hosted = provider.kind.value == "self_hosted"
    checks = {
        "providers": not policy.providers or provider.name in policy.providers,
        "training": policy.allow_training or not provider.data_terms.trains_on_data,
        "unpriced": model.price is not None,
        "no_key": load is None or load.status is not ProviderStatus.NO_KEY,
        "boundary": document <= ORDER.index(provider.boundary),
        "self_hosted": self_hosted
        or policy.self_hosted_from is None
        or document < ORDER.index(policy.self_hosted_from),
        "residency": not job.residency
        or all(
            (self_hosted and region == "local") or any(lies_in(region, outer) for outer in job.residency)
            for region in provider.regions
        ),
        "context": needed <= model.context_tokens,
        "output_length": job.max_output_tokens <= model.max_output_tokens,
        "json_schema": model.json_schema or not job.needs_json_schema,
        "language": speaks,
        "modality": set(job.modalities) <= set(model.modalities),
        "quality": model.quality >= policy.quality_floors.get(job.quality, 0.0),
        "cost_ceiling": job.max_cost_usd_micros is None
        or model.price is None
        or worst_of(job, policy, model) <= job.max_cost_usd_micros,
        "deadline": job.time_left_ms is None or job.time_left_ms > 0,
        "model_named": job.asked_model in ("", model.name, f"{provider.name}/{model.name}"),
    }
    forbidden = {rule.rule for rule in policy.rules if says(rule.forbid, job, provider, model) is not False}
    return {rule for rule, passes in checks.items() if not passes} | forbidden


class Tiers(NamedTuple):
    policy: RoutingPolicy
    """As the tiers have it."""
    used: set[str] | None
    """The only providers that they use; None: all that the policy does."""
    untold: set[str]


def within_tiers(job: JobFeatures, policy: RoutingPolicy) -> Tiers:
    """The tier that the job is in, and the one that was named: weights of the named one where it has any, the higher
    floor, the fewer steps, and only providers that both use."""
    own, untold = within_tier(job, policy)
    if not job.asked_tier:
        return Tiers(own, None, untold)
    named = [tier for tier in policy.tiers if tier.tier == job.asked_tier]
    if not named:
        return Tiers(own, None, untold | {"tier_named"})
    is_in_one = own is not policy
    both, _ = as_in(named[0], own)
    if is_in_one:
        steps = min(own.plan.max_steps, both.plan.max_steps)
        both = both.model_copy(update={"plan": both.plan.model_copy(update={"max_steps": steps})})
    every = {name for one in (own.providers, named[0].providers) for name in one}
    lists = [set(one) for one in (own.providers, named[0].providers) if one]
    return Tiers(
        both.model_copy(update={"providers": ()}), every.intersection(*lists) if lists else None, untold
    )


def within_tier(job: JobFeatures, policy: RoutingPolicy) -> tuple[RoutingPolicy, set[str]]:
    """The policy as the job's tier has it, and `{"tier"}` where it cannot be told whether one applies."""
    for tier in policy.tiers:
        applies = says(tier.when, job)
        if applies is None:
            return policy, {"tier"}
        if applies:
            return as_in(tier, policy)
    return policy, set()


def as_in(tier: Tier, policy: RoutingPolicy) -> tuple[RoutingPolicy, set[str]]:
    changes: dict[str, Any] = {}
    if tier.weights is not None:
        changes["weights"] = tier.weights
    if tier.providers:
        changes["providers"] = tier.providers
    if tier.max_steps is not None:
        changes["plan"] = policy.plan.model_copy(update={"max_steps": tier.max_steps})
    if tier.quality_floor is not None:
        least = tier.quality_floor
        changes["quality_floors"] = {
            level: max(least, policy.quality_floors.get(level, least)) for level in Quality
        }
    return policy.model_copy(update=changes), set()


def lies_in(region: str, outer: str) -> bool:
    return region.split("-")[: len(outer.split("-"))] == outer.split("-")


def own(tokens: int, model: CatalogModel) -> int:
    return floor(tokens * model.tokens_per_o200k) + 1


def into(job: JobFeatures, model: CatalogModel) -> int:
    """Exact where the model names a family, wrote no factor of its own, and the document was counted in it."""
    if model.tokenizer == "cl100k" and model.tokens_per_o200k == 1.01 and job.tokens_by_family:
        return dict(job.tokens_by_family)["cl100k"] + own(job.prompt_tokens, model)
    return own(job.tokens + job.prompt_tokens, model)


def cost(model: CatalogModel, tokens_in: int, tokens_out: int) -> int:
    assert model.price is not None
    exact = Fraction(
        tokens_in * model.price.input_usd_micros_per_mtok
        + tokens_out * model.price.output_usd_micros_per_mtok,
        1_000_000,
    )
    return exact.__ceil__()


def worst_of(job: JobFeatures, policy: RoutingPolicy, model: CatalogModel) -> int:
    one = cost(model, into(job, model), job.max_output_tokens)
    return policy.plan.attempts_per_step * one


def why_not_now(job: JobFeatures, snapshot: ProviderSnapshot, provider: str) -> str:
    load = snapshot.load(provider)
    if load is None:
        return "no_worker"
    if load.status is not ProviderStatus.READY:
        return load.status.value
    room = load.headroom_jobs + (load.urgent_room_jobs if job.urgent else 0)
    return "full" if room == 0 else ""


def often_fails(snapshot: ProviderSnapshot, provider: str) -> bool:
    load = snapshot.load(provider)
    return load is not None and load.health.value == "failing"


def figures_of(
    job: JobFeatures,
    policy: RoutingPolicy,
    snapshot: ProviderSnapshot,
    provider: CatalogProvider,
    model: CatalogModel,
) -> dict[str, int]:
    load = snapshot.load(provider.name)
    assert load is not None
    tokens_in = into(job, model)
    tokens_out = min(own(job.expected_output_tokens, model), job.max_output_tokens)
    prior = model.latency.expected_ms(tokens_in, tokens_out)
    latency, delay = times_of(load, prior)
    joint = policy.objective.value == "joint"
    return {
        "cost": cost(model, tokens_in, tokens_out)
        + (floor(Fraction(load.shadow_usd_micros_per_s * latency, 1000)) if joint else 0),
        "worst": worst_of(job, policy, model),
        "latency": latency,
        "delay": delay,
    }


def times_of(load: ProviderLoad, prior: int) -> tuple[int, int]:
    """Of the call, and before it."""
    slots = max(1, load.slots)
    if load.pace_millionths is None and load.waiting_work_ms == load.in_flight_work_ms == 0:
        seen = load.job_ms_p50
        each = prior if seen is None else seen
        return (prior if seen is None else (prior + seen) // 2), load.waiting_jobs * each // slots
    pace = Fraction(load.pace_millionths or 1_000_000, 1_000_000)
    ahead = load.waiting_work_ms + load.in_flight_work_ms // 2
    return floor(prior * pace), floor(ahead * pace / slots)


def total(policy: RoutingPolicy, figures: dict[str, int], model: CatalogModel) -> Fraction:
    weights, scales = policy.weights, policy.scales
    parts: list[tuple[float, Scale, Any]] = [
        (weights.cost, scales.cost_usd_micros, figures["cost"]),
        (weights.latency, scales.latency_ms, figures["latency"]),
        (weights.quality, scales.quality, model.quality),
        (weights.load, scales.delay_ms, figures["delay"]),
    ]
    weighed = sum(Fraction(weight) * on_scale(scale, raw) for weight, scale, raw in parts)
    return weighed / sum(Fraction(weight) for weight, _, _ in parts) * 1_000_000


def on_scale(scale: Scale, raw: float) -> Fraction:
    best, worst = Fraction(scale.best), Fraction(scale.worst)
    return min(Fraction(1), max(Fraction(0), (worst - Fraction(raw)) / (worst - best)))


class Hop(NamedTuple):
    """A step of the plan, as the docs describe one."""

    name: str
    rung: bool
    keep_from: int | None
    sample: int


NOTHING = 1_000_001


def plan_of(
    order: list[str],
    worst: dict[str, int],
    policy: RoutingPolicy,
    job: JobFeatures,
    snapshot: ProviderSnapshot,
) -> tuple[str, bool, list[Hop]]:
    """`order` is the ranking. The ladder that applies, whether it is explored, and the steps: its rungs, or the best;
    then each time the best that fits what is left, of the classes that may take the place, at another provider than the
    step before where one fits. At most `max_steps - 1` follow."""
    if not order:
        return "", False, []
    name, explored, hops = rungs_of(order, worst, policy, job, snapshot)
    if not hops:
        hops = [Hop(order[0], False, None, 1)]
    stands_in_for = hops[-1].name
    ceiling = job.max_cost_usd_micros
    for _ in range(policy.plan.max_steps - 1):
        spent = sum(worst[hop.name] for hop in hops)
        there = {hop.name for hop in hops}
        fitting = [
            each
            for each in order
            if each not in there and (ceiling is None or spent + worst[each] <= ceiling)
        ]
        fitting = of_kind(stands_in_for, fitting, policy)
        if not fitting:
            break
        elsewhere = [each for each in fitting if each.split("/")[0] != hops[-1].name.split("/")[0]]
        hops.append(Hop((elsewhere or fitting)[0], False, None, 1))
    return name, explored, hops


def rungs_of(
    order: list[str],
    worst: dict[str, int],
    policy: RoutingPolicy,
    job: JobFeatures,
    snapshot: ProviderSnapshot,
) -> tuple[str, bool, list[Hop]]:
    applying = [ladder for ladder in policy.ladders if says(ladder.when, job) is True]
    if not applying:
        return "", False, []
    ladder = applying[0]
    bounds = [each for each in (ladder.max_cost_usd_micros, job.max_cost_usd_micros) if each is not None]
    taken: list[Any] = []
    for rung in ladder.rungs:
        spent = sum(worst[other.model] * other.samples for other in taken)
        if rung.model not in order or rung.model in [other.model for other in taken]:
            continue
        if all(spent + worst[rung.model] * rung.samples <= bound for bound in bounds):
            taken.append(rung)
    explored = len(taken) > 1 and job.draw < policy.exploration * 1_000_000
    hops = []
    for rung in taken:
        keeps: int | None = None
        if rung is not taken[-1]:
            if explored:
                keeps = NOTHING
            elif rung.promise is not None:
                found = [p for p in snapshot.promises if (p.ladder, p.model) == (ladder.ladder, rung.model)]
                keeps = found[0].keep_from if found and found[0].keep_from is not None else NOTHING
            elif rung.keep_from is not None:
                keeps = round(rung.keep_from * 1_000_000)
        last = rung.samples
        hops += [Hop(rung.model, True, keeps if n == last else NOTHING, n) for n in range(1, last + 1)]
    return (ladder.ladder if hops else ""), explored, hops


def of_kind(name: str, fitting: list[str], policy: RoutingPolicy) -> list[str]:
    """Those of the first class, of its own and those that follow it, that has any; all where it is in none."""
    own = [kind for kind in policy.fallbacks if any(matches(pattern, name) for pattern in kind.models)]
    if not own:
        return fitting
    for wanted in (own[0].fallback, *own[0].then):
        kind = next(each for each in policy.fallbacks if each.fallback == wanted)
        found = [each for each in fitting if any(matches(pattern, each) for pattern in kind.models)]
        if found:
            return found
    return []


def matches(pattern: str, name: str) -> bool:
    return fnmatchcase(name.split("/", maxsplit=1)[0], pattern.split("/", maxsplit=1)[0]) and fnmatchcase(
        name.split("/")[1], pattern.split("/")[1]
    )
