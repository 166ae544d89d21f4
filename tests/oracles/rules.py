"""Conditions twice: in the policy's language, and as plain Python. Imports nothing of the engine or the library."""

from __future__ import annotations

from collections.abc import Callable

from schemas.catalog import CatalogModel, CatalogProvider
from schemas.features import JobFeatures

OfJob = Callable[[JobFeatures], bool]
OfPair = Callable[[JobFeatures, CatalogProvider, CatalogModel], bool]

OF_JOBS: dict[str, OfJob] = {
    "job.language == 'de'": lambda j: j.language == "de",
    "job.tokens > 1000 || job.sensitivity_rank >= 2": lambda j: (
        j.tokens > 1000 or j.sensitivity.value in {"confidential", "restricted"}
    ),
    "job.quality == 'high' && job.needs_json_schema": lambda j: (
        j.quality.value == "high" and j.needs_json_schema
    ),
    "job.time_left_ms >= 0 && job.time_left_ms < 10000": lambda j: (
        j.time_left_ms is not None and max(0, j.time_left_ms) < 10_000
    ),
    "job.max_cost_usd_micros != -1": lambda j: j.max_cost_usd_micros is not None,
    "'eu' in job.residency": lambda j: "eu" in j.residency,
    "1000 / job.tokens > 0": lambda j: 1000 // j.tokens > 0,
    "job.kind == 'contract' || job.difficulty > 0.5": lambda j: j.kind == "contract" or j.difficulty > 0.5,
    "'iban' in job.personal_data || job.secrets > 0": lambda j: (
        any(kind == "iban" for kind, _ in j.personal_data) or bool(j.secrets)
    ),
    "true": lambda j: True,
    "false": lambda j: False,
}

OF_PAIRS: dict[str, OfPair] = {
    "job.language == 'de' && provider.regions.exists(r, r.startsWith('us'))": lambda j, p, m: (
        j.language == "de" and any(r.startswith("us") for r in p.regions)
    ),
    "provider.name == 'ada'": lambda j, p, m: p.name == "ada",
    "!provider.self_hosted && model.quality < 0.75": lambda j, p, m: (
        p.kind.value != "self_hosted" and m.quality < 0.75
    ),
    "!(provider.self_hosted || job.sensitivity == 'public')": lambda j, p, m: (
        not (p.kind.value == "self_hosted" or j.sensitivity.value == "public")
    ),
    "job.tokens * 12 > model.context_tokens": lambda j, p, m: j.tokens * 12 > m.context_tokens,
    "job.tokens / (model.context_tokens - 8192) < 0": lambda j, p, m: (
        quotient(j.tokens, m.context_tokens - 8192) < 0
    ),
    "model.input_usd_micros_per_mtok < 0": lambda j, p, m: m.price is None,
    "model.input_usd_micros_per_mtok > 600000 ? job.tokens > 700 : job.language == 'fr'": lambda j, p, m: (
        j.tokens > 700 if m.price and m.price.input_usd_micros_per_mtok > 600_000 else j.language == "fr"
    ),
    "(job.quality == 'draft' || model.name == 'mini') && 'eu' in provider.regions": lambda j, p, m: (
        (j.quality.value == "draft" or m.name == "mini") and "eu" in p.regions
    ),
}


def quotient(one: int, other: int) -> int:
    """Rounded toward zero, as the language has it."""
    whole = abs(one) // abs(other)
    return whole if (one < 0) == (other < 0) else -whole


def says(
    text: str, job: JobFeatures, provider: CatalogProvider | None = None, model: CatalogModel | None = None
) -> bool | None:
    """None where it cannot be evaluated."""
    try:
        if text in OF_JOBS:
            return OF_JOBS[text](job)
        assert provider is not None and model is not None
        return OF_PAIRS[text](job, provider, model)
    except ZeroDivisionError:
        return None
