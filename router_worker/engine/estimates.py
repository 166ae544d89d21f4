"""What serving a job at a candidate is expected to take: money, time of the call, waiting before it.

Tokens are the model's own: counted by its tokenizer, or o200k tokens times the model's factor, rounded up. An answer's
limit is sent as it is, so it is in the model's own tokens already.
"""

from __future__ import annotations

from router_worker.engine.candidates import ONE, Ask, Place, Seat
from schemas.catalog import CatalogModel, Price
from schemas.decision import Estimate


def estimate(ask: Ask, seat: Seat, place: Place, price: Price) -> Estimate:
    model, job = seat.model, ask.job
    input_tokens, output_tokens = ask.tokens_into(model), expected_output(ask, model)
    prior = model.latency.expected_ms(input_tokens, output_tokens)
    call_ms = latency_ms(prior, place)
    return Estimate(
        cost_usd_micros=price.cost_usd_micros(input_tokens, output_tokens),
        worst_cost_usd_micros=ask.attempts * price.cost_usd_micros(input_tokens, job.max_output_tokens),
        latency_ms=call_ms,
        delay_ms=delay_ms(prior, place),
        quality=model.quality,
        shadow_usd_micros=place.shadow_usd_micros_per_s * call_ms // 1000,
    )


def worst_cost_usd_micros(ask: Ask, seat: Seat, price: Price) -> int:
    """All attempts of one step, each with the longest answer."""
    one = price.cost_usd_micros(ask.tokens_into(seat.model), ask.job.max_output_tokens)
    return ask.attempts * one


def expected_output(ask: Ask, model: CatalogModel) -> int:
    return min(ask.job.max_output_tokens, model.own_tokens(ask.job.expected_output_tokens))


def prior_ms(ask: Ask, model: CatalogModel) -> int:
    """The call at the catalog's own speed."""
    return model.latency.expected_ms(ask.tokens_into(model), expected_output(ask, model))


def latency_ms(prior_ms: int, place: Place) -> int:
    """The prior, which knows the size of this job, at the provider's pace of today. Where no pace was observed, half
    the prior and half what jobs there took lately."""
    if place.work_ms is not None:
        return prior_ms * place.pace // ONE
    return prior_ms if place.job_ms is None else (prior_ms + place.job_ms) // 2


def delay_ms(prior_ms: int, place: Place) -> int:
    """The work that is bound there, at today's pace, over the slots that take it. Where no sizes are known, the jobs
    that wait, each as long as jobs there took lately."""
    if place.work_ms is not None:
        return place.work_ms * place.pace // (ONE * place.slots)
    job_ms = prior_ms if place.job_ms is None else place.job_ms
    return place.waiting_jobs * job_ms // place.slots
