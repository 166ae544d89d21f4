"""Every file that ships is whole, and says where its facts come from."""

from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import pytest

from governance.policies.json_schema import policy_schema, policy_schema_text
from governance.policies.lint import lint
from governance.policies.source import load_policy
from governance.reviews import find_review, known_reviews
from provider_workers.adapters import adapter_for
from router_worker.engine.decide import decide, prepare
from runtime import config_files
from runtime.catalog import load_catalog
from runtime.config_files import packaged
from runtime.yaml_files import read_yaml
from schemas.canonical import digest
from schemas.catalog import Catalog
from schemas.decision import Outcome
from schemas.errors import BadConfiguration, UnknownName
from schemas.policy import RoutingPolicy
from schemas.sensitivity import Quality, Sensitivity
from schemas.snapshot import ProviderSnapshot
from tests.engine_values import NOON, a_job, a_load

ENVIRON = {
    "CLASSYARD_SIMULATOR_URL": "http://127.0.0.1:8100",
    "CLASSYARD_MODEL_URL": "http://127.0.0.1:8101",
    "CLASSYARD_HOME": "/home/yard",
}
REVIEWS = known_reviews([packaged("reviews")])
POLICIES = {
    "default": {"no_candidate"},
    "cheapest-safe": {"no_candidate"},
    "eu-only": {"no_candidate", "unreachable_route"},
    "regulated-review": {"no_candidate", "never_fires"},
    "financial-risk": {"no_candidate", "never_fires", "unreachable_route"},
}
"""Each shipped policy, and what lint says of it with the demo's catalog; the file's comments say why that is right."""
EXAMPLES = sorted(packaged("catalog", "examples").glob("*.yaml"))


def demo() -> ProviderSnapshot:
    catalog = load_catalog([packaged("catalog", "demo.yaml")], ENVIRON)
    loads = tuple(a_load(provider.name) for provider in catalog.providers)
    return ProviderSnapshot(catalog, digest(catalog), loads, NOON)


def shipped_policy(name: str = "default") -> RoutingPolicy:
    return load_policy(packaged("policies", f"{name}.yaml"))


def test_everything_that_ships_is_covered_here() -> None:
    shipped = {path.relative_to(packaged()).as_posix() for path in packaged().rglob("*.yaml")}
    known = {f"reviews/{name}.yaml" for name in REVIEWS}
    known |= {f"catalog/examples/{path.name}" for path in EXAMPLES}
    known |= {"catalog/demo.yaml", *(f"policies/{name}.yaml" for name in POLICIES)}

    assert shipped == known


def test_the_three_reviews_are_there() -> None:
    assert {"contract-clauses", "gdpr-compliance", "financial-risk"} <= REVIEWS.keys()


@pytest.mark.parametrize("name", REVIEWS)
def test_a_shipped_review_is_short_and_has_something_to_look_for(name: str) -> None:
    review = find_review(name, [packaged("reviews")])

    assert review.findings
    assert len(review.instructions) < 1_000
    assert review.expected_output_tokens < review.max_output_tokens


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_shipped_example_loads_with_a_wire_that_there_is_and_no_key_in_it(path: Path) -> None:
    catalog = load_catalog([path], {})

    for provider in catalog.providers:
        assert adapter_for(provider.adapter)
        assert provider.key.startswith(("env:", "none"))
        assert not provider.simulated


def test_all_examples_can_stand_in_one_catalog() -> None:
    assert isinstance(
        load_catalog([packaged("catalog", "examples"), packaged("catalog", "demo.yaml")], ENVIRON), Catalog
    )


def test_the_default_policy_says_what_a_yard_without_one_does() -> None:
    policy = shipped_policy()

    assert policy == RoutingPolicy(policy="default", version=policy.version, description=policy.description)


@pytest.mark.parametrize("name", POLICIES)
def test_a_shipped_policy_is_odd_only_where_its_comments_say_so(name: str) -> None:
    policy = shipped_policy(name)
    comments = packaged("policies", f"{name}.yaml").read_text().partition("\npolicy:")[0]

    codes = {remark.code for remark in lint(policy, demo().catalog, lambda p, at: prepare(p, at).decide)}

    assert policy.policy == name
    assert codes == POLICIES[name]
    assert all(code in comments for code in codes)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("sensitivity", [Sensitivity.CONFIDENTIAL, Sensitivity.RESTRICTED])
def test_no_shipped_policy_sends_confidential_documents_of_the_demo_away(
    name: str, sensitivity: Sensitivity
) -> None:
    decision = decide(a_job(sensitivity=sensitivity), shipped_policy(name), demo())

    assert set(decision.allowed) <= {"local-smollm2/smollm2-135m"}


def test_eu_only_sends_nothing_out_of_the_eu_whatever_the_submitter_says() -> None:
    decision = decide(a_job(), shipped_policy("eu-only"), demo())

    assert decision.allowed == ("local-smollm2/smollm2-135m", "sim-sage/sage-1")
    refused = {each.provider: each.refusals for each in decision.candidates if each.refusals}
    assert [refusal.rule for refusal in refused["sim-swift"]] == ["inside-the-eu"]


def test_financial_risk_takes_the_strong_model_unless_the_work_is_nearly_due() -> None:
    calm = decide(a_job(tokens=12_000), shipped_policy("financial-risk"), demo())
    due = decide(a_job(tokens=12_000, time_left_ms=240_000), shipped_policy("financial-risk"), demo())

    assert calm.chosen and calm.chosen.provider == "sim-sage"
    assert due.chosen and due.chosen.provider == "sim-swift"
    assert due.reason.endswith(" Tier 'due' applies.")


def test_the_shipped_schema_is_that_of_the_policy() -> None:
    shipped = packaged("policies", "policy.schema.json").read_text(encoding="utf-8")

    assert shipped == policy_schema_text(), "write it anew with `python -m governance.policies.json_schema`"


@pytest.mark.parametrize("name", POLICIES)
def test_a_shipped_policy_fits_the_shipped_schema(name: str) -> None:
    found = read_yaml(packaged("policies", f"{name}.yaml")).data

    assert jsonschema_rs.is_valid(policy_schema(), found)
    assert not jsonschema_rs.is_valid(policy_schema(), {**found, "wieghts": {}})


def test_the_demo_sends_long_documents_to_the_cheap_one_and_short_ones_to_the_better_one() -> None:
    long = decide(a_job(tokens=12_000, sensitivity=Sensitivity.INTERNAL), shipped_policy(), demo())
    short = decide(a_job(sensitivity=Sensitivity.INTERNAL), shipped_policy(), demo())

    assert [step.provider for step in long.plan] == ["sim-swift", "sim-sage"]
    assert [step.provider for step in short.plan] == ["sim-sage", "sim-swift", "local-smollm2"]


def test_the_demo_serves_high_quality_by_the_better_one_alone() -> None:
    decision = decide(a_job(quality=Quality.HIGH), shipped_policy(), demo())

    assert decision.allowed == ("sim-sage/sage-1",)


@pytest.mark.parametrize("sensitivity", [Sensitivity.CONFIDENTIAL, Sensitivity.RESTRICTED])
@pytest.mark.parametrize("residency", [(), ("eu",), ("us",)])
def test_the_demo_keeps_confidential_documents_on_this_machine(
    sensitivity: Sensitivity, residency: tuple[str, ...]
) -> None:
    decision = decide(a_job(sensitivity=sensitivity, residency=residency), shipped_policy(), demo())

    assert decision.outcome is Outcome.ROUTED
    assert decision.allowed == ("local-smollm2/smollm2-135m",)


def test_the_demo_says_which_of_its_providers_are_simulated() -> None:
    catalog = demo().catalog

    assert {p.name for p in catalog.providers if p.simulated} == {"sim-swift", "sim-sage"}
    for provider in catalog.providers:
        for model in provider.models:
            assert model.price is not None
            assert (model.price.source == "invented for the simulator") == provider.simulated
            assert model.price.output_usd_micros_per_mtok > 0


def test_an_unknown_review_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        UnknownName, match=r"There is no review 'contracts'\. There are: contract-clauses, financial-risk"
    ):
        find_review("contracts", [tmp_path / "absent", packaged("reviews")])


def test_a_review_is_found_by_name_only_never_by_a_path() -> None:
    with pytest.raises(UnknownName):
        find_review("../reviews/contract-clauses", [packaged("policies"), packaged("reviews")])


def test_the_operators_folder_comes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "contract-clauses.yaml").write_text(
        "review: contract-clauses\nversion: 7\ntitle: Ours\ninstructions: Look.\n"
    )

    assert find_review("contract-clauses", [tmp_path, packaged("reviews")]).version == 7


def test_a_review_under_another_files_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("version: 1\nreview: yours\ntitle: T\ninstructions: I\n")

    with pytest.raises(
        BadConfiguration, match=r"mine\.yaml, line 2: review: is 'yours', and the file is named 'mine'"
    ):
        find_review("mine", [tmp_path])


def test_a_wrong_policy_says_file_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("policy: p\nversion: 1\nweights: {cost: 0, latency: 0, quality: 0, load: 0}\n")

    with pytest.raises(
        BadConfiguration, match=r"p\.yaml, line 3: weights: at least one weight must be above zero"
    ):
        load_policy(path)


def test_a_wheels_own_folder_comes_before_one_that_lies_beside_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_files, "_ROOT", tmp_path)
    assert packaged("policies") == tmp_path / "config" / "policies"

    (tmp_path / "classyard" / "config").mkdir(parents=True)
    assert packaged("policies", "x.yaml") == tmp_path / "classyard" / "config" / "policies" / "x.yaml"
