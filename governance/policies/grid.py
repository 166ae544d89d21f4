"""Representative documents for lint: what a policy is tried on before a document is.

Two grids. `classes` are the kinds of documents that a submitter may ask for: class, residency, quality, size. `jobs`
are made for one condition: every field that it looks at takes every value that the condition itself names, the values
beside it, and the common ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice, product
from typing import Any

from schemas.catalog import Catalog
from schemas.expressions import compiled
from schemas.features import KINDS, JobFeatures
from schemas.raising import Marking, PersonalData
from schemas.sensitivity import Quality, Sensitivity
from schemas.variables import BY_NAME

MOST = 4_000
"""So many documents are tried on one condition; beyond that lint says nothing rather than take minutes."""

SIZES = (300, 3_000, 30_000)
"""Of a document, in tokens: a letter, a contract, a credit agreement. Half a page to about ninety."""

_NUMBER = re.compile(r"(?<![\w.'\"])\d+(?![\w.])")
_SHARE = re.compile(r"(?<![\w.'\"])\d+\.\d+(?![\w.])")
_TEXT = re.compile(r"'([^'\\\n]*)'|\"([^\"\\\n]*)\"")

_FIGURES = (
    *("tokens", "prompt_tokens", "expected_output_tokens", "max_output_tokens", "characters"),
    *("sections", "tables", "list_items", "pages", "digit_permille", "sentence_words"),
)
_MAY_LACK = ("time_left_ms", "max_cost_usd_micros")

EASY = JobFeatures(
    tokens=3_000,
    prompt_tokens=800,
    expected_output_tokens=350,
    max_output_tokens=900,
    characters=13_000,
    language="en",
    modalities=("text",),
    needs_json_schema=True,
    sensitivity=Sensitivity.INTERNAL,
    residency=(),
    quality=Quality.STANDARD,
    time_left_ms=None,
    max_cost_usd_micros=None,
)


def classes(catalog: Catalog) -> Iterator[JobFeatures]:
    """Documents in English, without deadline and ceiling: what is refused here is refused for what it is."""
    regions = _regions(catalog)
    for sensitivity, residency, quality, tokens in product(Sensitivity, regions, Quality, SIZES):
        yield replace(
            EASY,
            sensitivity=sensitivity,
            residency=residency,
            quality=quality,
            tokens=tokens,
            characters=tokens * 4,
        )


def jobs(conditions: Iterable[str], catalog: Catalog) -> list[JobFeatures] | None:
    """Every combination of values for the fields that these conditions look at; None where there are too many."""
    texts = list(conditions)
    names = frozenset().union(*(compiled(text).names for text in texts)) if texts else frozenset()
    fields = sorted({BY_NAME[name].field for name in names if name.startswith("job.")})
    values = _values(texts, catalog)
    combined = list(islice(product(*(values[name] for name in fields)), MOST + 1))
    if len(combined) > MOST:
        return None
    return [replace(EASY, **dict(zip(fields, each, strict=True))) for each in combined]


def _values(texts: list[str], catalog: Catalog) -> Mapping[str, tuple[Any, ...]]:
    named = {one or other for text in texts for one, other in _TEXT.findall(text)}
    numbers = sorted({int(found) for text in texts for found in _NUMBER.findall(_TEXT.sub("", text))})[:8]
    near = sorted({max(0, number + step) for number in numbers for step in (-1, 0, 1)} | {0, 3_000, 200_000})
    languages = {language for p in catalog.providers for m in p.models for language in m.languages}
    codes = {text for text in named if len(text) == 2 and text.isalpha()}
    regions = _regions(catalog) + tuple((text,) for text in sorted(named - {"local"}) if text)
    return {
        **dict.fromkeys(_FIGURES, tuple(near)),
        **dict.fromkeys(_MAY_LACK, (None, *near)),
        "language": tuple(sorted((languages | codes | {"en", "und", "zz"}) - {"*"})),
        "modalities": (("text",), ("text", "image")),
        "needs_json_schema": (True, False),
        "sensitivity": tuple(Sensitivity),
        "residency": tuple(dict.fromkeys(regions)),
        "quality": tuple(Quality),
        "closed_by": ((), *((text,) for text in sorted(named | {"tokens"}) if text)),
        "draw": tuple(sorted({0, 999_999, *(each for each in near if each <= 999_999)})),
        "kind": (*KINDS, ""),
        "difficulty": tuple(sorted({0.0, 1.0, *_near_shares(texts)})),
        "markings": ((), *((each.value,) for each in Marking), tuple(each.value for each in Marking)),
        "personal_data": (
            (),
            *(((each.value, count),) for each in PersonalData for count in (1, 100)),
            tuple((each.value, 10) for each in PersonalData),
        ),
        "secrets": ((), (("aws", 1),)),
        "raised_by": ((), *((text,) for text in sorted(named | {"secrets"}) if text)),
        "asked_model": tuple(sorted({"", *named, *(m.name for p in catalog.providers for m in p.models)})),
        "asked_tier": tuple(sorted({"", *named})),
    }


def _near_shares(texts: list[str]) -> set[float]:
    """Each number with a fraction that the conditions name, and what lies a little beside it, within 0 and 1."""
    shares = {float(found) for text in texts for found in _SHARE.findall(_TEXT.sub("", text))}
    return {min(1.0, max(0.0, share + step)) for share in sorted(shares)[:8] for step in (-0.001, 0.0, 0.001)}


def _regions(catalog: Catalog) -> tuple[tuple[str, ...], ...]:
    """No rule, each region of the catalog, and `eu`."""
    known = {region for provider in catalog.providers for region in provider.regions} | {"eu"}
    return ((), *((region,) for region in sorted(known - {"local"})))
