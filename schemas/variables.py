"""The names that a policy's expressions may use: a closed list, each with its type, its meaning and where it is read.

Facts of a job, and facts of the catalog; never the document's text, and never the load of the moment, so that a rule
says the same of a pair today and when the decision is replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from schemas.catalog import CatalogModel, CatalogProvider, ProviderKind
from schemas.features import JobFeatures

NONE = -1
"""Stands for a figure that there is not: no deadline, no ceiling, no price."""

_MOST = 2**63 - 1
"""Integers of the expression language have 64 bits."""

Facts = Mapping[str, Any]
"""Values by variable name."""


class Variable(NamedTuple):
    name: str
    kind: str
    """`int`, `double`, `string`, `bool` or `list(string)`."""
    meaning: str
    field: str
    """What it is read from: a field of `JobFeatures`, or of the catalog's provider or model."""
    read: Callable[[Any], Any]

    @property
    def owner(self) -> str:
        """`job`, `provider` or `model`."""
        return self.name.partition(".")[0]


def _figure(value: int | None) -> int:
    return NONE if value is None else max(0, min(value, _MOST))


def _job(name: str, kind: str, meaning: str, read: Callable[[JobFeatures], Any], field: str = "") -> Variable:
    return Variable(f"job.{name}", kind, meaning, field or name, read)


def _provider(
    name: str, kind: str, meaning: str, read: Callable[[CatalogProvider], Any], field: str = ""
) -> Variable:
    return Variable(f"provider.{name}", kind, meaning, field or name, read)


def _model(
    name: str, kind: str, meaning: str, read: Callable[[CatalogModel], Any], field: str = ""
) -> Variable:
    return Variable(f"model.{name}", kind, meaning, field or name, read)


VARIABLES: tuple[Variable, ...] = (
    _job("tokens", "int", "length of the document, in o200k tokens", lambda j: _figure(j.tokens)),
    _job("prompt_tokens", "int", "instructions and schema around it", lambda j: _figure(j.prompt_tokens)),
    _job(
        "expected_output_tokens",
        "int",
        "what the review expects of an answer",
        lambda j: _figure(j.expected_output_tokens),
    ),
    _job(
        "max_output_tokens",
        "int",
        "the longest answer that the review allows",
        lambda j: _figure(j.max_output_tokens),
    ),
    _job("characters", "int", "length of the document, in characters", lambda j: _figure(j.characters)),
    _job("language", "string", "ISO 639-1, or `und` where it could not be told", lambda j: j.language),
    _job("modalities", "list(string)", "what a model needs to read", lambda j: list(j.modalities)),
    _job(
        "needs_json_schema", "bool", "whether the answer is held to a schema", lambda j: j.needs_json_schema
    ),
    _job(
        "sensitivity",
        "string",
        "`public`, `internal`, `confidential` or `restricted`",
        lambda j: j.sensitivity.value,
    ),
    _job(
        "sensitivity_rank",
        "int",
        "0 (public) to 3 (restricted)",
        lambda j: j.sensitivity.rank,
        field="sensitivity",
    ),
    _job(
        "residency",
        "list(string)",
        "regions in which it may be processed; empty: no rule",
        lambda j: list(j.residency),
    ),
    _job("quality", "string", "what is asked for: `draft`, `standard` or `high`", lambda j: j.quality.value),
    _job(
        "time_left_ms",
        "int",
        "until the deadline, 0 when it has passed; -1: no deadline",
        lambda j: _figure(j.time_left_ms),
    ),
    _job(
        "max_cost_usd_micros",
        "int",
        "what is left of the ceiling, in millionths of a dollar; -1: no ceiling",
        lambda j: _figure(j.max_cost_usd_micros),
    ),
    _job(
        "closed_by",
        "list(string)",
        "what could not be extracted of the document; empty: nothing",
        lambda j: [each.partition(":")[0] for each in j.closed_by],
    ),
    _job("draw", "int", "0 to 999999, from the job's id; the same whenever it is decided", lambda j: j.draw),
    _job(
        "kind",
        "string",
        "`contract`, `policy`, `report`, `letter`, `form`, `code` or `other`; empty where nobody looked",
        lambda j: j.kind,
    ),
    _job("sections", "int", "headings", lambda j: _figure(j.sections)),
    _job(
        "has_tables",
        "bool",
        "whether lines are set in columns",
        lambda j: j.tables > 0,
        field="tables",
    ),
    _job("tables", "int", "runs of lines that are set in columns", lambda j: _figure(j.tables)),
    _job("list_items", "int", "lines that begin as those of a list", lambda j: _figure(j.list_items)),
    _job("pages", "int", "as marked in the text, else by its length", lambda j: _figure(j.pages)),
    _job(
        "digit_permille",
        "int",
        "digits in a thousand characters that are not white space",
        lambda j: _figure(j.digit_permille),
    ),
    _job("sentence_words", "int", "words of an average sentence", lambda j: _figure(j.sentence_words)),
    _job("difficulty", "double", "0 to 1, from length, structure and wording", lambda j: float(j.difficulty)),
    _job(
        "markings",
        "list(string)",
        "what its head or foot says: `internal`, `confidential`, `strictly_confidential`, `privileged`, "
        "`restricted`, `secret`",
        lambda j: list(j.markings),
    ),
    _job(
        "personal_data",
        "list(string)",
        "kinds that were found, such as `iban` or `national_id`",
        lambda j: [kind for kind, _ in j.personal_data],
    ),
    _job(
        "personal_data_count",
        "int",
        "how many different ones of all kinds",
        lambda j: _figure(sum(count for _, count in j.personal_data)),
        field="personal_data",
    ),
    _job(
        "secrets",
        "int",
        "keys, tokens and passwords that were found",
        lambda j: _figure(sum(count for _, count in j.secrets)),
    ),
    _job(
        "raised_by",
        "list(string)",
        "what raised the class, such as `marking:confidential` or `secrets`; empty: nothing",
        lambda j: list(j.raised_by),
    ),
    _job(
        "asked_model",
        "string",
        "the model that the caller named, as it was written; empty: none",
        lambda j: j.asked_model,
    ),
    _job(
        "asked_tier",
        "string",
        "the tier that the caller named; empty: none",
        lambda j: j.asked_tier,
    ),
    _provider("name", "string", "its name in the catalog", lambda p: p.name),
    _provider(
        "self_hosted",
        "bool",
        "whether the operator runs it",
        lambda p: p.kind is ProviderKind.SELF_HOSTED,
        field="kind",
    ),
    _provider("adapter", "string", "the wire that it speaks", lambda p: p.adapter),
    _provider("simulated", "bool", "whether it only pretends", lambda p: p.simulated),
    _provider("boundary", "string", "the highest class that it may see", lambda p: p.boundary.value),
    _provider("boundary_rank", "int", "the same, 0 to 3", lambda p: p.boundary.rank, field="boundary"),
    _provider("regions", "list(string)", "where it processes", lambda p: list(p.regions)),
    _provider(
        "retention_days",
        "int",
        "how long it keeps what it is sent",
        lambda p: p.data_terms.retention_days,
        field="data_terms",
    ),
    _provider(
        "trains_on_data",
        "bool",
        "whether it trains on what it is sent",
        lambda p: p.data_terms.trains_on_data,
        field="data_terms",
    ),
    _provider("ceiling", "int", "calls in flight that are never exceeded", lambda p: p.ceiling),
    _model("name", "string", "its name in the catalog", lambda m: m.name),
    _model("version", "string", "the exact version that is asked for", lambda m: m.version),
    _model(
        "context_tokens", "int", "input and output together, in its own tokens", lambda m: m.context_tokens
    ),
    _model("max_output_tokens", "int", "the longest answer that it writes", lambda m: m.max_output_tokens),
    _model("json_schema", "bool", "whether it can be held to a JSON schema", lambda m: m.json_schema),
    _model("languages", "list(string)", "those it reads; `*`: all", lambda m: list(m.languages)),
    _model("modalities", "list(string)", "what it reads", lambda m: list(m.modalities)),
    _model("quality", "double", "the catalog's prior, 0 to 1", lambda m: m.quality),
    _model(
        "price_tier",
        "string",
        "`list`, `flex`, `batch` or `self_hosted`; empty: no price known",
        lambda m: m.price.tier.value if m.price else "",
        field="price",
    ),
    _model(
        "input_usd_micros_per_mtok",
        "int",
        "price of a million tokens read; -1: none known",
        lambda m: m.price.input_usd_micros_per_mtok if m.price else NONE,
        field="price",
    ),
    _model(
        "output_usd_micros_per_mtok",
        "int",
        "price of a million tokens written; -1: none known",
        lambda m: m.price.output_usd_micros_per_mtok if m.price else NONE,
        field="price",
    ),
)

BY_NAME: Mapping[str, Variable] = {each.name: each for each in VARIABLES}
OF_JOBS = frozenset(each.name for each in VARIABLES if each.owner == "job")


_OF_JOB, _OF_PROVIDER, _OF_MODEL = (
    tuple((each.name, each.read) for each in VARIABLES if each.owner == owner)
    for owner in ("job", "provider", "model")
)


def job_facts(job: JobFeatures) -> dict[str, Any]:
    return {name: read(job) for name, read in _OF_JOB}


def pair_facts(provider: CatalogProvider, model: CatalogModel) -> dict[str, Any]:
    facts = {name: read(provider) for name, read in _OF_PROVIDER}
    facts.update((name, read(model)) for name, read in _OF_MODEL)
    return facts
