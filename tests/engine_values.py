"""Readable values for examples about the decision: an easy job, an easy model, a snapshot in which all is well."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from schemas.canonical import digest
from schemas.catalog import Catalog, CatalogModel, CatalogProvider, DataTerms, LatencyPrior, Price
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.sensitivity import Quality, Sensitivity
from schemas.snapshot import ProviderLoad, ProviderSnapshot, ProviderStatus

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = date(2026, 11, 23)


def a_job(**changes: Any) -> JobFeatures:
    """1,000 o200k tokens with its prompt; 350 expected in the answer, 900 at most; public, no ceiling, no deadline."""
    fields: dict[str, Any] = {
        "tokens": 600,
        "prompt_tokens": 400,
        "expected_output_tokens": 350,
        "max_output_tokens": 900,
        "characters": 3_000,
        "language": "en",
        "modalities": ("text",),
        "needs_json_schema": True,
        "sensitivity": Sensitivity.PUBLIC,
        "residency": (),
        "quality": Quality.STANDARD,
        "time_left_ms": None,
        "max_cost_usd_micros": None,
    }
    return JobFeatures(**fields | changes)


def a_price(input_rate: int, output_rate: int) -> Price:
    """Rates in micro-dollars a million tokens."""
    return Price(
        input_usd_micros_per_mtok=input_rate,
        output_usd_micros_per_mtok=output_rate,
        source="a test",
        checked=TODAY,
    )


def a_model(name: str = "one", **changes: Any) -> CatalogModel:
    fields: dict[str, Any] = {
        "version": f"{name}-v1",
        "context_tokens": 128_000,
        "max_output_tokens": 8_192,
        "json_schema": True,
        "quality": 0.6,
        "price": a_price(1_000_000, 4_000_000),
        "latency": LatencyPrior(base_ms=1_000, ms_per_input_token=0, ms_per_output_token=0),
    }
    return CatalogModel(name=name, **fields | changes)


def a_provider(name: str, *models: CatalogModel, **changes: Any) -> CatalogProvider:
    trains = changes.pop("trains_on_data", False)
    fields: dict[str, Any] = {
        "kind": "api",
        "adapter": "openai",
        "base_url": "http://provider.test/v1",
        "boundary": Sensitivity.INTERNAL,
        "regions": ("us",),
        "data_terms": DataTerms(retention_days=0, trains_on_data=trains, source="a test", checked=TODAY),
        "ceiling": 8,
        "models": models or (a_model(),),
    }
    return CatalogProvider(name=name, **fields | changes)


def a_load(provider: str, **changes: Any) -> ProviderLoad:
    fields: dict[str, Any] = {
        "status": ProviderStatus.READY,
        "reason": "",
        "ceiling": 8,
        "slots": 8,
        "in_flight": 0,
        "waiting_jobs": 0,
        "waiting_tokens": 0,
        "headroom_jobs": 100,
        "job_ms_p50": None,
    }
    return ProviderLoad(provider=provider, **fields | changes)


def a_snapshot(*providers: CatalogProvider, loads: tuple[ProviderLoad, ...] = ()) -> ProviderSnapshot:
    """Every provider is up and idle, except those whose load is given."""
    catalog = Catalog(providers=providers)
    told = {load.provider: load for load in loads}
    found = tuple(told.get(each.name, a_load(each.name)) for each in providers)
    return ProviderSnapshot(catalog, digest(catalog), found, NOON)


def a_policy(**changes: Any) -> RoutingPolicy:
    return RoutingPolicy(policy="test", version=1, **changes)
