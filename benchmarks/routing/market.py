"""The market that the cost benchmark buys in, and the work that it brings: five providers, eleven models, contracts.

Prices are list prices, dated. Quality priors, speeds, ceilings and limits are assumptions, chosen so that what is cheap
is scarce; arrivals are those of the Azure trace, and documents have the sizes of CUAD's contracts. Who may see what is
drawn by seed, so that about three pairs in ten are forbidden.
"""

from __future__ import annotations

import csv
import gzip
import random
import zipfile
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from router_worker.features.tokens import TokenCounter
from schemas.catalog import Catalog, CatalogModel, CatalogProvider, DataTerms, LatencyPrior, Limits, Price
from schemas.features import JobFeatures
from schemas.sensitivity import Quality, Sensitivity

ARRIVALS = "load/AzureLLMInferenceTrace_conv.csv.gz"
CONTRACTS = "documents/cuad/contracts_txt.zip"
READ = date(2026, 11, 28)
PRICES = "genai-prices 0.2.3, list prices"
FORESEEN, CAREFUL = 0.9, 0.8
"""Of the time that is left: what a job is decided for, where the length of its answer is known and where it is not.
The rest is for what no estimate has: slots that are in the middle of a call, and urgent jobs that come later."""

PROMPT_TOKENS = 900
MAX_OUTPUT_TOKENS = 1_000
USUAL_OUTPUT_TOKENS = 200
"""What is expected of an answer before it is there."""

LEAST_S = 30.0
"""All is due so long after the last arrival: what is put off must not fall into a quiet time that only the end of the
measurement makes."""

DEADLINES_S = ((0.2, LEAST_S), (0.6, 120.0), (1.0, 300.0))
"""From arrival; the first of which the share, counted from the beginning, is not below the draw."""

_SENSITIVITY = (
    (0.35, Sensitivity.PUBLIC),
    (0.70, Sensitivity.INTERNAL),
    (0.95, Sensitivity.CONFIDENTIAL),
    (1.0, Sensitivity.RESTRICTED),
)
_RESIDENCY: tuple[tuple[float, tuple[str, ...]], ...] = ((0.6, ()), (0.9, ("eu",)), (1.0, ("us",)))
_QUALITY = ((0.8, Quality.STANDARD), (1.0, Quality.HIGH))


@dataclass(frozen=True, slots=True)
class Job:
    """One document, with what only the future knows: the length of its answer."""

    number: int
    arrives_s: float
    due_s: float
    tokens: int
    output_tokens: int
    sensitivity: Sensitivity
    residency: tuple[str, ...]
    quality: Quality

    def features(self, now_s: float, *, foreseen: bool) -> JobFeatures:
        """As the engine sees it; `foreseen`: with the length of its answer."""
        return JobFeatures(
            tokens=self.tokens,
            prompt_tokens=PROMPT_TOKENS,
            expected_output_tokens=self.output_tokens if foreseen else USUAL_OUTPUT_TOKENS,
            max_output_tokens=MAX_OUTPUT_TOKENS,
            characters=4 * self.tokens,
            language="en",
            modalities=("text",),
            needs_json_schema=True,
            sensitivity=self.sensitivity,
            residency=self.residency,
            quality=self.quality,
            time_left_ms=int((self.due_s - now_s) * 1000 * (FORESEEN if foreseen else CAREFUL)),
            max_cost_usd_micros=None,
        )


@dataclass(frozen=True, slots=True)
class Trace:
    """What a data folder holds: when requests came and how long their answers were, and how long contracts are."""

    arrives_s: tuple[float, ...]
    output_tokens: tuple[int, ...]
    sizes: tuple[int, ...]
    """In o200k tokens."""


def read_trace(folder: Path) -> Trace:
    with gzip.open(folder / ARRIVALS, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    at = [datetime.fromisoformat(row["TIMESTAMP"][:26]) for row in rows]
    with zipfile.ZipFile(folder / CONTRACTS) as archive:
        texts = [archive.read(name) for name in sorted(archive.namelist()) if not name.endswith("/")]
    counter = TokenCounter()
    return Trace(
        tuple((one - at[0]).total_seconds() for one in at),
        tuple(min(MAX_OUTPUT_TOKENS, max(16, int(row["GeneratedTokens"]))) for row in rows),
        tuple(counter.count(text.decode("utf-8", "replace")) for text in texts),
    )


def jobs(trace: Trace, first: int, count: int, seed: int) -> list[Job]:
    """So many arrivals from `first` on; each one's document and requirements depend on its number and the seed."""
    last = min(first + count, len(trace.arrives_s))
    start_s = trace.arrives_s[first]
    end_s = trace.arrives_s[last - 1] - start_s + LEAST_S
    return [
        _job(trace, number, random.Random(seed * 1_000_003 + number), start_s, end_s)
        for number in range(first, last)
    ]


def _job(trace: Trace, number: int, chance: random.Random, start_s: float, end_s: float) -> Job:
    arrives = trace.arrives_s[number] - start_s
    return Job(
        number=number,
        arrives_s=arrives,
        due_s=min(end_s, arrives + _drawn(DEADLINES_S, chance)),
        tokens=chance.choice(trace.sizes),
        output_tokens=trace.output_tokens[number],
        sensitivity=_drawn(_SENSITIVITY, chance),
        residency=_drawn(_RESIDENCY, chance),
        quality=_drawn(_QUALITY, chance),
    )


def _drawn(shares, chance: random.Random):  # type: ignore[no-untyped-def]
    draw = chance.random()
    return next(value for share, value in shares if draw <= share)


# -- the catalog


def market() -> Catalog:
    return Catalog(
        providers=(
            _provider(
                "anthropic",
                ("us",),
                Sensitivity.INTERNAL,
                12,
                _model("claude-haiku-4.5", (1_000_000, 5_000_000), 0.88, (600, 0.05, 7)),
                _model("claude-sonnet-4.5", (3_000_000, 15_000_000), 0.96, (900, 0.08, 14)),
                limits=Limits(tokens_per_minute=1_600_000),
            ),
            _provider(
                "google",
                ("eu",),
                Sensitivity.CONFIDENTIAL,
                10,
                _model("gemini-2.5-flash-lite", (100_000, 400_000), 0.66, (400, 0.03, 4)),
                _model("gemini-2.5-flash", (300_000, 2_500_000), 0.84, (500, 0.04, 6)),
                _model("gemini-2.5-pro", (1_250_000, 10_000_000), 0.95, (1_200, 0.08, 12)),
            ),
            _provider(
                "mistral",
                ("eu",),
                Sensitivity.CONFIDENTIAL,
                14,
                _model("mistral-small", (150_000, 600_000), 0.70, (400, 0.05, 7)),
                _model("mistral-large", (2_000_000, 6_000_000), 0.90, (800, 0.10, 16)),
                limits=Limits(requests_per_minute=90),
            ),
            _provider(
                "openai",
                ("us",),
                Sensitivity.INTERNAL,
                8,
                _model("gpt-4.1-nano", (100_000, 400_000), 0.62, (400, 0.04, 5)),
                _model("gpt-4.1-mini", (400_000, 1_600_000), 0.80, (500, 0.05, 8)),
                _model("gpt-4.1", (2_000_000, 8_000_000), 0.92, (700, 0.08, 12)),
            ),
            _provider(
                "own-vllm",
                ("local",),
                Sensitivity.RESTRICTED,
                8,
                _model("gpt-oss-120b", (50_000, 200_000), 0.78, (300, 0.15, 10)),
                kind="self_hosted",
            ),
        )
    )


def _provider(
    name: str,
    regions: tuple[str, ...],
    boundary: Sensitivity,
    ceiling: int,
    *models: CatalogModel,
    kind: str = "api",
    limits: Limits | None = None,
) -> CatalogProvider:
    return CatalogProvider(
        name=name,
        kind=kind,
        adapter="openai",
        base_url="http://provider.invalid/v1",
        boundary=boundary,
        regions=regions,
        data_terms=DataTerms(retention_days=0, trains_on_data=False, source="an assumption", checked=READ),
        ceiling=ceiling,
        limits=limits or Limits(),
        models=models,
    )


def _model(
    name: str, rates: tuple[int, int], quality: float, speed: tuple[int, float, float]
) -> CatalogModel:
    return CatalogModel(
        name=name,
        version=name,
        context_tokens=1_000_000,
        max_output_tokens=32_000,
        json_schema=True,
        quality=quality,
        price=Price(
            input_usd_micros_per_mtok=rates[0],
            output_usd_micros_per_mtok=rates[1],
            source=PRICES if "oss" not in name else "an assumption: electricity and depreciation",
            checked=READ,
        ),
        latency=LatencyPrior(base_ms=speed[0], ms_per_input_token=speed[1], ms_per_output_token=speed[2]),
    )
