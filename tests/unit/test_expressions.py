"""The language of a policy's conditions: what may be named, what a mistake is told as, and how a failure ends."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from schemas.expressions import BadExpression, compiled, situation
from schemas.features import JobFeatures
from schemas.variables import BY_NAME, VARIABLES, job_facts, pair_facts
from tests.engine_values import a_job, a_model, a_provider

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "policies.md"


def holds(text: str, **job: object) -> bool | None:
    facts = {**job_facts(a_job(**job)), **pair_facts(a_provider("ada"), a_model())}
    return compiled(text).holds(situation(facts))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("job.langage == 'de'", "column 1 of .*: 'job.langage' is not a variable; did you mean 'job.language'"),
        ("true && language == 'de'", "column 9 of .*: 'language' is not a variable; did you mean 'job.language'"),
        ("true &&\n  provider.region == 'eu'", "line 2, column 3 of .* did you mean 'provider.regions'"),
        ("job.tokens > 'x'", r"column 12 of the expression: '>' cannot be applied to \(int, string\)"),
        ("model.quality > 1", r"cannot be applied to \(double, int\); types must fit"),
        ("job.tokens >", "column 13 of the expression: it ends too early"),
        ("job.tokens > 5 &&& true", "it cannot be read from '& true' on"),
        ("job.tokens", "it must say true or false; it gives a value of type int"),
        ("job.zzz", "there are job.asked_model, job.asked_tier, job.characters"),
        ("(" * 300 + "true" + ")" * 300, "nested too deep"),
        ("true || " * 300 + "true", "2,000 characters at most"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_what_may_be_meant(text: str, told: str) -> None:
    with pytest.raises(BadExpression, match=told):
        compiled(text)


def test_a_condition_that_cannot_be_evaluated_says_neither() -> None:
    assert holds("job.tokens / (job.tokens - 600) > 1") is None
    assert holds("job.modalities[7] == 'text'") is None


def test_a_condition_that_would_go_on_too_long_is_stopped() -> None:
    ten = "[1,2,3,4,5,6,7,8,9,10]"
    nested = f"{ten}.all(a,{ten}.all(b,{ten}.all(c,{ten}.all(d,{ten}.all(e,a+b+c+d+e > job.tokens-600)))))"

    assert holds(nested) is None


def test_what_is_not_there_is_minus_one_and_a_passed_deadline_is_zero() -> None:
    assert holds("job.time_left_ms == -1 && job.max_cost_usd_micros == -1")
    assert holds("job.time_left_ms == 0", time_left_ms=-5_000)


def test_every_variable_is_read_with_the_type_that_it_is_declared_with() -> None:
    provider, model = a_provider("ada"), a_model()
    facts = {**job_facts(a_job()), **pair_facts(provider, model)}
    kinds = {"int": int, "double": float, "string": str, "bool": bool, "list(string)": list}

    assert facts.keys() == BY_NAME.keys()
    assert {name: type(value) for name, value in facts.items()} == {v.name: kinds[v.kind] for v in VARIABLES}


def test_every_variable_is_read_from_a_field_that_there_is() -> None:
    provider = a_provider("ada")
    known = {
        "job": {field.name for field in fields(JobFeatures)},
        "provider": set(type(provider).model_fields),
        "model": set(type(provider.models[0]).model_fields),
    }

    assert all(each.field in known[each.owner] for each in VARIABLES)


def test_the_guide_has_a_row_for_every_variable_and_no_other() -> None:
    rows = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    table = [row for row in rows if row.startswith(("| `job.", "| `provider.", "| `model."))]

    assert table == [f"| `{each.name}` | {each.kind} | {each.meaning} |" for each in VARIABLES]
