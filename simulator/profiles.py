"""What a pretend provider is like: its speed, its faults, its limits and how much it finds.

A profile is a frozen value. Tests tweak one with a string: `flaky:rate_500=0.5,base_ms=0`. Faults exclude
each other: a call has one at most, so the rates of one profile add up to 1 at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from schemas.errors import BadConfiguration


class FaultKind(StrEnum):
    """What goes wrong with one call, as the provider knows it."""

    NONE = "none"
    RATE_LIMITED = "rate_limited"
    """429, by its rate or because a limit of the profile is passed; with a Retry-After unless `tells_wait` is 0."""
    SERVER_ERROR = "server_error"
    """500."""
    UNAVAILABLE = "unavailable"
    """503, and 529 on the Anthropic wire."""
    HANG = "hang"
    """Nothing is ever sent, and the call was not applied."""
    APPLIED_HANG = "applied_hang"
    """The call is applied (done, and to be paid for), and nothing is ever sent."""
    CUT_BODY = "cut_body"
    """The call is applied; half the body is sent, then the connection ends."""
    INVALID_JSON = "invalid_json"
    """The answer is prose and a piece of JSON."""
    SCHEMA_VIOLATION = "schema_violation"
    """The answer is JSON that breaks the schema asked for."""
    INVENTED_QUOTE = "invented_quote"
    """The answer quotes words that do not stand in the document."""
    CONTENT_REFUSED = "content_refused"
    """The model declines the document, in the way of its wire; the call is applied."""


class FaultRate(NamedTuple):
    kind: FaultKind
    field: str
    """The profile's field that holds the share of calls, 0 to 1."""


FAULT_RATES = (
    FaultRate(FaultKind.RATE_LIMITED, "rate_429"),
    FaultRate(FaultKind.SERVER_ERROR, "rate_500"),
    FaultRate(FaultKind.UNAVAILABLE, "rate_503"),
    FaultRate(FaultKind.HANG, "rate_hang"),
    FaultRate(FaultKind.APPLIED_HANG, "rate_applied_hang"),
    FaultRate(FaultKind.CUT_BODY, "rate_cut_body"),
    FaultRate(FaultKind.INVALID_JSON, "rate_invalid_json"),
    FaultRate(FaultKind.SCHEMA_VIOLATION, "rate_schema_violation"),
    FaultRate(FaultKind.INVENTED_QUOTE, "rate_invented_quote"),
    FaultRate(FaultKind.CONTENT_REFUSED, "rate_content_refused"),
)
_SHARES = (*(rate.field for rate in FAULT_RATES), "quality")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Latency is `(base + input + output) x drift`, spread log-normally by `jitter`; errors take the base."""

    name: str
    base_ms: float = 0.0
    ms_per_input_token: float = 0.0
    ms_per_output_token: float = 0.0
    jitter: float = 0.0
    """Sigma of the logarithm of the latency: 0 is steady, 0.3 is lively."""
    quality: float = 1.0
    """Share of the known findings that it finds, 0 to 1."""

    rate_429: float = 0.0
    rate_500: float = 0.0
    rate_503: float = 0.0
    rate_hang: float = 0.0
    rate_applied_hang: float = 0.0
    rate_cut_body: float = 0.0
    rate_invalid_json: float = 0.0
    rate_schema_violation: float = 0.0
    rate_invented_quote: float = 0.0
    rate_content_refused: float = 0.0
    retry_after_s: float = 1.0
    """What a 429 by `rate_429` or by `max_concurrency` asks the caller to wait."""
    tells_wait: int = 1
    """0: a 429 does not say when to come back."""
    tells_limits: int = 0
    """1: replies carry the headers of the wire that say what is left of `requests_per_minute`."""
    hang_s: float = 3600.0
    """After this long a hanging call is dropped without an answer."""

    requests_per_minute: int | None = None
    burst_requests: int | None = None
    """How many calls may come at once under `requests_per_minute`; None: ten seconds' worth."""
    max_concurrency: int | None = None
    """Calls in flight above this are answered with 429."""

    drift_after_calls: int | None = None
    drift_after_s: float | None = None
    drift_factor: float = 1.0
    """What the latency is multiplied by once either mark is passed."""

    fault_ladder: tuple[tuple[FaultKind, float], ...] = field(init=False, repr=False, compare=False)
    """The faults that can happen with their shares of calls, in a fixed order; made from the rates."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.init:
                _check(self.name, each.name, getattr(self, each.name))
        shares = ((rate.kind, getattr(self, rate.field)) for rate in FAULT_RATES)
        object.__setattr__(self, "fault_ladder", tuple((kind, share) for kind, share in shares if share))
        total = sum(share for _, share in self.fault_ladder)
        if total > 1.0 + 1e-9:
            raise BadConfiguration(
                f"The fault rates of profile {self.name!r} add up to {total:g}; a call has one fault, "
                "so make them add up to 1 or less.",
            )

    def settings(self) -> dict[str, str | float | int | None]:
        """What can be set, by name: what a string such as `flaky:rate_500=0.5` may change, and the name."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.init}


def _check(profile: str, name: str, value: object) -> None:
    if not isinstance(value, (int, float)):
        return
    if not 0 <= value < float("inf"):
        raise BadConfiguration(
            f"{name} of profile {profile!r} is {value!r}; it cannot be below 0 or endless."
        )
    if name in _SHARES and value > 1:
        raise BadConfiguration(f"{name} of profile {profile!r} is {value!r}; it is a share, 0 to 1.")


_SHIPPED = (
    Profile(name="instant"),
    Profile(
        name="fast-cheap",
        base_ms=120,
        ms_per_input_token=0.02,
        ms_per_output_token=2,
        jitter=0.2,
        quality=0.75,
    ),
    Profile(
        name="strong-slow",
        base_ms=600,
        ms_per_input_token=0.08,
        ms_per_output_token=12,
        jitter=0.25,
        quality=0.98,
    ),
    Profile(
        name="flaky",
        base_ms=120,
        ms_per_input_token=0.02,
        ms_per_output_token=2,
        jitter=0.4,
        quality=0.75,
        rate_429=0.05,
        rate_500=0.05,
        rate_503=0.03,
        rate_hang=0.01,
        rate_applied_hang=0.01,
        rate_cut_body=0.02,
        rate_invalid_json=0.03,
        rate_schema_violation=0.03,
        rate_invented_quote=0.03,
        hang_s=120,
    ),
    Profile(
        name="throttled",
        base_ms=150,
        ms_per_output_token=2,
        jitter=0.2,
        quality=0.9,
        requests_per_minute=120,
        max_concurrency=8,
    ),
    Profile(
        name="drifting",
        base_ms=150,
        ms_per_output_token=1,
        jitter=0.2,
        quality=0.9,
        drift_after_calls=200,
        drift_factor=4,
    ),
)
PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _SHIPPED})
"""The profiles that ship, by name."""

_TYPES = {each.name: str(each.type) for each in fields(Profile) if each.init and each.name != "name"}


def parse_profile(spec: str) -> Profile:
    """A shipped profile, with changes: `flaky` or `flaky:rate_500=0.5,drift_after_s=none`.

    The value keeps the name of the profile that it comes from. Raises `BadConfiguration` with a sentence that
    names the wrong part and what may stand there.
    """
    name, _, changes = spec.strip().partition(":")
    if name not in PROFILES:
        raise BadConfiguration(f"There is no profile {name!r}; there are {', '.join(PROFILES)}.")
    pairs = (pair for pair in changes.split(",") if pair.strip())
    changed: dict[str, Any] = dict(_change(pair, spec=spec) for pair in pairs)
    return replace(PROFILES[name], **changed)


def _change(pair: str, *, spec: str) -> tuple[str, float | int | None]:
    key, equals, text = (part.strip() for part in pair.partition("="))
    if not equals:
        raise BadConfiguration(f"{pair.strip()!r} in profile {spec!r} is not of the form key=value.")
    if key not in _TYPES:
        raise BadConfiguration(f"A profile has no {key!r} (in {spec!r}); it has {', '.join(sorted(_TYPES))}.")
    return key, _number(key, text, spec=spec)


def _number(key: str, text: str, *, spec: str) -> float | int | None:
    kind = _TYPES[key]
    if "None" in kind and text.lower() == "none":
        return None
    try:
        return int(text) if kind.startswith("int") else float(text)
    except ValueError:
        wanted = "a whole number" if kind.startswith("int") else "a number"
        raise BadConfiguration(f"{key} in profile {spec!r} is {text!r}; it must be {wanted}.") from None
