"""The life of a job, as a table. The code, the database's own check, the tests and the drawing in the docs all read it.

Rules: a job is in exactly one state. Every change of state raises its version by one and writes one audit event.
A final state never changes, and nothing else about a final job does either.
"""

from __future__ import annotations

from enum import StrEnum

from schemas.errors import IllegalTransition


class JobState(StrEnum):
    ACCEPTED = "accepted"
    """Committed and waiting, not bound to a provider."""
    HELD = "held"
    """Could be served, but not now: the reason says what must change (a provider comes back, a budget is raised)."""
    ROUTED = "routed"
    """Bound to a provider and waiting for one of its slots."""
    SERVING = "serving"
    """A slot holds it; a call may be in flight."""
    IN_REVIEW = "in_review"
    """A person decides."""
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    """No provider may serve it; every candidate has its reason."""
    FAILED = "failed"
    """It was tried and could not be done; the attempts say why."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"


_S = JobState

EDGES: dict[JobState, frozenset[JobState]] = {
    _S.ACCEPTED: frozenset({_S.ROUTED, _S.HELD, _S.REFUSED, _S.EXPIRED, _S.CANCELLED}),
    _S.HELD: frozenset({_S.ROUTED, _S.REFUSED, _S.EXPIRED, _S.CANCELLED}),
    # To SUCCEEDED where its time is over and an earlier rung of its ladder has answered.
    _S.ROUTED: frozenset({_S.SERVING, _S.ACCEPTED, _S.SUCCEEDED, _S.EXPIRED, _S.CANCELLED}),
    _S.SERVING: frozenset(
        {
            _S.SERVING,
            _S.ROUTED,
            _S.ACCEPTED,
            _S.IN_REVIEW,
            _S.SUCCEEDED,
            _S.FAILED,
            _S.EXPIRED,
            _S.CANCELLED,
        }
    ),
    _S.IN_REVIEW: frozenset({_S.SUCCEEDED, _S.FAILED, _S.EXPIRED, _S.CANCELLED}),
    _S.SUCCEEDED: frozenset(),
    _S.REFUSED: frozenset(),
    _S.FAILED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.CANCELLED: frozenset(),
}

FINAL: frozenset[JobState] = frozenset(state for state, after in EDGES.items() if not after)

INITIAL = JobState.ACCEPTED


def require_edge(before: JobState, after: JobState) -> None:
    """Raises `IllegalTransition` when the table has no edge from `before` to `after`."""
    if after not in EDGES[before]:
        raise IllegalTransition(f"A job cannot go from {before.value!r} to {after.value!r}.")


def drawing() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", f"    [*] --> {INITIAL.name}"]
    lines += [f"    {a.name} --> {b.name}" for a in JobState for b in JobState if b in EDGES[a]]
    lines += [f"    {state.name} --> [*]" for state in JobState if state in FINAL]
    return "\n".join(lines) + "\n"
