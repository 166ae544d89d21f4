"""Every metric of the yard, declared in one place with a bounded set of labels, and the server that shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from schemas.errors import PortInUse

M = TypeVar("M", Counter, Gauge, Histogram)

_CALL_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_STAGE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


@dataclass(frozen=True)
class Metrics:
    """One set a process, over a registry of its own. Each answers the question that its help text asks."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        for name, made in _make(self.registry).items():
            object.__setattr__(self, name, made)

    moves: Counter = field(init=False)
    decided: Counter = field(init=False)
    refusals: Counter = field(init=False)
    attempts: Counter = field(init=False)
    call_seconds: Histogram = field(init=False)
    tokens: Counter = field(init=False)
    cost: Counter = field(init=False)
    in_flight: Gauge = field(init=False)
    slots: Gauge = field(init=False)
    fenced: Counter = field(init=False)
    recovered: Counter = field(init=False)
    bells: Counter = field(init=False)
    stage_seconds: Histogram = field(init=False)
    jobs: Gauge = field(init=False)
    queue: Gauge = field(init=False)
    quotes: Counter = field(init=False)
    breaker: Gauge = field(init=False)
    allowed: Gauge = field(init=False)
    replanned: Counter = field(init=False)
    health: Gauge = field(init=False)
    pace: Gauge = field(init=False)
    _found: dict[tuple[object, tuple[str, ...]], object] = field(default_factory=dict, init=False, repr=False)

    def of(self, metric: M, *labels: str) -> M:
        """The metric with these labels, found once: to look for it takes longer than to count."""
        found = self._found.get((metric, labels))
        if found is None:
            found = self._found[metric, labels] = metric.labels(*labels)
        return cast(M, found)


def _make(registry: CollectorRegistry) -> dict[str, Counter | Gauge | Histogram]:
    def counter(name: str, question: str, *labels: str) -> Counter:
        return Counter(f"classyard_{name}", question, labels, registry=registry)

    def gauge(name: str, question: str, *labels: str) -> Gauge:
        return Gauge(f"classyard_{name}", question, labels, registry=registry)

    def seconds(name: str, question: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"classyard_{name}_seconds", question, labels, buckets=buckets, registry=registry)

    return {
        "moves": counter("job_moves", "How many jobs entered each state?", "state"),
        "decided": counter("decisions", "How did decisions end?", "outcome"),
        "refusals": counter("refusals", "Which rules refuse candidates?", "rule"),
        "attempts": counter("attempts", "How did calls end?", "provider", "model", "outcome"),
        "call_seconds": seconds("call", "How long do calls take?", _CALL_S, "provider", "model"),
        "tokens": counter("tokens", "How many tokens were used?", "provider", "model", "direction"),
        "cost": counter("cost_usd_micros", "What was spent, in micro-dollars?", "provider", "model"),
        "in_flight": gauge("calls_in_flight", "How many calls does this worker have in flight?", "provider"),
        "slots": gauge("slots", "How many calls can this worker have in flight?", "provider"),
        "fenced": counter("fenced_commits", "How many writes of stale workers touched nothing?"),
        "recovered": counter("recovered_jobs", "How many jobs were taken back from lost workers?"),
        "bells": counter("bells", "Were bells rung, or did the broker not take them?", "queue", "outcome"),
        "stage_seconds": seconds("stage", "How long does each stage take?", _STAGE_S, "stage"),
        "jobs": gauge("jobs", "How many open jobs are in each state?", "state"),
        "queue": gauge("queue_jobs", "How many jobs wait for each provider?", "provider"),
        "breaker": gauge(
            "breaker_state", "Is the provider's breaker closed (0), open (1) or half open (2)?", "provider"
        ),
        "allowed": gauge(
            "allowed_calls", "How many calls at once do the ceiling and its 429s leave?", "provider"
        ),
        "replanned": counter(
            "replanned_jobs", "How many jobs went back since a provider was not what it was?", "provider"
        ),
        "health": gauge(
            "provider_health", "Is a provider well (0), slow (1) or failing (2), by its calls?", "provider"
        ),
        "pace": gauge("provider_pace", "How long do calls take, over what the catalog expects?", "provider"),
        "quotes": counter("quotes", "Do quotes stand in their documents?", "provider", "model", "match"),
    }


def serve(metrics: Metrics, host: str, port: int) -> str:
    """Serves `/metrics` from a thread and returns the address. Raises `PortInUse`."""
    try:
        server, _ = start_http_server(port, addr=host, registry=metrics.registry)
    except OSError as error:
        raise PortInUse(
            f"Metrics cannot be served on {host}:{port}: {error.strerror or error}. "
            "Set CLASSYARD_METRICS_PORT to a free port, or to 0 for any."
        ) from error
    return f"{host}:{server.server_port}"
