"""What a pretend provider does with one call: a pure function of profile, request, seed and place in time.

The rule of this file: the same values give the same reply. What belongs to the answer is drawn from the seed
and the request's digest; what belongs to the moment (the fault, the latency) also from how often the same
request came before, so that a retry can succeed and a whole run can be played again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from simulator.instances import Schema, minimal
from simulator.profiles import FaultKind, Profile
from simulator.reviews import invent_quote, is_review, review

CHARACTERS_PER_TOKEN = 4
MODEL_SUFFIX = "@sim-1"

_ERRORS = {
    FaultKind.RATE_LIMITED: (429, "The pretend provider takes no more calls now; try again later."),
    FaultKind.SERVER_ERROR: (500, "The pretend provider had an internal error."),
    FaultKind.UNAVAILABLE: (503, "The pretend provider is overloaded."),
}
DECLINED = "The pretend model declines this document."
_SILENT = (FaultKind.HANG, FaultKind.APPLIED_HANG)


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What a reply depends on, the same for every wire."""

    digest: bytes
    """sha256 of the body as it came."""
    provider: str
    """The name of the provider asked, so that two alike do not fail at the same calls."""
    model: str
    """The model asked for."""
    document: str
    """The text between the document marks; empty where there is none."""
    prompt_characters: int
    schema: Schema | None
    """The JSON schema that the answer must keep; None for plain text."""
    max_output_tokens: int | None = None
    repeat: int = 0
    """How many calls with the same body came before."""
    tool: str = ""
    """The tool whose input the answer is (Anthropic wire); empty for an answer in text."""
    top_logprobs: int | None = None
    """How many alternatives per token are asked for; None where log-probabilities are not."""

    @property
    def input_tokens(self) -> int:
        return -(-self.prompt_characters // CHARACTERS_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class SimulatedReply:
    latency_ms: float
    status: int
    """The HTTP status; 0 when nothing is ever sent."""
    headers: tuple[tuple[str, str], ...]
    text: str
    """The answer, or the sentence of an error; empty when nothing is ever sent."""
    input_tokens: int
    output_tokens: int
    """0 where the call was not applied."""
    fault: FaultKind
    is_cut_off: bool = False
    """Whether the answer was longer than `max_output_tokens`, and ends there."""

    @property
    def is_applied(self) -> bool:
        """Whether the work was done, and is to be paid for, sent or not."""
        return self.fault not in _ERRORS and self.fault is not FaultKind.HANG

    @property
    def is_silent(self) -> bool:
        return self.fault in _SILENT


def reply(
    profile: Profile, request: RequestFacts, *, seed: int, call_number: int, elapsed_s: float
) -> SimulatedReply:
    """The reply to one call. `call_number` counts from 1 per provider, `elapsed_s` from its coming up."""
    draws = _draws(profile, request, seed)
    fault = _fault(profile, draws.fault)
    slowness = _drift(profile, call_number, elapsed_s) * _spread(profile.jitter, draws)
    if fault is FaultKind.HANG:
        return SimulatedReply(0.0, 0, (), "", 0, 0, fault)
    if fault in _ERRORS:
        wait_s = profile.retry_after_s if profile.tells_wait else None
        return refusal(fault, latency_ms=profile.base_ms * slowness, retry_after_s=wait_s)
    text = DECLINED if fault is FaultKind.CONTENT_REFUSED else _answer(profile, request, seed, fault)
    whole_tokens = tokens_of(text)
    limit = request.max_output_tokens or whole_tokens
    output_tokens = min(whole_tokens, limit)
    work_ms = request.input_tokens * profile.ms_per_input_token + output_tokens * profile.ms_per_output_token
    return SimulatedReply(
        latency_ms=(profile.base_ms + work_ms) * slowness,
        status=0 if fault is FaultKind.APPLIED_HANG else 200,
        headers=(),
        text="" if fault is FaultKind.APPLIED_HANG else text[: output_tokens * CHARACTERS_PER_TOKEN],
        input_tokens=request.input_tokens,
        output_tokens=output_tokens,
        fault=fault,
        is_cut_off=whole_tokens > limit,
    )


def refusal(
    fault: FaultKind, *, latency_ms: float = 0.0, retry_after_s: float | None = 1.0
) -> SimulatedReply:
    """The reply to a call that was not applied; a 429 says when to come back, in s and in ms, unless it is None."""
    status, sentence = _ERRORS[fault]
    headers: tuple[tuple[str, str], ...] = ()
    if fault is FaultKind.RATE_LIMITED and retry_after_s is not None:
        wait_ms = math.ceil(retry_after_s * 1000)
        headers = (("retry-after", str(math.ceil(retry_after_s))), ("retry-after-ms", str(wait_ms)))
    return SimulatedReply(latency_ms, status, headers, sentence, 0, 0, fault)


def tokens_of(text: str) -> int:
    """A token is counted as four characters, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


class _Draws(NamedTuple):
    """Numbers in 0..1, the end not included."""

    fault: float
    radius: float
    angle: float


_NO_DRAWS = _Draws(0.0, 0.0, 0.0)


def _draws(profile: Profile, request: RequestFacts, seed: int) -> _Draws:
    if not profile.jitter and not profile.fault_ladder:
        return _NO_DRAWS
    data = sha256(f"{seed}:{request.provider}:{request.repeat}:".encode() + request.digest).digest()
    return _Draws(*(int.from_bytes(data[i : i + 6], "big") / 2**48 for i in (0, 6, 12)))


def _fault(profile: Profile, draw: float) -> FaultKind:
    """The rung of the ladder of shares that the draw falls on."""
    height = 0.0
    for kind, share in profile.fault_ladder:
        height += share
        if draw < height:
            return kind
    return FaultKind.NONE


def _drift(profile: Profile, call_number: int, elapsed_s: float) -> float:
    by_calls = profile.drift_after_calls is not None and call_number > profile.drift_after_calls
    by_time = profile.drift_after_s is not None and elapsed_s >= profile.drift_after_s
    return profile.drift_factor if by_calls or by_time else 1.0


def _spread(jitter: float, draws: _Draws) -> float:
    """A log-normal factor with median 1 (Box and Muller's way to a normal number)."""
    if not jitter:
        return 1.0
    normal = math.sqrt(-2 * math.log(1 - draws.radius)) * math.cos(2 * math.pi * draws.angle)
    return math.exp(jitter * normal)


def _answer(profile: Profile, request: RequestFacts, seed: int, fault: FaultKind) -> str:
    if request.schema is None:
        return f"Simulated answer to a prompt of {request.prompt_characters} characters."
    value = _value(profile, request, request.schema, seed)
    if fault is FaultKind.INVENTED_QUOTE and isinstance(value, dict):
        value = invent_quote(value, request.document)
    if fault is FaultKind.SCHEMA_VIOLATION:
        value = _broken(value, request.schema)
    text = orjson.dumps(value).decode()
    return "Here is the answer:\n" + text[: len(text) * 2 // 3] if fault is FaultKind.INVALID_JSON else text


def _value(profile: Profile, request: RequestFacts, schema: Schema, seed: int) -> Any:
    if is_review(schema):
        return review(request.document, schema, quality=profile.quality, seed=str(seed))
    return minimal(schema)


def _broken(value: Any, schema: Schema) -> Any:
    """A value that the schema forbids: without what it requires first, or of another type."""
    required = schema.get("required")
    if isinstance(value, dict) and required:
        return {key: item for key, item in value.items() if key != required[0]}
    return [] if isinstance(value, dict) else {"violates": "the schema"}
