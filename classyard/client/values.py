"""What a yard answers, as frozen values. Fields that a newer yard adds are in `more`; money is in micro-dollars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

import orjson

from classyard.client.problems import BadAnswer

T = TypeVar("T")
Raw = Mapping[str, Any]

FINAL = ("succeeded", "refused", "failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A line that could not become a document of the batch. The others went on."""

    where: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Submitted:
    id: str
    accepted: int
    rejected: int
    rejections: tuple[Rejection, ...]
    """The first of them."""
    repeated: bool
    """Whether it was there already, handed in before with the same key."""
    key: str
    """With it, the same documents can be handed in again and are this batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it stands now."""

    id: str
    review: str
    status: str
    """`open`, `done` or `cancelled`."""
    accepted: int
    rejected: int
    states: Mapping[str, int]
    """Documents by state."""
    requirements: Raw
    created_at: datetime
    finished_at: datetime | None
    retry_of: str | None
    more: Raw

    @property
    def is_open(self) -> bool:
        return self.status == "open"

    @property
    def final(self) -> int:
        """Documents that nothing more happens to."""
        return sum(self.states.get(state, 0) for state in FINAL)

    @property
    def succeeded(self) -> int:
        return self.states.get("succeeded", 0)


@dataclass(frozen=True, slots=True)
class Cancelled:
    id: str
    cancelled: int
    in_flight: int
    """Of these, calls that were under way; they are given up."""


@dataclass(frozen=True, slots=True)
class Retried:
    """What was taken up again, as a batch of its own."""

    id: str
    accepted: int
    retry_of: str


@dataclass(frozen=True, slots=True)
class Quote:
    """Whether words that an answer quotes stand in the document, and where, in characters."""

    finding: int
    match: str
    """`exact`, `normalised`, `close` or `absent`."""
    start: int | None
    end: int | None

    @property
    def is_verified(self) -> bool:
        return self.match in ("exact", "normalised")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one document: an answer that was checked, or the reason why there is none."""

    job_id: str
    custom_id: str
    name: str
    state: str
    reason_code: str | None
    reason: str | None
    provider: str | None
    model: str | None
    simulated: bool
    """Whether a pretend provider answered."""
    output: Raw | None
    """The review's JSON: `summary`, `findings`, `verdict`, `confidence`."""
    standing: str | None
    """`sound`, or `doubtful` where a quote does not stand in the document."""
    quotes: tuple[Quote, ...]
    sensitivity: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd_micros: int
    """Of all calls for this document."""
    attempts: int
    decision_digest: str | None
    more: Raw

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def succeeded(self) -> bool:
        return self.state == "succeeded"

    @property
    def verdict(self) -> str | None:
        return self.output.get("verdict") if self.output else None

    @property
    def findings(self) -> tuple[Raw, ...]:
        return tuple(self.output.get("findings", ())) if self.output else ()


def read(body: bytes, make: Callable[[Raw], T]) -> T:
    """Raises `BadAnswer` where it is not what a yard answers; what it says is not repeated."""
    try:
        found = orjson.loads(body)
        if isinstance(found, dict):
            return make(found)
    except (ValueError, KeyError, TypeError):
        pass
    raise BadAnswer("The answer is not one of a yard's API; check the address, and what stands in between.")


def submitted(key: str) -> Callable[[Raw], Submitted]:
    def made(found: Raw) -> Submitted:
        rejections = tuple(
            Rejection(one["where"], one["code"], one["sentence"]) for one in found["rejections"]
        )
        return Submitted(
            found["id"], found["accepted"], found["rejected"], rejections, bool(found.get("repeated")), key
        )

    return made


def batch(found: Raw) -> Batch:
    finished = found["finished_at"]
    return Batch(
        id=found["id"],
        review=found["review"],
        status=found["status"],
        accepted=found["accepted"],
        rejected=found["rejected"],
        states=MappingProxyType(dict(found["states"])),
        requirements=MappingProxyType(dict(found["requirements"])),
        created_at=datetime.fromisoformat(found["created_at"]),
        finished_at=datetime.fromisoformat(finished) if finished else None,
        retry_of=found["retry_of"],
        more=_more(found, Batch),
    )


def moved(before: Batch) -> Callable[[Raw], Batch]:
    """The batch, with what an event says of it."""

    def made(found: Raw) -> Batch:
        return replace(before, status=found["status"], states=MappingProxyType(dict(found["states"])))

    return made


def cancelled(found: Raw) -> Cancelled:
    return Cancelled(found["id"], found["cancelled"], found["in_flight"])


def retried(found: Raw) -> Retried:
    return Retried(found["id"], found["accepted"], found["retry_of"])


def result(found: Raw) -> Result:
    output = found["output"]
    quotes = (found["checks"] or {}).get("quotes", ())
    return Result(
        job_id=found["job_id"],
        custom_id=found["custom_id"],
        name=found["name"],
        state=found["state"],
        reason_code=found["reason_code"] or None,
        reason=found["reason"] or None,
        provider=found["provider"],
        model=found["model"],
        simulated=bool(found["simulated"]),
        output=MappingProxyType(output) if output else None,
        standing=found["standing"],
        quotes=tuple(Quote(one["finding"], one["match"], one.get("start"), one.get("end")) for one in quotes),
        sensitivity=found["sensitivity"],
        input_tokens=found["input_tokens"],
        output_tokens=found["output_tokens"],
        cost_usd_micros=found["cost_usd_micros"],
        attempts=found["attempts"],
        decision_digest=found["decision_digest"],
        more=_more(found, Result),
    )


def _more(found: Raw, kind: type[Batch | Result]) -> Raw:
    return MappingProxyType({name: value for name, value in found.items() if name not in kind.__slots__})
