"""What lint says of a policy, and what it is silent about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from classyard.commands import policy as command
from classyard.context import Context
from classyard.embedded.home import Home
from governance.policies.lint import Remark, lint
from governance.policies.source import load_policy
from router_worker.engine.decide import prepare
from runtime.settings import Settings
from schemas.catalog import Catalog
from schemas.errors import BadConfiguration
from schemas.policy import RoutingPolicy
from schemas.sensitivity import Sensitivity
from tests.engine_values import a_model, a_policy, a_provider

OURS = a_provider(
    "ours", a_model(quality=0.9), kind="self_hosted", boundary=Sensitivity.RESTRICTED, regions=("local",)
)
AWAY = a_provider("away", a_model(quality=0.9), boundary=Sensitivity.RESTRICTED, regions=("eu", "us"))


def remarks(policy: RoutingPolicy, *providers: Any) -> list[Remark]:
    catalog = Catalog(providers=providers or (OURS, AWAY))
    return lint(policy, catalog, lambda ruled, at: prepare(ruled, at).decide)


def ruled(*forbids: str) -> RoutingPolicy:
    return a_policy(
        rules=[{"rule": f"r{n}", "forbid": text, "because": "No."} for n, text in enumerate(forbids)]
    )


def tiered(*whens: str) -> RoutingPolicy:
    return a_policy(tiers=[{"tier": f"t{n}", "when": text} for n, text in enumerate(whens)])


def test_it_says_nothing_of_a_policy_that_serves_everything() -> None:
    assert remarks(a_policy()) == []


@pytest.mark.parametrize(
    ("policy", "code", "place"),
    [
        (a_policy(weights={"load": 0}), "zero_weight", ("weights", "load")),
        (a_policy(providers=("ours", "gone")), "unknown_provider", ("providers", 1)),
        (ruled("provider.name == 'gone'"), "never_fires", ("rules", 0, "forbid")),
        (ruled("'mars' in provider.regions && job.tokens > 5"), "never_fires", ("rules", 0, "forbid")),
        (ruled("job.tokens > 5 && job.tokens < 5"), "never_fires", ("rules", 0, "forbid")),
        (ruled("job.tokens >= 0"), "always_fires", ("rules", 0, "forbid")),
        (ruled("100 / job.tokens > 5"), "may_fail", ("rules", 0, "forbid")),
        (tiered("job.tokens > 100", "job.tokens > 200"), "unreachable_tier", ("tiers", 1, "when")),
        (tiered("job.quality == 'best'"), "unreachable_tier", ("tiers", 0, "when")),
        (tiered("100 / job.tokens > 5"), "may_fail", ("tiers",)),
        (ruled("provider.name == 'away'"), "unreachable_route", ()),
        (ruled("job.sensitivity == 'restricted'"), "no_candidate", ()),
        (ruled("provider.self_hosted && job.sensitivity_rank > 1"), "no_self_hosted", ("plan",)),
    ],
)
def test_it_says_what_is_odd_and_where(policy: RoutingPolicy, code: str, place: tuple[Any, ...]) -> None:
    assert (code, place) in [(remark.code, remark.place) for remark in remarks(policy)]


@pytest.mark.parametrize(
    "policy",
    [
        ruled("job.language == 'pl' && provider.name == 'away'"),
        ruled("job.tokens == 77777 && provider.name == 'away'"),
        ruled("job.time_left_ms >= 0 && job.time_left_ms < 1234 && 'us' in provider.regions"),
        ruled("job.tokens != 0 && 100 / job.tokens > 5 && !provider.self_hosted"),
        tiered("job.tokens > 200", "job.tokens > 100"),
    ],
)
def test_it_finds_the_document_for_which_a_condition_is_true(policy: RoutingPolicy) -> None:
    assert remarks(policy) == []


def test_who_is_left_without_a_model_is_told_once_for_classes_alike() -> None:
    found = [each for each in remarks(ruled("job.sensitivity_rank >= 2")) if each.code == "no_candidate"]

    assert len(found) == 1
    assert "27 of 27 kinds of confidential and restricted documents" in found[0].sentence
    assert found[0].sentence.endswith("by r0.") or "r0" in found[0].sentence


WRONG = """policy: wrong
version: 1
rules:
  - rule: one
    forbid: job.langage == 'de'
    because: No.
  - rule: boundary
    forbid: "true"
    because: a fragment
tiers:
  - tier: t
    when: model.quality > 0.5
"""


def test_a_wrong_rule_is_told_with_line_column_and_what_may_be_meant(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(WRONG)

    with pytest.raises(BadConfiguration) as raised:
        load_policy(path)

    assert str(raised.value).splitlines() == [
        f"{path}, line 5: rules[0].forbid: at column 1 of the expression: 'job.langage' is not a variable; "
        "did you mean 'job.language'?",
        f"{path}, line 7: rules[1].rule: 'boundary' is a name of the engine's own; choose another",
        f"{path}, line 9: rules[1].because: must be one sentence, on one line, that ends with a full stop",
        f"{path}, line 12: tiers[0].when: chosen by the job alone; 'model.quality' is not of the job",
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("rules: [{rule: a, forbid: 'true', because: No.}, {rule: a, forbid: 'true', because: No.}]", "there twice"),
        ("providers: [ours]\ntiers: [{tier: t, when: 'true', providers: [away]}]", "which the policy does not use"),
    ],
)  # fmt: skip
def test_parts_that_contradict_each_other_are_refused(tmp_path: Path, body: str, told: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"policy: p\nversion: 1\n{body}\n")

    with pytest.raises(BadConfiguration, match=told):
        load_policy(path)


def yard(tmp_path: Path) -> Context:
    return Context(Settings(database_url="", redis_url="", policy=""), Home(tmp_path / "home"), {})


def test_the_command_prints_each_remark_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("policy: p\nversion: 1\nweights:\n  load: 0\n")

    assert command.lint(yard(tmp_path), path) == 1
    assert (
        "p.yaml, line 4: The weight is 0, so load is not looked at. [zero_weight]" in capsys.readouterr().out
    )


def test_what_the_command_shows_is_a_policy_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = yard(tmp_path)

    assert command.show(context) == 0
    shown = tmp_path / "shown.yaml"
    shown.write_text(capsys.readouterr().out)
    assert load_policy(shown) == context.policy()
