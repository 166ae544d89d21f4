"""What a person reads about a decision."""

from __future__ import annotations

from router_worker.engine.decide import decide
from router_worker.engine.explain import explain
from router_worker.engine.wording import count, counted, dollars, duration, listed
from schemas.sensitivity import Sensitivity
from schemas.snapshot import ProviderStatus
from tests.engine_values import a_job, a_load, a_model, a_policy, a_price, a_provider, a_snapshot

CHEAP = a_provider("cheap", a_model("c", price=a_price(100_000, 400_000)))
DEAR = a_provider("dear", a_model("d", price=a_price(10_000_000, 40_000_000)))
OWN = a_provider("own", a_model("o"), kind="self_hosted", boundary=Sensitivity.RESTRICTED)


def test_a_routed_job_tells_choice_runners_up_plan_and_who_is_out() -> None:
    unfit = a_provider("unfit", a_model("u", json_schema=False, price=None))
    resting = a_load("own", status=ProviderStatus.DOWN, reason="own rests until 12:05 after 5 timeouts.")

    text = explain(decide(a_job(), a_policy(), a_snapshot(CHEAP, DEAR, OWN, unfit, loads=(resting,))))

    assert text.splitlines() == [
        "Routed. cheap/c has the best score, 877,053 of 1,000,000, among 2 candidates.",
        "Ranked, with scores of 0 to 1,000,000 on the policy's scales:",
        "  1. cheap/c: 877,053 (cost 995,180, latency 991,597, quality 600,000, load 1,000,000); "
        "expected $0.000241, $0.000922 at worst, 0 ms of waiting and 1 s of work",
        "  2. dear/d: 710,390 (cost 519,000, latency 991,597, quality 600,000, load 1,000,000); "
        "expected $0.02405, $0.09202 at worst, 0 ms of waiting and 1 s of work",
        "Plan: cheap/c, then dear/d; $0.092942 at worst.",
        "Could serve it, but not now:",
        "  own/o: own rests until 12:05 after 5 timeouts.",
        "May not serve it:",
        "  unfit/u: The catalog has no price for it, and a model without a price is never taken for free. "
        "It cannot be held to a JSON schema.",
    ]


def test_many_candidates_with_the_same_reasons_are_told_together() -> None:
    many = [a_provider(f"p{n}", a_model("m")) for n in range(6)]

    text = explain(decide(a_job(sensitivity=Sensitivity.RESTRICTED), a_policy(), a_snapshot(OWN, *many)))

    assert "  6 candidates by boundary: p0/m, p1/m, p2/m, p3/m, p4/m and p5/m." in text
    assert "    For example p0/m: The document is restricted; p0 may see internal at most." in text
    assert "Plan: own/o, and no fallback; " in text


def test_a_refused_job_begins_with_the_reason() -> None:
    text = explain(decide(a_job(sensitivity=Sensitivity.RESTRICTED), a_policy(), a_snapshot(CHEAP, DEAR)))

    assert text.startswith(
        "Refused. The document is restricted, and no provider may see that; the highest boundary is internal.\n"
        "May not serve it:\n"
    )
    assert "Plan" not in text and "Ranked" not in text


def test_numbers_are_written_as_people_do() -> None:
    assert [dollars(n) for n in (0, 42, 4_200, 1_500_000, 1_234_000_000)] == [
        "$0.00",
        "$0.000042",
        "$0.0042",
        "$1.50",
        "$1,234.00",
    ]
    assert [duration(n) for n in (0, 999, 1_000, 119_999, 120_000, 7_200_000)] == [
        "0 ms",
        "999 ms",
        "1 s",
        "119 s",
        "2 min",
        "2 h",
    ]
    assert count(180_000) == "180,000"
    assert (counted(1, "job"), counted(2, "job")) == ("1 job", "2 jobs")


def test_lists_end_with_and_and_say_what_they_leave_out() -> None:
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert listed("abcdefgh", most=3) == "a, b, c and 5 more"
