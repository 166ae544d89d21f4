"""What other rooms answer by way of the API: quotes, the policy, and what is odd about one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from producer.api.values import AT, DIGEST, example


class RefusedLine(BaseModel):
    model_config = example(where="body, line 2", code="invalid_json_line", sentence="The line is not JSON.")

    where: str
    code: str
    sentence: str


class QuotedPart(BaseModel):
    model_config = example(
        provider="alpha", simulated=False, documents=3, input_tokens=4_000, output_tokens=700, cost_usd_micros=1_234,
        finish_ms=2_500,
    )  # fmt: skip

    provider: str
    simulated: bool
    documents: int
    input_tokens: int
    output_tokens: int
    cost_usd_micros: int
    finish_ms: int


class QuotedRule(BaseModel):
    model_config = example(rule="boundary", documents=1, sentence="It may not leave this machine.")

    rule: str
    documents: int
    sentence: str
    """What was said of the first document."""


class Quoted(BaseModel):
    model_config = example(
        review="contract-clauses", documents=3, served=3, cost_usd_micros=1_234, worst_cost_usd_micros=5_000,
        finish_ms=2_500, finish_at=AT, late=0, providers=[], refused=[], held=[], rejected=0, rejections=[],
        policy_digest=DIGEST, note="These are estimates.",
    )  # fmt: skip

    review: str
    documents: int
    """That could be read."""
    served: int
    """That would be served; the others would be refused or held."""
    cost_usd_micros: int
    """Expected."""
    worst_cost_usd_micros: int
    """Every attempt of every planned step, each with the longest answer."""
    finish_ms: int
    """Until the last one is expected to be done."""
    finish_at: datetime
    late: int
    """Expected to miss the deadline."""
    providers: list[QuotedPart]
    refused: list[QuotedRule]
    held: list[QuotedRule]
    rejected: int
    rejections: list[RefusedLine]
    """The first of the lines that could not be read."""
    policy_digest: str
    note: str


class PolicyShown(BaseModel):
    model_config = example(
        policy="default",
        version=1,
        digest=DIGEST,
        decided_by=DIGEST,
        in_force=True,
        body={"policy": "default"},
    )

    policy: str
    version: int
    digest: str
    decided_by: str | None
    """The digest of the policy that the newest decision was made by; null where nothing was decided yet."""
    in_force: bool
    """Whether the newest decision was made by this one, or would be."""
    body: dict[str, Any]
    """As configured here, defaults written out."""


class RemarkShown(BaseModel):
    model_config = example(code="never_fires", where="policy, line 12", sentence="The rule never fires.")

    code: str
    where: str
    sentence: str


class Linted(BaseModel):
    model_config = example(policy="default", version=1, digest=DIGEST, remarks=[])

    policy: str
    version: int
    digest: str
    remarks: list[RemarkShown]
    """What is odd about it although it loads; empty: nothing."""
