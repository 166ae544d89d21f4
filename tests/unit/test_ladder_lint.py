"""What lint says of ladders and fallback classes."""

from __future__ import annotations

from typing import Any

from governance.policies.lint import lint
from router_worker.engine.decide import prepare
from schemas.catalog import Catalog
from schemas.ladder import Asked, FallbackClass, Ladder, Rung
from schemas.policy import RoutingPolicy
from schemas.sensitivity import Sensitivity
from tests.engine_values import a_model, a_price, a_provider

CATALOG = Catalog(
    providers=(
        a_provider("cheap", a_model(price=a_price(100, 400)), boundary=Sensitivity.RESTRICTED),
        a_provider("dear", a_model(price=a_price(1_000_000, 4_000_000)), boundary=Sensitivity.RESTRICTED),
        a_provider("shy", a_model(price=a_price(9_000_000, 9_000_000)), boundary=Sensitivity.PUBLIC),
    )
)


def codes(*rungs: Rung, fallbacks: tuple[FallbackClass, ...] = (), **ladder: Any) -> list[tuple[str, Any]]:
    found = Ladder(ladder="l", rungs=rungs, **ladder)
    policy = RoutingPolicy(policy="p", version=1, ladders=(found,), fallbacks=fallbacks)
    mine = {"unknown_model", "rung_twice", "rung_not_cheaper", "no_floor"}
    remarks = lint(policy, CATALOG, lambda p, at: prepare(p, at).decide)
    return [(remark.code, remark.place) for remark in remarks if remark.code in mine]


def test_a_ladder_from_cheap_to_dear_is_not_odd() -> None:
    assert codes(Rung(model="cheap/one", keep_from=0.6), Rung(model="dear/one")) == []


def test_a_rung_that_saves_nothing_is_named() -> None:
    assert codes(Rung(model="dear/one"), Rung(model="cheap/one")) == [
        ("rung_not_cheaper", ("ladders", 0, "rungs", 0))
    ]


def test_models_that_nobody_has_are_named() -> None:
    kind = FallbackClass(fallback="k", models=("*/two", "dear/*"))

    assert codes(Rung(model="cheap/two"), Rung(model="dear/one"), fallbacks=(kind,)) == [
        ("unknown_model", ("ladders", 0, "rungs", 0, "model")),
        ("unknown_model", ("fallbacks", 0, "models", 0)),
    ]


def test_a_last_rung_that_is_to_promise_is_no_floor() -> None:
    asked = Asked(agreement=0.9)

    assert codes(Rung(model="cheap/one"), Rung(model="dear/one", promise=asked)) == [
        ("no_floor", ("ladders", 0, "rungs", 1))
    ]


def test_a_last_rung_that_may_not_see_some_documents_is_no_floor_for_them() -> None:
    rungs = Rung(model="cheap/one", keep_from=0.6), Rung(model="shy/one")

    assert codes(*rungs) == [("no_floor", ("ladders", 0, "rungs", 1))]
    assert codes(*rungs, when="job.sensitivity == 'public'") == []


def test_a_model_that_stands_twice_counts_once() -> None:
    found = codes(Rung(model="cheap/one"), Rung(model="cheap/one", samples=2), Rung(model="dear/one"))

    assert ("rung_twice", ("ladders", 0, "rungs", 1, "model")) in found
