"""One job in one slot, as a sentence: prompt, build, send, read, check, decide what comes next, hand in.

Everything here but `send` is pure, and what goes to the writer is a value.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from provider_workers.adapters import Usage, adapter_for
from provider_workers.adapters.room import Room
from provider_workers.call import Caller
from provider_workers.checks.review import check
from provider_workers.hold import Hold
from provider_workers.moves import Ending, Next, next_move
from provider_workers.prompt import build_call
from provider_workers.writer import Finished
from runtime import failpoints
from runtime.clock import Clock, Ticks
from runtime.metrics import Metrics
from schemas.attempt import Attempt, Fault, FaultKind
from schemas.call import Answer, HttpRequest, Reading
from schemas.canonical import digest
from schemas.catalog import CatalogModel, CatalogProvider
from schemas.job import Job
from schemas.policy import PlanLimits
from schemas.result import CheckedAnswer, Result
from schemas.review import Review

LONG_TEXT = 1_000_000
"""Characters of a document from which on checking its quotes takes long enough to leave the loop for it."""

LONGEST_WORD = 200
"""Characters kept of what a provider says its model is called."""


TAKEN_BACK = Fault(FaultKind.TAKEN_BACK, "Its slot was taken back while the call was under way.")


class UnknownModel(Exception):
    """The job was bound to a model that this worker's catalog does not have."""


@dataclass(frozen=True, slots=True)
class Served:
    """What one call came to."""

    finished: Finished
    next: Next
    ending: Ending
    latency_ms: int

    @property
    def attempt_was_given_up(self) -> bool:
        """It says nothing of the provider."""
        return self.ending == TAKEN_BACK


@dataclass(frozen=True, slots=True)
class Heard:
    """What one call says of its provider."""

    job: Job
    ending: Ending
    latency_ms: int
    room: Room | None
    tokens: int
    """That the call took."""


Tell = Callable[[Heard], Awaitable[bool]]
"""Takes in what a call says; returns whether the provider's breaker is closed after it."""


async def _closed(heard: Heard) -> bool:
    return True


@dataclass(frozen=True)
class Server:
    """Serves jobs of one provider. Many at once; it keeps nothing between jobs."""

    provider: CatalogProvider
    caller: Caller
    limits: PlanLimits
    metrics: Metrics
    clock: Clock
    ticks: Ticks

    async def serve(
        self, job: Job, text: str, review: Review, *, hold: Hold | None = None, tell: Tell = _closed
    ) -> Served:
        """`job` is in SERVING and counts the call that is made here. A call whose slot is lost is given up."""
        model = self.provider.model(job.model or "")
        if model is None:
            raise UnknownModel(
                f"Its worker's catalog has no model {job.model!r}; router and worker read different ones."
            )
        request = adapter_for(self.provider.adapter).build(build_call(review, text, model))
        started, ticks = self.clock(), self.ticks()
        reading, used, room = await self._ask(job, request, hold or Hold())
        latency_ms = round((self.ticks() - ticks) * 1000)
        checked = await _checked(reading, text, review)
        attempt = self._attempt(job, model, request, reading, used, checked, started, latency_ms)
        ending = checked.report if checked else reading
        assert not isinstance(ending, Answer)
        closed = await tell(Heard(job, ending, latency_ms, room, used.input_tokens + used.output_tokens))
        return self._served(job, model, reading, checked, attempt, ending, closed)

    async def _ask(self, job: Job, request: HttpRequest, hold: Hold) -> tuple[Reading, Usage, Room | None]:
        """What the provider said, the tokens that it counts, and what is left of its limits; a reply that is no
        answer is charged as well."""
        with self.metrics.in_flight.labels(self.provider.name).track_inprogress():
            failpoints.reach("call.send")
            sent = self.caller.send(request, idempotency_key=f"{job.id}-{job.attempts}")
            reply = await hold.during(sent) or TAKEN_BACK
            failpoints.reach("call.replied")
        if isinstance(reply, Fault):
            return reply, Usage(0, 0), None
        adapter = adapter_for(self.provider.adapter)
        return adapter.read(reply), adapter.usage(reply), adapter.room(reply)

    def _attempt(
        self,
        job: Job,
        model: CatalogModel,
        request: HttpRequest,
        reading: Reading,
        used: Usage,
        checked: CheckedAnswer | None,
        started: datetime,
        latency_ms: int,
    ) -> Attempt:
        outcome, detail = _outcome(reading, checked)
        return Attempt(
            job_id=job.id,
            number=job.attempts,
            lease_token=job.lease_token,
            provider=self.provider.name,
            model=model.name,
            model_version=model.version,
            model_reported=_word(reading.model_reported) if isinstance(reading, Answer) else "",
            simulated=self.provider.simulated,
            started_at=started,
            latency_ms=latency_ms,
            outcome=outcome,
            detail=detail,
            http_status=reading.status if isinstance(reading, Fault) else 200,
            request_digest=digest(request.body),
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cost_usd_micros=(
                model.price.cost_usd_micros(used.input_tokens, used.output_tokens) if model.price else 0
            ),
        )

    def _served(
        self,
        job: Job,
        model: CatalogModel,
        reading: Reading,
        checked: CheckedAnswer | None,
        attempt: Attempt,
        ending: Ending,
        closed: bool,
    ) -> Served:
        after = next_move(
            _with_cost(job, attempt),
            ending,
            limits=self.limits,
            now=self.clock(),
            jitter=jitter(job),
            breaker_closed=closed,
        )
        result = None
        if after.keep_result and checked and checked.output is not None and isinstance(reading, Answer):
            result = self._result(job, model, reading, checked, attempt)
        self._count(attempt, checked)
        facts = {
            "attempt": attempt.number,
            "cost_usd_micros": attempt.cost_usd_micros,
            "latency_ms": attempt.latency_ms,
            "model": model.name,
            "model_reported": attempt.model_reported,
            "model_version": model.version,
            "outcome": attempt.outcome,
            "provider": self.provider.name,
            "result": digest(result.output) if result else None,
            "simulated": self.provider.simulated,
            "tokens": [attempt.input_tokens, attempt.output_tokens],
        }
        finished = Finished(before=job, after=after.job, facts=facts, attempt=attempt, result=result)
        return Served(finished, after, ending, attempt.latency_ms)

    def _result(
        self, job: Job, model: CatalogModel, answer: Answer, checked: CheckedAnswer, attempt: Attempt
    ) -> Result:
        return Result(
            tenant_id=job.tenant_id,
            job_id=job.id,
            lease_token=job.lease_token,
            attempt=attempt.number,
            provider=self.provider.name,
            model=model.name,
            model_version=model.version,
            model_reported=attempt.model_reported,
            simulated=self.provider.simulated,
            output=storable(checked.output),
            report=checked.report,
            mean_logprob=answer.mean_logprob,
        )

    def _count(self, attempt: Attempt, checked: CheckedAnswer | None) -> None:
        labels = (attempt.provider, attempt.model)
        self.metrics.attempts.labels(*labels, attempt.outcome).inc()
        self.metrics.call_seconds.labels(*labels).observe(attempt.latency_ms / 1000)
        self.metrics.tokens.labels(*labels, "input").inc(attempt.input_tokens)
        self.metrics.tokens.labels(*labels, "output").inc(attempt.output_tokens)
        self.metrics.cost.labels(*labels).inc(attempt.cost_usd_micros)
        for quote in checked.report.quotes if checked else ():
            self.metrics.quotes.labels(*labels, quote.match.value).inc()


async def _checked(reading: Reading, text: str, review: Review) -> CheckedAnswer | None:
    if not isinstance(reading, Answer):
        return None
    if len(text) < LONG_TEXT:
        return check(reading.text, text, review.schema_of_answer)
    return await asyncio.to_thread(check, reading.text, text, review.schema_of_answer)


def _outcome(reading: Reading, checked: CheckedAnswer | None) -> tuple[str, str]:
    if isinstance(reading, Fault):
        return reading.kind.value, _word(reading.sentence, 500)
    assert checked is not None
    if checked.output is None:
        return "unusable", checked.report.sentence
    return "answered", checked.report.sentence


def _with_cost(job: Job, attempt: Attempt) -> Job:
    return replace(job, cost_usd_micros=job.cost_usd_micros + attempt.cost_usd_micros)


def jitter(job: Job) -> float:
    """0..1, from the job and the number of its call: spread over jobs, and the same again for the same call."""
    return (zlib.crc32(f"{job.id}/{job.attempts}".encode()) % 1000) / 1000


def _word(text: str, most: int = LONGEST_WORD) -> str:
    """What a stranger wrote, as the database can hold it."""
    return text.replace("\x00", "�")[:most]


def storable(value: Any) -> Any:
    """A parsed answer as PostgreSQL's JSON can hold it: U+0000, which it cannot, becomes U+FFFD."""
    if isinstance(value, str):
        return value.replace("\x00", "�")
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, Mapping):
        return {storable(name): storable(item) for name, item in value.items()}
    return value
