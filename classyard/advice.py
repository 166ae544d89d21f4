"""What the API asks of other rooms, put together at the roof: explanations, quotes, and policies.

Everything here blocks; the API calls it in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from classyard.commands import catalogs
from classyard.commands.explain_view import told
from classyard.commands.policy import remarks_of
from classyard.commands.reckoning import ESTIMATES, Reckoned, reckoned
from classyard.context import Context
from producer.api.advice import Advice, Documents
from producer.api.advised import Linted, Quoted, QuotedPart, QuotedRule, RefusedLine, RemarkShown
from router_worker.features.extract import Extractor
from runtime.yaml_files import parsed_yaml
from schemas.canonical import digest
from schemas.catalog import Catalog
from schemas.errors import BadConfiguration, BadInput
from schemas.policy import RoutingPolicy
from schemas.review import Review
from schemas.submission import Requirements

MOST_REJECTIONS = 100


def advisers(context: Context) -> Advice:
    """`context` is connected."""
    tools = _kept(Extractor.of)

    def quote(documents: Documents, review: Review, requirements: Requirements) -> Quoted:
        wanted = context.settings.tenant_defaults.floor_of(requirements)
        return quoted(reckoned(context, documents, review, wanted, tools=tools), review)

    return Advice(
        told=told,
        quote=quote,
        policy=context.policy,
        lint=lambda text: linted(text, catalogs.of_files(context)),
    )


def _kept(
    make: Callable[[Catalog, RoutingPolicy], Extractor],
) -> Callable[[Catalog, RoutingPolicy], Extractor]:
    """The last one made is kept: its tables of tokens take a moment to load."""
    kept: dict[tuple[str, str], Extractor] = {}

    def of(catalog: Catalog, policy: RoutingPolicy) -> Extractor:
        named = digest(catalog), digest(policy)
        if named not in kept:
            made = make(catalog, policy)
            kept.clear()
            kept[named] = made
        return kept[named]

    return of


def quoted(found: Reckoned, review: Review) -> Quoted:
    told, simulated = found.quote, {one.name for one in found.snapshot.catalog.providers if one.simulated}
    return Quoted(
        review=review.review,
        documents=told.documents,
        served=told.served,
        cost_usd_micros=told.cost_usd_micros,
        worst_cost_usd_micros=told.worst_cost_usd_micros,
        finish_ms=told.finish_ms,
        finish_at=found.snapshot.taken_at + timedelta(milliseconds=told.finish_ms),
        late=told.late,
        providers=[
            QuotedPart(
                provider=name,
                simulated=name in simulated,
                documents=part.documents,
                input_tokens=part.input_tokens,
                output_tokens=part.output_tokens,
                cost_usd_micros=part.cost_usd_micros,
                finish_ms=part.finish_ms,
            )
            for name, part in sorted(told.parts.items())
        ],
        refused=_by_rule(told.refused, told.sentences),
        held=_by_rule(told.held, told.sentences),
        rejected=len(found.rejections),
        rejections=[
            RefusedLine(where=one.where, code=one.code, sentence=one.sentence)
            for one in found.rejections[:MOST_REJECTIONS]
        ],
        policy_digest=found.policy_digest,
        note=" ".join((*found.notes, ESTIMATES)),
    )


def _by_rule(counts: dict[str, int], sentences: dict[str, str]) -> list[QuotedRule]:
    """Most frequent first."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [QuotedRule(rule=rule, documents=count, sentence=sentences[rule]) for rule, count in ordered]


def linted(text: bytes, catalog: Catalog) -> Linted:
    """Raises `BadInput`, with the line, for what is no policy."""
    try:
        file = parsed_yaml(text, Path("policy"))
        policy = file.validated(RoutingPolicy)
    except BadConfiguration as error:
        raise BadInput(str(error), code="invalid_policy") from error
    return Linted(
        policy=policy.policy,
        version=policy.version,
        digest=digest(policy),
        remarks=[
            RemarkShown(code=one.code, where=file.where(one.place), sentence=one.sentence)
            for one in remarks_of(policy, catalog)
        ],
    )
