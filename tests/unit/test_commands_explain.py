"""The story of a job: read back from stored bytes, checked against its digests, and shown."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from classyard.commands import explain_view, features_view, result_view
from classyard.commands.story import Story, as_rows
from schemas.audit import AuditEvent, chain, event
from schemas.canonical import canonical, digest
from schemas.decision import Candidate, Decision, Estimate, Outcome, Refusal, Score, Step
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.stored import chain_flaw, decision_flaw, decision_of
from tests.engine_values import a_job

BEGUN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOSTILE = "\x1b]0;owned\x07[bold red]evil[/]\u202e\x9b31m"

DECISION = Decision(
    outcome=Outcome.ROUTED,
    reason_code="best",
    reason="sim-swift/swift-1 has the best score.",
    candidates=(
        Candidate(
            "sim-swift",
            "swift-1",
            1,
            estimate=Estimate(300, 1_260, 6_000, 0, 0.6),
            score=Score(863_571, 994_000, 904_471, 600_000, 1_000_000),
        ),
        Candidate("own", "small", None, unavailable=Refusal("full", "It is full.")),
        Candidate(
            "sim-sage", "sage-1", None, refusals=(Refusal("boundary", "It may see internal at most."),)
        ),
    ),
    plan=(Step("sim-swift", "swift-1", 1_260),),
    allowed=("own/small", "sim-swift/swift-1"),
    features_digest="sha256:f",
    policy_digest="sha256:p",
    snapshot_digest="sha256:s",
)
BODY = canonical(DECISION)


def life() -> tuple[Job, list[AuditEvent]]:
    """Accepted, routed by the decision, served, succeeded."""
    job = Job(
        id="01a20986-7ea3-73d8-b3cd-7a839d97fe82",
        tenant_id="default",
        batch_id="01a20986-7ea0-7305-9c10-8513ce4697a6",
        custom_id="c1",
        name="contract.txt",
        document_digest="sha256:" + "d" * 64,
        review_digest="sha256:" + "e" * 64,
        sensitivity=Sensitivity.INTERNAL,
        residency=("eu",),
        quality=Quality.STANDARD,
        lane=Lane.NORMAL,
        deadline_at=None,
        max_cost_usd_micros=50_000,
    )
    events = [event(None, job, at=BEGUN, actor="intake", facts={})]
    job = replace(job, audit_head=events[0].hash)
    moves: list[tuple[JobState, dict[str, Any]]] = [
        (JobState.ROUTED, {"decision": digest(BODY), "provider": "sim-swift", "model": "swift-1"}),
        (JobState.SERVING, {"provider": "sim-swift", "model": "swift-1"}),
        (JobState.SUCCEEDED, {"provider": "sim-swift", "model": "swift-1", "outcome": "answered"}),
    ]
    for number, (state, facts) in enumerate(moves, start=1):
        after = job.moved(state, reason_code="best")
        told = event(job, after, at=BEGUN + timedelta(seconds=number), actor="someone", facts=facts)
        events.append(told)
        job = replace(after, audit_head=told.hash)
    return job, events


def decision_row(**changed: Any) -> dict[str, Any]:
    return {
        "number": 2,
        "body": BODY,
        "digest": digest(BODY),
        "features": b"{}",
        "policy_name": "default",
        "policy_digest": "sha256:p",
        "catalog_digest": "sha256:c",
        "snapshot_digest": "sha256:s",
        "decided_at": BEGUN,
    } | changed


def attempt_row(**changed: Any) -> dict[str, Any]:
    return {
        "number": 1,
        "provider": "sim-swift",
        "simulated": True,
        "model_version": "swift-1-2026",
        "model_reported": "swift-1-2027",
        "outcome": "answered",
        "detail": "",
        "http_status": 200,
        "fenced": False,
        "input_tokens": 1_900,
        "output_tokens": 120,
        "cost_usd_micros": 1_234,
        "latency_ms": 850,
    } | changed


RESULT: dict[str, Any] = {
    "provider": "sim-swift",
    "simulated": True,
    "standing": "doubtful",
    "output": {
        "summary": "Short.",
        "verdict": "needs_attention",
        "confidence": 0.8,
        "findings": [
            {"id": "one", "severity": "high", "quote": "stands", "explanation": "why"},
            {"id": "two", "severity": "low", "quote": "invented", "explanation": "why not"},
        ],
    },
    "checks": {
        "sentence": "1 of 2 quotes do not stand in the document.",
        "quotes": [
            {"finding": 0, "match": "exact", "start": 13, "end": 19},
            {"finding": 1, "match": "absent", "start": None, "end": None},
        ],
    },
}


def story(**changed: Any) -> Story:
    job, events = life()
    whole: dict[str, Any] = {
        "job": job,
        "batch": {"source": "contracts"},
        "document": {"characters": 12_345},
        "review": {"review": "contract-clauses", "version": 1, "title": "Clauses"},
        "decisions": (decision_row(),),
        "attempts": (attempt_row(),),
        "result": RESULT,
        "events": tuple(events),
        "simulated": frozenset({"sim-swift", "sim-sage"}),
    }
    return Story(**whole | changed)


def told(found: Story, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    for part in explain_view.parts(found, width=width):
        console.print(part)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


# -- from bytes to values


def test_a_decision_is_read_back_as_it_was_written() -> None:
    assert decision_of(BODY) == DECISION
    assert canonical(decision_of(BODY)) == BODY


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"outcome": "routed"}'])
def test_other_bytes_are_no_decision_and_end_in_a_sentence(body: bytes) -> None:
    text = told(story(decisions=(decision_row(body=body),)))

    assert "not a decision that this version can read" in text


# -- whether the rows can be believed


def test_a_decision_that_was_changed_is_found_out() -> None:
    _, events = life()
    changed = BODY.replace(b"swift-1", b"swift-9")

    assert decision_flaw(decision_row(), events) is None
    assert "do not match its digest" in str(decision_flaw(decision_row(body=changed), events))
    assert "audit event 2 names" in str(
        decision_flaw(decision_row(body=changed, digest=digest(changed)), events)
    )


def test_a_changed_decision_is_said_loudly() -> None:
    text = told(story(decisions=(decision_row(body=BODY.replace(b"swift-1", b"swift-9")),)))

    assert "This decision was changed after it was made" in text


def test_a_whole_chain_verifies_and_every_tampering_shows() -> None:
    job, events = life()
    at_job = {"version": job.version, "state": job.state.value, "head": job.audit_head}
    forged = canonical({"to": "failed"})
    rewritten = replace(events[3], body=forged, hash=chain(events[3].prev_hash, forged))

    assert chain_flaw(events, **at_job) is None  # type: ignore[arg-type]
    assert "was changed" in str(chain_flaw([*events[:3], replace(events[3], body=forged)], **at_job))  # type: ignore[arg-type]
    assert "3 events" in str(chain_flaw(events[:3], **at_job))  # type: ignore[arg-type]
    assert "missing" in str(chain_flaw([events[0], *events[2:]], **at_job))  # type: ignore[arg-type]
    assert "not the one that the job names" in str(chain_flaw([*events[:3], rewritten], **at_job))  # type: ignore[arg-type]
    assert chain_flaw([], **at_job) is not None  # type: ignore[arg-type]


def test_an_event_that_is_filed_elsewhere_or_unreadable_shows() -> None:
    job, events = life()
    unreadable = replace(events[0], body=b"\xff", hash=chain(events[0].prev_hash, b"\xff"))
    alone = {"version": 1, "state": "accepted"}

    assert chain_flaw(events, version=4, state="failed", head=job.audit_head) is not None
    assert "another job" in str(
        chain_flaw([replace(events[0], job_id="other")], head=events[0].hash, **alone)  # type: ignore[arg-type]
    )
    assert "cannot be read" in str(chain_flaw([unreadable], head=unreadable.hash, **alone))  # type: ignore[arg-type]
    assert "cannot be read" in told(story(events=(unreadable,)))


# -- what is shown


def test_the_story_runs_from_the_document_to_the_last_event() -> None:
    text = told(story())

    parts = [
        "document",
        "review",
        "Decision",
        "Plan:",
        "Calls",
        "Result",
        "History",
        "chain of 4 events verifies",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "12,345 characters" in text
    assert "stays in eu" in text
    assert "at most $0.05" in text
    assert "1: The provider says that swift-1-2027 answered." in text
    assert "sim-swift (simulated)" in text
    assert "Simulated: sim-sage, sim-swift." in text


def test_each_quote_says_whether_and_where_it_stands() -> None:
    text = told(story())

    assert "✓ stands in the document letter by letter, characters 13 to 19" in text
    assert "! not verified: it was not found in the document" in text


def test_a_job_at_its_beginning_has_a_short_story() -> None:
    job, events = life()
    first = replace(job, state=JobState.ACCEPTED, version=1, audit_head=events[0].hash)

    nothing: dict[str, Any] = {"decisions": (), "attempts": (), "result": None, "simulated": frozenset()}
    text = told(story(job=first, events=(events[0],), **nothing))

    assert "none yet" in text
    assert "Simulated" not in text
    assert "chain of 1 event verifies" in text


def test_a_chain_that_does_not_verify_is_said_loudly() -> None:
    _, events = life()

    text = told(story(events=tuple(events[:3])))

    assert "The history does not verify: there are 3 events, and the job is at version 4." in text
    assert "verifies" not in text


def test_a_refused_job_says_why() -> None:
    job, _ = life()
    refused = replace(job, state=JobState.REFUSED, reason_code="boundary", reason="No provider may see that.")

    assert "No provider may see that. [boundary]" in told(story(job=refused))


def test_a_call_whose_outcome_was_not_used_says_so() -> None:
    fenced = attempt_row(outcome="overload", http_status=529, fenced=True, detail="It answered 529.")

    text = " ".join(told(story(attempts=(fenced,)), width=120).split())

    assert "overload 529 not used" in text
    assert "1: It answered 529." in text


@pytest.mark.parametrize("width", [40, 80, 100])
def test_hostile_text_reaches_no_terminal(width: int) -> None:
    job, _ = life()
    output = {
        "summary": HOSTILE,
        "verdict": HOSTILE,
        "confidence": HOSTILE,
        "findings": [{"id": HOSTILE, "severity": HOSTILE, "quote": HOSTILE, "explanation": HOSTILE}],
    }
    found = story(
        job=replace(
            job, name=HOSTILE, custom_id=HOSTILE, reason=HOSTILE, reason_code=HOSTILE, state=JobState.FAILED
        ),
        batch={"source": HOSTILE},
        review={"review": HOSTILE, "title": HOSTILE},
        decisions=(decision_row(policy_name=HOSTILE, body=canonical(replace(DECISION, reason=HOSTILE))),),
        attempts=(attempt_row(model_reported=HOSTILE, detail=HOSTILE, provider=HOSTILE),),
        result=RESULT | {"output": output},
        simulated=frozenset({HOSTILE}),
    )

    text = told(found, width)

    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(text)
    assert max(len(line) for line in text.splitlines()) <= width


def test_an_output_without_the_usual_fields_is_shown_as_far_as_it_goes() -> None:
    console = Console(file=io.StringIO(), width=80)
    for part in result_view.parts(RESULT | {"output": {}, "checks": {}}):
        console.print(part)

    assert "Result" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_rows_as_json_are_ascii_and_keep_the_bytes_that_are_hashed() -> None:
    text = as_rows(story(batch={"source": HOSTILE, "created_at": BEGUN}))

    rows = json.loads(text)
    assert text.isascii()
    assert "\x1b" not in text
    assert digest(rows["decisions"][0]["body"].encode()) == rows["decisions"][0]["digest"]
    assert [one["version"] for one in rows["audit_events"]] == [1, 2, 3, 4]


def test_what_was_read_in_the_document_is_told_without_its_text() -> None:
    features = a_job(
        sensitivity=Sensitivity.RESTRICTED,
        kind="contract",
        tokens=12_345,
        tokens_by_family=(("cl100k", 12_500),),
        pages=30,
        sections=1,
        difficulty=0.378,
        markings=("confidential",),
        personal_data=(("national_id", 2),),
        secrets=(("aws", 1),),
        raised_by=("marking:confidential", "secrets"),
        closed_by=("language:overtime",),
    )

    assert list(features_view.lines(features, Sensitivity.INTERNAL)) == [
        (
            "read as",
            "contract · 12,345 tokens · 12,500 in cl100k · language en · 30 pages · 1 heading · difficulty 0.38",
        ),
        ("found", "marked confidential · 2 national id · 1 secret of aws"),
        ("raised", "from internal to restricted by marking:confidential, secrets"),
        ("closed by", "language:overtime"),
    ]
    assert list(features_view.lines(None, Sensitivity.INTERNAL)) == []
    assert [name for name, _ in features_view.lines(a_job(), Sensitivity.PUBLIC)] == ["read as"]
