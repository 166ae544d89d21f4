"""Who may serve a job of the cost benchmark, from the rules as the docs state them. Imports nothing of the engine, and
checks every decision that the engine made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from benchmarks.routing.clock import Done, Seen, busiest, fullest_minute
from benchmarks.routing.market import MAX_OUTPUT_TOKENS, PROMPT_TOKENS, Job
from schemas.catalog import Catalog, CatalogModel, CatalogProvider
from schemas.sensitivity import Quality, Sensitivity

_CAREFUL = [Sensitivity.PUBLIC, Sensitivity.INTERNAL, Sensitivity.CONFIDENTIAL, Sensitivity.RESTRICTED]
FLOORS = {Quality.DRAFT: 0.0, Quality.STANDARD: 0.0, Quality.HIGH: 0.75}


def allowed(job: Job, catalog: Catalog) -> tuple[tuple[str, str], ...]:
    """Provider and model of all that may serve it, by name."""
    return _allowed(id(catalog), job.sensitivity, job.residency, job.quality, job.tokens, _Held(catalog))


class _Held:
    """Lets a catalog pass through a cache, told apart by its id."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.catalog is self.catalog

    def __hash__(self) -> int:
        return id(self.catalog)


@lru_cache(maxsize=100_000)
def _allowed(
    _: int,
    sensitivity: Sensitivity,
    residency: tuple[str, ...],
    quality: Quality,
    tokens: int,
    held: _Held,
) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted(
            (provider.name, model.name)
            for provider in held.catalog.providers
            for model in provider.models
            if _CAREFUL.index(sensitivity) <= _CAREFUL.index(provider.boundary)
            and _stays(provider, residency)
            and _fits(model, tokens)
            and model.quality >= FLOORS[quality]
        )
    )


def _stays(provider: CatalogProvider, residency: tuple[str, ...]) -> bool:
    own = provider.kind.value == "self_hosted"
    return not residency or all(
        (own and region == "local") or any(region.split("-")[0] == outer for outer in residency)
        for region in provider.regions
    )


def _fits(model: CatalogModel, tokens: int) -> bool:
    whole = (tokens + PROMPT_TOKENS) * model.tokens_per_o200k + 1 + MAX_OUTPUT_TOKENS
    return (
        whole <= model.context_tokens
        and model.max_output_tokens >= MAX_OUTPUT_TOKENS
        and model.json_schema
        and model.price is not None
    )


def violations(decided: Sequence[Seen], catalog: Catalog) -> Iterator[str]:
    """A sentence for each decision that goes, in any step of its plan, where the job may not, or forgets who may."""
    for job, decision in decided:
        may = allowed(job, catalog)
        steps = [(step.provider, step.model) for step in decision.plan]
        if any(step not in may for step in steps):
            yield f"job {job.number} was sent where it may not go"
        if decision.allowed != tuple(f"{provider}/{model}" for provider, model in may):
            yield f"job {job.number} has other allowed models than the rules say"


def overdrawn(done: Sequence[Done], catalog: Catalog) -> Iterator[str]:
    """A sentence for each ceiling or limit that was exceeded, and each job that was served where it may not be."""
    for provider in catalog.providers:
        if busiest(done, provider.name) > provider.ceiling:
            yield f"{provider.name} had more calls in flight than its ceiling"
        calls, tokens = fullest_minute(done, provider.name)
        limits = provider.limits
        if limits.requests_per_minute is not None and calls > limits.requests_per_minute:
            yield f"{provider.name} had {calls} requests in a minute"
        if limits.tokens_per_minute is not None and tokens > limits.tokens_per_minute:
            yield f"{provider.name} had {tokens} tokens in a minute"
    for one in done:
        if (one.provider, one.model) not in allowed(one.job, catalog):
            yield f"job {one.job.number} was served where it may not be"
