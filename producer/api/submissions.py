"""`POST /v1/reviews`: documents come with the request, or in a file that was uploaded before, and are accepted with its
answer.

The body is lines of JSON, CSV or an archive, of any size up to a limit, laid down as it comes (`spool.py`); or one JSON
object that names what is wanted (`submission_body.py`).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request

from producer.api.auth import Caller
from producer.api.batches import MAX_KEY_CHARACTERS
from producer.api.errors import NATIVE, ApiError
from producer.api.files import Submitter
from producer.api.parameters import AskedFor
from producer.api.ring import ring
from producer.api.spool import spooled
from producer.api.state import ApiState, names_now, state_of
from producer.api.submission_body import Given, read_given
from producer.api.taking import Source, Wanted, kept_file, take
from producer.intake.accept import Accepted, NothingAccepted
from runtime.db.stores import files
from schemas.canonical import digest
from schemas.submission import Rejection, Requirements

SHOWN = 100
"""Rejections in an answer."""

JSON = "application/json"
_NAMES = {
    "text/csv": "body.csv",
    "text/tab-separated-values": "body.tsv",
    "application/zip": "body.zip",
    "application/x-zip-compressed": "body.zip",
}
_LINES = frozenset(
    {
        *("", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"),
        *("application/octet-stream", "application/x-www-form-urlencoded", "text/plain", "text/jsonl"),
    }
)
"""A client that says nothing of its body's kind often says one of these all the same."""

router = APIRouter(prefix=NATIVE)


@router.post("", status_code=202)
async def submit(
    request: Request,
    caller: Submitter,
    requirements: AskedFor,
    review: Annotated[
        str | None, Query(max_length=100, description="Of lines, a table or an archive.")
    ] = None,
    webhook: Annotated[
        str | None, Query(max_length=100, description="An endpoint that is told of this batch.")
    ] = None,
    idempotency_key: Annotated[str | None, Header(max_length=MAX_KEY_CHARACTERS)] = None,
) -> dict[str, Any]:
    """202 when all of it is committed. Of lines, tables and archives the requirements are parameters of the address;
    beside an object there are none."""
    state = state_of(request)
    _require_unpacked(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        given = read_given(await request.body(), _parameters(request), idempotency_key)
        wanted = await _wanted(state, given)
        return await _taken(state, caller, await _source(state, caller, given), wanted)
    if review is None:
        raise ApiError(
            400, "Missing required parameter: 'review'.", code="missing_required_parameter", param="review"
        )
    wanted = Wanted(state.reviews(review), await _known(state, requirements), idempotency_key, webhook)
    async with spooled(state, caller.tenant, request.stream()) as file_id:
        return await _taken(state, caller, kept_file(state, file_id, _name(kind)), wanted)


async def _taken(state: ApiState, caller: Caller, source: Source, wanted: Wanted) -> dict[str, Any]:
    try:
        accepted = await take(state, caller.tenant, f"the API, key {caller.key_id}", source, wanted)
    except NothingAccepted as nothing:
        first = _listed(nothing.rejections[:1])
        raise ApiError(
            400, f"{nothing.sentence} {first[0]['sentence'] if first else ''}", code=nothing.code
        ) from None
    ring(state.bells)
    return _answer(accepted)


def _answer(accepted: Accepted) -> dict[str, Any]:
    return {
        "id": accepted.batch_id,
        "accepted": accepted.accepted,
        "rejected": accepted.rejected,
        "rejections": _listed(accepted.rejections[:SHOWN]),
        "repeated": accepted.repeated,
    }


def _listed(rejections: tuple[Rejection, ...]) -> list[dict[str, Any]]:
    return [{"where": one.where, "code": one.code, "sentence": one.sentence} for one in rejections]


async def _known(state: ApiState, wanted: Requirements) -> Requirements:
    """Raises `BadInput` for a model or a tier that there is not."""
    if wanted.model or wanted.tier:
        (await names_now(state)).require(wanted)
    return wanted


# -- lines


def _require_unpacked(request: Request) -> None:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise ApiError(
            415,
            f"A body packed with {coding[:40]!r} is not taken: its size says nothing of what comes out. Send it "
            "as it is, or as a .zip.",
            code="unsupported_encoding",
            param="Content-Encoding",
        )


def _name(kind: str) -> str:
    if kind in _LINES:
        return "body"
    if kind not in _NAMES:
        raise ApiError(
            415,
            f"A body of the type {kind[:60]!r} is not taken. Send lines of JSON (application/x-ndjson), text/csv, "
            "application/zip, or an object (application/json).",
            code="unsupported_type",
            param="Content-Type",
        )
    return _NAMES[kind]


def _parameters(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.query_params.items() if name != "review"}


# -- an object


async def _wanted(state: ApiState, given: Given) -> Wanted:
    _require_policy(state, given.policy)
    return Wanted(
        state.reviews(given.review), await _known(state, given.requirements), given.key, given.webhook
    )


def _require_policy(state: ApiState, asked: str | None) -> None:
    if asked is None:
        return
    policy = state.advice.policy()
    names = (policy.policy, f"{policy.policy} v{policy.version}", digest(policy))
    if asked not in names:
        raise ApiError(
            409,
            f"The policy {asked[:80]!r} is not the one in force; that is {names[1]!r}, {names[2]}. "
            "Nothing was taken: look at what changed, and name this one or none.",
            code="policy_not_in_force",
            param="policy",
        )


async def _source(state: ApiState, caller: Caller, given: Given) -> Source:
    if given.file_id is None:
        return given.documents
    async with state.database.transaction() as connection:
        row = await files.find(connection, caller.tenant, given.file_id)
    if row is None:
        raise ApiError(
            404, f"file_id: No such file: {given.file_id[:80]!r}.", code="not_found", param="file_id"
        )
    return kept_file(state, row["id"], row["filename"])
