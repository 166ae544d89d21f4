"""Which providers and models there are, what they can do, where they stand, and what they cost.

Facts are dated and have a source. A price is an integer of micro-dollars per million tokens; a model without a
price is refused by the engine, never taken for free.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from schemas.sensitivity import Sensitivity
from schemas.submission import Region
from schemas.tokenizers import BASE, FAMILIES, factor

ANY_LANGUAGE = "*"

_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,62}$")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name; use lower-case letters, digits, '.', '_' and '-'")
    return value


Name = Annotated[str, AfterValidator(_name)]


class _Fact(BaseModel):
    # Without inputs in errors: somebody may have written a key where its name belongs.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class ProviderKind(StrEnum):
    API = "api"
    SELF_HOSTED = "self_hosted"


class PriceTier(StrEnum):
    """What kind of price it is: cheaper ones are slower, or may be taken away."""

    LIST = "list"
    FLEX = "flex"
    BATCH = "batch"
    SELF_HOSTED = "self_hosted"


class Price(_Fact):
    input_usd_micros_per_mtok: int = Field(ge=0, le=10**12)
    output_usd_micros_per_mtok: int = Field(ge=0, le=10**12)
    source: str = Field(min_length=1)
    checked: date
    tier: PriceTier = PriceTier.LIST

    @model_serializer(mode="wrap")
    def _without_unsaid(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A list price is written, and so digested, as it was before there were others."""
        written: dict[str, Any] = serialize(self)
        return {name: value for name, value in written.items() if name != "tier" or value != PriceTier.LIST}

    def cost_usd_micros(self, input_tokens: int, output_tokens: int) -> int:
        """Rounded up: a call that used tokens never costs nothing, unless its price says so."""
        total = (
            input_tokens * self.input_usd_micros_per_mtok + output_tokens * self.output_usd_micros_per_mtok
        )
        return -(-total // 1_000_000)


class DataTerms(_Fact):
    """What the provider may do with what it is sent."""

    retention_days: int = Field(ge=0)
    trains_on_data: bool
    source: str = Field(min_length=1)
    checked: date


class Limits(_Fact):
    """What the provider allows in a minute, over all workers and hosts; none where it is not given."""

    requests_per_minute: int | None = Field(default=None, ge=1, le=10**9)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=10**12)
    """Input and expected output together, in o200k tokens."""


class LatencyPrior(_Fact):
    """What a call takes before there are observations."""

    base_ms: int = Field(default=800, ge=0)
    ms_per_input_token: float = Field(default=0.2, ge=0)
    ms_per_output_token: float = Field(default=15.0, ge=0)

    def expected_ms(self, input_tokens: int, output_tokens: int) -> int:
        return round(
            self.base_ms + input_tokens * self.ms_per_input_token + output_tokens * self.ms_per_output_token
        )


class CatalogModel(_Fact):
    name: Name
    version: str = Field(min_length=1)
    """The exact model version that is asked for on the wire."""
    context_tokens: int = Field(gt=0)
    """Input and output together, in the model's own tokens."""
    max_output_tokens: int = Field(gt=0)
    json_schema: bool
    """Whether it can be held to a JSON schema."""
    languages: tuple[str, ...] = (ANY_LANGUAGE,)
    modalities: tuple[str, ...] = ("text",)
    quality: float = Field(ge=0, le=1)
    """Prior, 0..1: the share of reviews that a careful person would accept."""
    tokenizer: str | None = None
    """The family of its tokenizer, as `cl100k` or `llama3` (`schemas.tokenizers`); none: o200k, or the factor below."""
    tokens_per_o200k: float = Field(default=1.0, gt=0, le=4)
    """This model's tokens for one token of o200k, on ordinary text. Where it is not given, its family's."""
    price: Price | None = None
    latency: LatencyPrior = LatencyPrior()
    max_findings: int | None = Field(default=None, ge=0, le=50)
    """Where given, the answer's schema allows no more: small models that may go on do not stop."""
    answers_by_choice: bool = False
    """Whether the answer's schema offers quotes (the document's own sentences) and confidence (in steps) to choose
    from. For self-hosted models that a grammar holds to the schema letter by letter, and that are too small to copy
    or to keep a number in its range; on short documents only."""
    send_temperature: bool = True
    """Some models take no temperature; then none is sent."""

    @model_validator(mode="before")
    @classmethod
    def _of_its_family(cls, given: Any) -> Any:
        """The family's factor is written into the value, so that a stored catalog says what it meant."""
        if isinstance(given, dict) and given.get("tokenizer") and "tokens_per_o200k" not in given:
            return {**given, "tokens_per_o200k": factor(given["tokenizer"])}
        return given

    @model_validator(mode="after")
    def _known_family(self) -> CatalogModel:
        if self.tokenizer is not None:
            factor(self.tokenizer)
        return self

    @model_serializer(mode="wrap")
    def _without_unsaid(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without a family it is written, and so digested, as it was before there were families."""
        written: dict[str, Any] = serialize(self)
        return {name: value for name, value in written.items() if name != "tokenizer" or value is not None}

    @property
    def counted_in(self) -> str:
        """The family in which documents are to be counted for it, beside o200k; empty: the factor is enough."""
        family = FAMILIES.get(self.tokenizer or BASE)
        is_exact = family is not None and family.is_exact and family.per_o200k == self.tokens_per_o200k
        return self.tokenizer or "" if is_exact and self.tokenizer != BASE else ""

    def own_tokens(self, o200k_tokens: int) -> int:
        return int(o200k_tokens * self.tokens_per_o200k) + 1

    def own_tokens_of(self, document: int, around: int, counted: tuple[tuple[str, int], ...] = ()) -> int:
        """Of a document and what stands around it, both in o200k tokens; `counted` are exact counts of the document
        by family, one of which is used where it is this model's."""
        exact = dict(counted).get(self.counted_in) if counted else None
        return self.own_tokens(document + around) if exact is None else exact + self.own_tokens(around)


def is_named(asked: str, provider: str, model: str) -> bool:
    """Whether `provider/model`, or a model's bare name, is this one.

    >>> is_named("small", "openai", "small"), is_named("local/small", "openai", "small")
    (True, False)
    """
    return asked in (model, f"{provider}/{model}")


class CatalogProvider(_Fact):
    name: Name
    kind: ProviderKind
    adapter: Name
    """Which wire it speaks: `openai`, `anthropic`, `gemini`."""
    base_url: str = Field(pattern=r"^https?://[^\s]+$")
    key: str = "none"
    """Where its worker finds the key: `env:NAME`, `file:PATH`, or `none`. Never the key itself."""
    key_header: str | None = None
    """Overrides the adapter's own, as Azure-style gateways need (`api-key`)."""
    query: dict[str, str] = {}
    """Added to every request's address, such as Azure's `api-version`."""
    simulated: bool = False
    boundary: Sensitivity
    """The highest class of document that it may see."""
    regions: tuple[Region, ...] = Field(min_length=1)
    """Where it processes."""
    data_terms: DataTerms
    ceiling: int = Field(ge=1, le=10_000)
    """Calls in flight, over all workers, that are never exceeded."""
    limits: Limits = Limits()
    timeout_s: float = Field(default=120.0, gt=0, le=3600)
    """For one call, from connecting to the last byte."""
    models: tuple[CatalogModel, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> CatalogProvider:
        names = [model.name for model in self.models]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ValueError(f"provider {self.name!r} names the model {min(doubled)!r} twice")
        if not re.fullmatch(r"none|env:[A-Za-z_][A-Za-z0-9_]*|file:.+", self.key):
            raise ValueError(
                f"the key of provider {self.name!r} must be 'env:NAME', 'file:PATH' or 'none', never a key itself"
            )
        return self

    def model(self, name: str) -> CatalogModel | None:
        return next((model for model in self.models if model.name == name), None)


class Catalog(_Fact):
    providers: tuple[CatalogProvider, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> Catalog:
        names = [provider.name for provider in self.providers]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ValueError(f"the provider {min(doubled)!r} is named twice")
        return self

    def provider(self, name: str) -> CatalogProvider | None:
        return next((provider for provider in self.providers if provider.name == name), None)

    @property
    def simulated(self) -> bool:
        """Whether any provider in it is a pretend one."""
        return any(provider.simulated for provider in self.providers)

    @property
    def counted_in(self) -> tuple[str, ...]:
        """Families of tokenizers, beside o200k, in which documents are to be counted for its models; by name."""
        return tuple(sorted({model.counted_in for each in self.providers for model in each.models} - {""}))
