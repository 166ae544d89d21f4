"""One job as one row of the results: flat, self-contained, and with its proof. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.lifecycle import FINAL
from schemas.result import QuoteMatch

COLUMNS = (
    "job_id", "custom_id", "name", "state", "reason_code", "reason",
    "provider", "model", "model_version", "model_reported", "simulated",
    "verdict", "confidence", "summary", "findings", "quotes_verified", "quotes_total", "standing", "checks",
    "sensitivity", "policy", "policy_digest", "catalog_digest", "snapshot_digest", "decision_digest", "rationale",
    "rungs", "input_tokens", "output_tokens", "cost_usd_micros", "latency_ms", "attempts", "accepted_at", "finished_at",
)  # fmt: skip
"""In this order, in every row. `model_version` is what was asked for; `input_tokens`, `output_tokens` and
`latency_ms` are those of the call that gave the result, `cost_usd_micros` and `attempts` those of all calls.
`rungs` are the usable answers on the way: evidence, the threshold it was held to (in millionths), and the cost."""

_COPIED = (
    "job_id", "custom_id", "name", "state", "reason_code", "reason", "provider", "model", "model_version",
    "model_reported", "simulated", "standing", "checks", "sensitivity", "policy_digest", "catalog_digest",
    "snapshot_digest", "decision_digest", "input_tokens", "output_tokens", "cost_usd_micros", "latency_ms",
    "attempts",
)  # fmt: skip

_VERIFIED = frozenset({QuoteMatch.EXACT, QuoteMatch.NORMALISED})

Row = Mapping[str, Any]


def result_row(row: Row) -> dict[str, Any]:
    """From a row of `views.results`. What a job without a result cannot have is null."""
    output, quotes = row["output"] or {}, _quotes(row["checks"])
    return {
        **{name: row[name] for name in _COPIED},
        "verdict": output.get("verdict"),
        "confidence": output.get("confidence"),
        "summary": output.get("summary"),
        "findings": _findings(output, quotes) if row["output"] else None,
        "quotes_verified": sum(_is_verified(quote) for quote in quotes.values()) if row["output"] else None,
        "quotes_total": len(quotes) if row["output"] else None,
        "policy": row["policy_name"],
        "rationale": _rationale(row["decision"]),
        "rungs": row.get("rungs"),
        "accepted_at": row["created_at"],
        "finished_at": row["updated_at"] if row["state"] in FINAL else None,
    }


def _quotes(checks: Row | None) -> dict[int, Row]:
    """By the index of their finding."""
    return {quote["finding"]: quote for quote in (checks or {}).get("quotes", ())}


def _is_verified(quote: Row) -> bool:
    return quote.get("match") in _VERIFIED


def _findings(output: Row, quotes: Mapping[int, Row]) -> list[dict[str, Any]]:
    """Each with whether its quote stands in the document, and where, in characters."""
    return [
        {
            **finding,
            "quote_verified": _is_verified(quotes.get(index, {})),
            "start": quotes.get(index, {}).get("start"),
            "end": quotes.get(index, {}).get("end"),
        }
        for index, finding in enumerate(output.get("findings", ()))
    ]


def _rationale(decision: Row | None) -> list[dict[str, Any]] | None:
    """Every candidate of the last decision: its rank and score, or why it is out."""
    return None if decision is None else [_candidate(one) for one in decision["candidates"]]


def _candidate(found: Row) -> dict[str, Any]:
    named: dict[str, Any] = {"provider": found["provider"], "model": found["model"]}
    if found["rank"] is not None:
        named |= {"rank": found["rank"], "score": (found["score"] or {}).get("total")}
    if found["unavailable"]:
        named["unavailable"] = found["unavailable"]["sentence"]
    if found["refusals"]:
        named["refusals"] = {refusal["rule"]: refusal["sentence"] for refusal in found["refusals"]}
    return named
