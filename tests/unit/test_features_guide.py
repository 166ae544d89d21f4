"""The guides say what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from router_worker.features import difficulty
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.raising import MARKINGS, PERSONAL_DATA, PersonalData
from schemas.tokenizers import FAMILIES

DOCS = Path(__file__).parents[2] / "docs"
FEATURES = (DOCS / "features.md").read_text(encoding="utf-8")
POLICIES = (DOCS / "policies.md").read_text(encoding="utf-8")


def examples(guide: str, field: str) -> list[Any]:
    found = (yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL))
    return [each for each in found if field in each]


def test_the_policies_of_the_guides_load() -> None:
    bodies = [*examples(FEATURES, "rules"), *examples(POLICIES, "raising")]

    assert len(bodies) == 2
    for body in bodies:
        RoutingPolicy.model_validate({"policy": "ours", "version": 1, **body})


def test_every_feature_that_came_with_reading_is_in_the_guide() -> None:
    kept_elsewhere = {"budget", "budget_left_usd_micros", "modalities", "needs_json_schema"}

    untold = {
        name
        for name in JobFeatures.__dataclass_fields__
        if name not in kept_elsewhere and name not in FEATURES
    }

    assert untold <= {"characters", "raised_by"}


def test_every_marking_and_kind_of_personal_data_is_in_the_guide() -> None:
    assert all(f"`{each.value}`" in FEATURES for each in (*MARKINGS, *PERSONAL_DATA))
    assert PERSONAL_DATA[PersonalData.EMAIL].at_least == 50


def test_the_table_of_difficulty_is_the_module_s() -> None:
    table = [line for line in (difficulty.__doc__ or "").splitlines() if line.startswith("|")][2:]

    for row in table:
        assert row.replace("o200k tokens", "tokens") in FEATURES


def test_every_family_of_tokenizers_is_in_the_guide() -> None:
    guide = (DOCS / "catalog.md").read_text(encoding="utf-8")

    for name, family in FAMILIES.items():
        assert f"`{name}`" in guide
        assert family.is_exact or f"{family.per_o200k:.2f}" in guide
