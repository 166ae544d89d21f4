"""The decision by examples that a person can follow."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from router_worker import engine
from router_worker.engine.decide import decide, prepare, route_class
from schemas.canonical import canonical
from schemas.decision import Decision, Outcome
from schemas.policy import PlanLimits, Scale, Scales, Weights
from schemas.sensitivity import Sensitivity
from schemas.snapshot import Health, ProviderStatus
from tests.engine_values import a_job, a_load, a_model, a_policy, a_price, a_provider, a_snapshot

CHEAP = a_provider("cheap", a_model("c", price=a_price(100_000, 400_000)))
DEAR = a_provider("dear", a_model("d", price=a_price(10_000_000, 40_000_000)))
OWN = a_provider(
    "own", a_model("o", quality=0.2), kind="self_hosted", boundary=Sensitivity.RESTRICTED, regions=("local",)
)


def steps(decision: Decision) -> list[str]:
    return [f"{step.provider}/{step.model}" for step in decision.plan]


def rules(decision: Decision, provider: str) -> list[str]:
    return [r.rule for each in decision.candidates if each.provider == provider for r in each.refusals]


def test_a_failing_provider_stands_behind_others_and_serves_where_there_is_no_other() -> None:
    failing = a_load("cheap", health=Health.FAILING)
    both = a_snapshot(a_provider("cheap"), a_provider("dear"), loads=(failing,))

    beside = decide(a_job(), a_policy(), both)
    alone = decide(a_job(), a_policy(), a_snapshot(a_provider("cheap"), loads=(failing,)))

    assert [step.provider for step in beside.plan] == ["dear"]
    aside = beside.candidates[-1]
    assert aside.unavailable is not None
    assert (aside.provider, aside.unavailable.rule) == ("cheap", "failing")
    assert "cheap/one" in beside.allowed
    assert [step.provider for step in alone.plan] == ["cheap"]


def test_a_queue_counts_by_the_work_in_it_at_today_s_pace() -> None:
    """Two jobs of a minute are more than five of a second; and a slow provider's second is three."""
    few = a_load("cheap", slots=1, waiting_jobs=2, waiting_work_ms=120_000)
    many = a_load(
        "dear",
        slots=1,
        waiting_jobs=5,
        waiting_work_ms=5_000,
        in_flight_work_ms=2_000,
        pace_millionths=3_000_000,
    )
    decision = decide(
        a_job(), a_policy(), a_snapshot(a_provider("cheap"), a_provider("dear"), loads=(few, many))
    )

    found = {each.provider: each.estimate for each in decision.candidates if each.estimate}
    assert (found["cheap"].delay_ms, found["cheap"].latency_ms) == (120_000, 1_000)
    assert (found["dear"].delay_ms, found["dear"].latency_ms) == (18_000, 3_000)


def test_of_two_equal_models_the_cheaper_is_chosen_and_the_other_is_the_fallback() -> None:
    decision = decide(a_job(), a_policy(), a_snapshot(DEAR, CHEAP))

    assert decision.outcome is Outcome.ROUTED
    assert steps(decision) == ["cheap/c", "dear/d"]
    assert decision.reason == "cheap/c has the best score, 877,053 of 1,000,000, among 2 candidates."


def test_the_score_is_the_weighed_mean_of_the_places_on_the_policys_scales() -> None:
    """1,001 tokens in and 351 out cost 2,405 micro-dollars, of 10,000; 1 s of 10 s; quality .6; no delay."""
    policy = a_policy(
        weights=Weights(cost=1, latency=1, quality=1, load=1),
        scales=Scales(
            cost_usd_micros=Scale(best=0, worst=10_000),
            latency_ms=Scale(best=0, worst=10_000),
            quality=Scale(best=1, worst=0),
            delay_ms=Scale(best=0, worst=10_000),
        ),
    )

    best = decide(a_job(), policy, a_snapshot(a_provider("p"))).candidates[0]

    assert best.estimate is not None and best.score is not None
    assert best.estimate.cost_usd_micros == 2_405
    assert (best.score.cost, best.score.latency, best.score.quality, best.score.load) == (
        759_500,
        900_000,
        600_000,
        1_000_000,
    )
    assert best.score.total == 814_875


def test_the_worst_cost_is_all_attempts_with_the_longest_answer() -> None:
    policy = a_policy(plan=PlanLimits(attempts_per_step=3))

    plan = decide(a_job(), policy, a_snapshot(a_provider("p"))).plan

    assert plan[0].worst_cost_usd_micros == 3 * (1_001 + 4 * 900)


def test_equal_scores_go_by_name() -> None:
    decision = decide(a_job(), a_policy(), a_snapshot(a_provider("zoe"), a_provider("amy")))

    assert steps(decision) == ["amy/one", "zoe/one"]


def test_work_that_waits_at_a_provider_sends_the_next_job_elsewhere() -> None:
    busy = a_load("cheap", waiting_jobs=400, slots=8, job_ms_p50=1_000)

    decision = decide(a_job(), a_policy(), a_snapshot(CHEAP, DEAR, loads=(busy,)))

    estimates = {each.provider: each.estimate for each in decision.candidates}
    assert estimates["cheap"] is not None and estimates["cheap"].delay_ms == 50_000
    assert steps(decision) == ["dear/d", "cheap/c"]


def test_a_confidential_document_goes_to_the_provider_that_may_see_it_and_nowhere_else() -> None:
    decision = decide(a_job(sensitivity=Sensitivity.CONFIDENTIAL), a_policy(), a_snapshot(CHEAP, DEAR, OWN))

    assert steps(decision) == ["own/o"]
    assert decision.allowed == ("own/o",)
    assert rules(decision, "cheap") == rules(decision, "dear") == ["boundary"]


def test_a_fallback_is_at_another_provider_before_it_is_another_model_of_the_same() -> None:
    twin = a_provider("twin", a_model("a", quality=0.9), a_model("b", quality=0.85))
    other = a_provider("other", a_model("x", quality=0.3))

    decision = decide(a_job(), a_policy(), a_snapshot(twin, other))

    assert [f"{c.provider}/{c.model}" for c in decision.candidates] == ["twin/a", "twin/b", "other/x"]
    assert steps(decision) == ["twin/a", "other/x", "twin/b"]


def test_a_step_that_would_pass_the_jobs_ceiling_is_left_out_of_the_plan() -> None:
    """The dear one alone would fit under $0.10, and not after the cheap one's $0.00092."""
    alone = decide(a_job(), a_policy(), a_snapshot(DEAR)).plan[0].worst_cost_usd_micros
    job = a_job(max_cost_usd_micros=alone)

    decision = decide(job, a_policy(), a_snapshot(CHEAP, DEAR))

    assert steps(decision) == ["cheap/c"]
    assert "dear/d" in decision.allowed


def test_full_providers_make_a_job_wait() -> None:
    full = a_load("cheap", headroom_jobs=0)

    decision = decide(a_job(), a_policy(), a_snapshot(CHEAP, loads=(full,)))

    assert (decision.outcome, decision.reason_code) == (Outcome.WAITING, "full")
    assert decision.plan == () and decision.allowed == ("cheap/c",)


def test_an_urgent_job_goes_to_a_full_provider_while_there_is_room_for_urgent_ones() -> None:
    urgent, plain = a_job(urgent=True), a_job()
    room = a_load("cheap", headroom_jobs=0, urgent_room_jobs=1)
    none = a_load("cheap", headroom_jobs=0)
    down = a_load("cheap", status=ProviderStatus.DOWN, headroom_jobs=0, urgent_room_jobs=1)

    found = [
        decide(job, a_policy(), a_snapshot(CHEAP, loads=(load,))).outcome
        for job, load in ((urgent, room), (plain, room), (urgent, none), (urgent, down))
    ]

    assert found == [Outcome.ROUTED, Outcome.WAITING, Outcome.WAITING, Outcome.HELD]


def test_where_one_is_full_and_another_is_down_the_job_waits_since_room_comes_by_itself() -> None:
    loads = (a_load("cheap", headroom_jobs=0), a_load("dear", status=ProviderStatus.DOWN))

    decision = decide(a_job(), a_policy(), a_snapshot(CHEAP, DEAR, loads=loads))

    assert decision.outcome is Outcome.WAITING


def test_where_none_is_up_the_job_is_held_with_the_providers_own_words() -> None:
    loads = (
        a_load("cheap", status=ProviderStatus.PAUSED, reason="cheap is paused by an operator."),
        a_load("dear", status=ProviderStatus.NO_WORKER),
    )

    decision = decide(a_job(), a_policy(), a_snapshot(CHEAP, DEAR, loads=loads))

    assert (decision.outcome, decision.reason_code) == (Outcome.HELD, "unavailable")
    assert decision.reason == (
        "No provider that may serve it is up. cheap is paused by an operator. "
        "No worker of dear has been heard of lately."
    )


def test_a_provider_that_the_snapshot_does_not_know_has_no_worker() -> None:
    snapshot = a_snapshot(CHEAP)
    blind = type(snapshot)(snapshot.catalog, snapshot.catalog_digest, (), snapshot.taken_at)

    decision = decide(a_job(), a_policy(), blind)

    assert (decision.outcome, decision.reason_code) == (Outcome.HELD, "no_worker")


def test_too_long_for_every_model_says_the_numbers() -> None:
    small = a_provider("small", a_model(context_tokens=32_000))
    large = a_provider("large", a_model(context_tokens=128_000, tokens_per_o200k=1.2))

    decision = decide(a_job(tokens=149_000, prompt_tokens=249), a_policy(), a_snapshot(small, large))

    assert (decision.outcome, decision.reason_code) == (Outcome.REFUSED, "context")
    assert decision.reason == (
        "Too long for every model: 179,999 tokens with prompt and answer; the largest context is 128,000."
    )


def test_different_reasons_are_counted_by_rule() -> None:
    job = a_job(tokens=200_000, sensitivity=Sensitivity.CONFIDENTIAL)
    roomy = a_provider("roomy", a_model(context_tokens=1_000_000))

    decision = decide(job, a_policy(), a_snapshot(CHEAP, roomy, OWN))

    assert (decision.outcome, decision.reason_code) == (Outcome.REFUSED, "no_candidate")
    assert decision.reason == "None of 3 candidates may serve it. Refusals by rule: boundary 2, context 2."


@pytest.mark.parametrize("left", [-5, 0])
def test_a_deadline_that_has_passed_refuses_everyone(left: int) -> None:
    decision = decide(a_job(time_left_ms=left), a_policy(), a_snapshot(CHEAP, DEAR))

    assert (decision.outcome, decision.reason_code) == (Outcome.REFUSED, "deadline")


def test_a_late_candidate_steps_aside_while_another_is_in_time_and_stays_allowed() -> None:
    slow = a_load("cheap", waiting_jobs=80, job_ms_p50=1_000)

    decision = decide(a_job(time_left_ms=5_000), a_policy(), a_snapshot(CHEAP, DEAR, loads=(slow,)))

    assert steps(decision) == ["dear/d"]
    late = decision.candidates[-1]
    assert late.unavailable is not None and late.unavailable.rule == "deadline"
    assert late.unavailable.sentence == "It would take about 11 s; 5 s are left, and another can make it."
    assert decision.allowed == ("cheap/c", "dear/d")


def test_where_all_would_be_late_the_best_is_tried() -> None:
    decision = decide(a_job(time_left_ms=500), a_policy(), a_snapshot(CHEAP, DEAR))

    assert steps(decision) == ["cheap/c", "dear/d"]


def test_observed_speed_is_blended_with_the_prior() -> None:
    seen = a_load("cheap", job_ms_p50=9_000)

    estimate = decide(a_job(), a_policy(), a_snapshot(CHEAP, loads=(seen,))).candidates[0].estimate

    assert estimate is not None and estimate.latency_ms == (1_000 + 9_000) // 2


def test_the_route_class_is_the_same_for_jobs_with_the_same_allowed_candidates() -> None:
    policy, snapshot = a_policy(), a_snapshot(CHEAP, DEAR, OWN)
    short, long = decide(a_job(), policy, snapshot), decide(a_job(tokens=90_000), policy, snapshot)
    secret = decide(a_job(sensitivity=Sensitivity.RESTRICTED), policy, snapshot)

    assert route_class(short) == route_class(long) != route_class(secret)
    assert len(route_class(short)) == 16


def test_a_figure_beyond_every_scale_scores_nothing() -> None:
    priceless = a_provider("priceless", a_model(price=a_price(10**12, 10**12)))

    best = decide(a_job(), a_policy(), a_snapshot(priceless)).candidates[0]

    assert best.score is not None and best.score.cost == 0


def test_a_decision_has_canonical_bytes() -> None:
    values = a_job(), a_policy(), a_snapshot(CHEAP, DEAR)

    assert canonical(decide(*values)) == canonical(prepare(*values[1:]).decide(values[0]))


PURE = {
    "__future__",
    "collections",
    "collections.abc",
    "dataclasses",
    "enum",
    "functools",
    "itertools",
    "operator",
    "re",
    "typing",
}


def test_the_engine_imports_nothing_that_knows_the_time_the_machine_or_the_network() -> None:
    for path in Path(engine.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            strange = [
                n for n in names if n not in PURE and not n.startswith(("schemas.", "router_worker.engine"))
            ]
            assert not strange, f"{path.name} imports {strange}"


def test_a_hundred_models_are_decided_in_a_few_milliseconds() -> None:
    """A loose bound against a change of complexity; the benchmarks hold the figure."""
    many = [a_provider(f"p{n}", *(a_model(f"m{k}") for k in range(5))) for n in range(20)]
    prepared = prepare(a_policy(), a_snapshot(*many))
    prepared.decide(a_job())

    started = time.process_time()
    for _ in range(20):
        prepared.decide(a_job())

    assert (time.process_time() - started) / 20 < 0.020
