"""One job in one slot, as a sentence: prompt, build, send, read, check, decide what comes next, hand in.

Everything here but `send` is pure, and what goes to the writer is a value.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from provider_workers.adapters import Usage, adapter_for
from provider_workers.adapters.room import Room
from provider_workers.call import Caller
from provider_workers.checks.review import check
from provider_workers.hold import Hold
from provider_workers.moves import Ending, Next, Weighed, next_move
from provider_workers.prompt import build_call
from provider_workers.rungs import evidence_on, labels_of, standing_one, told, weigh
from provider_workers.turns import Turns
from provider_workers.writer import Finished
from runtime import failpoints
from runtime.clock import Clock, Ticks
from runtime.metrics import Metrics
from schemas.attempt import Attempt, Fault, FaultKind
from schemas.call import Answer, HttpRequest, Reading
from schemas.canonical import digest
from schemas.catalog import CatalogModel, CatalogProvider
from schemas.changing import changed
from schemas.decision import StepRole
from schemas.job import Job
from schemas.policy import PlanLimits
from schemas.result import CheckedAnswer
from schemas.review import Review
from schemas.rung import RungAnswer, best, result_of

LONG_TEXT = 1_000_000
"""Characters of a document from which on checking its quotes takes long enough to leave the loop for it."""

NUL, ESCAPED_NUL = "\x00", "\\u0000"
"""How an answer can spell what the database cannot hold."""

LONGEST_WORD = 200
"""Characters kept of what a provider says its model is called."""


TAKEN_BACK = Fault(FaultKind.TAKEN_BACK, "It was taken back or cancelled while the call was under way.")


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
    turns: Turns = field(default_factory=Turns)

    async def serve(
        self,
        job: Job,
        text: str,
        review: Review,
        earlier: Sequence[RungAnswer] = (),
        *,
        hold: Hold | None = None,
        tell: Tell = _closed,
    ) -> Served:
        """`job` is in SERVING and counts the call that is made here; `earlier` are the answers that are kept of it. A
        call whose slot is lost is given up."""
        model = self.provider.model(job.model or "")
        if model is None:
            raise UnknownModel(
                f"Its worker's catalog has no model {job.model!r}; router and worker read different ones."
            )
        request = adapter_for(self.provider.adapter).build(
            build_call(review, text, model, sample=step.sample if (step := job.current_step) else 1)
        )
        started, ticks = self.clock(), self.ticks()
        reading, used, room = await self._ask(job, request, hold or Hold())
        latency_ms = round((self.ticks() - ticks) * 1000)
        await self.turns.take()
        checked = await _checked(reading, text, review)
        attempt = self._attempt(job, model, request, reading, used, checked, started, latency_ms)
        ending = checked.report if checked else reading
        assert not isinstance(ending, Answer)
        closed = await tell(Heard(job, ending, latency_ms, room, used.input_tokens + used.output_tokens))
        return self._served(job, reading, checked, attempt, ending, earlier, closed)

    async def _ask(self, job: Job, request: HttpRequest, hold: Hold) -> tuple[Reading, Usage, Room | None]:
        """What the provider said, the tokens that it counts, and what is left of its limits; a reply that is no
        answer is charged as well."""
        with self.metrics.of(self.metrics.in_flight, self.provider.name).track_inprogress():
            failpoints.reach("call.send")
            sent = self.caller.send(request, idempotency_key=f"{job.id}-{job.attempts}")
            reply = await hold.during(sent, job=job.id) or TAKEN_BACK
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
        reading: Reading,
        checked: CheckedAnswer | None,
        attempt: Attempt,
        ending: Ending,
        earlier: Sequence[RungAnswer],
        closed: bool,
    ) -> Served:
        answer, weighed = _weighed(job, reading, checked, attempt, earlier)
        after = next_move(
            _with_cost(job, attempt),
            ending,
            limits=self.limits,
            now=self.clock(),
            jitter=jitter(job),
            breaker_closed=closed,
            weighed=weighed,
            has_earlier=bool(earlier),
        )
        chosen = _chosen(job, after, answer, earlier)
        result = result_of(chosen, job, doubt=after.job.reason) if chosen else None
        self._count(attempt, checked)
        facts = {
            "attempt": attempt.number,
            "cost_usd_micros": attempt.cost_usd_micros,
            "latency_ms": attempt.latency_ms,
            "model": attempt.model,
            "model_reported": attempt.model_reported,
            "model_version": attempt.model_version,
            "outcome": attempt.outcome,
            "provider": self.provider.name,
            "result": digest(result.output) if result else None,
            "simulated": self.provider.simulated,
            "tokens": [attempt.input_tokens, attempt.output_tokens],
        }
        if result and result.attempt != attempt.number:
            facts["result_of_attempt"] = result.attempt
        finished = Finished(
            before=job,
            after=after.job,
            facts=facts,
            attempt=attempt,
            result=result,
            kept=_kept(job, after, answer, chosen),
            labels=labels_of(job, answer, earlier) if answer and after.keep_result else (),
        )
        return Served(finished, after, ending, attempt.latency_ms)

    def _count(self, attempt: Attempt, checked: CheckedAnswer | None) -> None:
        labels = (attempt.provider, attempt.model)
        metrics, of = self.metrics, self.metrics.of
        of(metrics.attempts, *labels, attempt.outcome).inc()
        of(metrics.call_seconds, *labels).observe(attempt.latency_ms / 1000)
        of(metrics.tokens, *labels, "input").inc(attempt.input_tokens)
        of(metrics.tokens, *labels, "output").inc(attempt.output_tokens)
        of(metrics.cost, *labels).inc(attempt.cost_usd_micros)
        for quote in checked.report.quotes if checked else ():
            of(metrics.quotes, *labels, quote.match.value).inc()


def _weighed(
    job: Job,
    reading: Reading,
    checked: CheckedAnswer | None,
    attempt: Attempt,
    earlier: Sequence[RungAnswer],
) -> tuple[RungAnswer | None, Weighed | None]:
    """The call's answer with the evidence on it; none where there is no usable one."""
    if checked is None or checked.output is None or not isinstance(reading, Answer):
        return None, None
    evidence = evidence_on(checked.report, checked.output, reading.mean_logprob, earlier)
    step = job.current_step
    answer = RungAnswer(
        tenant_id=job.tenant_id,
        job_id=job.id,
        attempt=attempt.number,
        lease_token=job.lease_token,
        provider=attempt.provider,
        model=attempt.model,
        model_version=attempt.model_version,
        model_reported=attempt.model_reported,
        simulated=attempt.simulated,
        sample=step.sample if step else 1,
        keep_from=step.keep_from if step else None,
        score=weigh(evidence),
        output=storable(checked.output)
        if NUL in reading.text or ESCAPED_NUL in reading.text
        else checked.output,
        report=replace(checked.report, evidence=weigh(evidence)),
        mean_logprob=reading.mean_logprob,
    )
    return answer, Weighed(answer.score, told(evidence))


def _chosen(
    job: Job, after: Next, answer: RungAnswer | None, earlier: Sequence[RungAnswer]
) -> RungAnswer | None:
    """Whose answer becomes the result; None where the job goes on, or has none."""
    if not after.keep_result:
        return None
    if answer is not None and after.stands:
        return standing_one(job, answer, earlier)
    return best((*earlier, answer) if answer else earlier)


def _kept(job: Job, after: Next, answer: RungAnswer | None, chosen: RungAnswer | None) -> RungAnswer | None:
    """What is kept of this call beside its result: every usable answer of a rung, and one that something follows."""
    step = job.current_step
    on_rung = step is not None and step.role is StepRole.RUNG
    if answer is None or not (on_rung or not after.keep_result):
        return None
    return replace(answer, output=None) if chosen is answer else answer


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
    return changed(job, cost_usd_micros=job.cost_usd_micros + attempt.cost_usd_micros)


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
