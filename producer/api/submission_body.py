"""The JSON object of a submission, as a value. Pure: bytes in, a value out, or an `ApiError` that names the field.

    {"review": "…", "requirements": {"deadline": "2h", …}, "idempotency_key": "…", "policy": "…", "webhook": "…",
     "documents": [{"custom_id", "text"}, …] or "file_id": "file-…"}

A field that is not known is an error, so that a slip of the hand weakens nothing. A document that cannot be taken is
rejected as a line is; the others go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from producer.api.asked import NAMES, PREFIX, requirements_of
from producer.api.batches import MAX_KEY_CHARACTERS
from producer.api.errors import ApiError
from producer.sources import unique
from producer.sources.places import Flaw, Found, Place
from producer.sources.records import document_of
from schemas.errors import BadInput
from schemas.submission import Rejection, Requirements, SourceDocument

FIELDS = ("review", "requirements", "documents", "file_id", "idempotency_key", "policy", "webhook")
_REQUIREMENTS = tuple(name for name in NAMES if name not in FIELDS)
_REFERENCES = ("url", "uri", "href", "file_id", "path")


@dataclass(frozen=True, slots=True)
class Given:
    review: str
    requirements: Requirements
    records: list[Any]
    """Empty where a file is named."""
    file_id: str | None
    key: str | None
    policy: str | None
    webhook: str | None

    @contextmanager
    def documents(self) -> Iterator[Iterator[SourceDocument | Rejection]]:
        yield unique(_documents(self.records))


def read_given(data: bytes, parameters: Mapping[str, str], header_key: str | None) -> Given:
    """`parameters` are those of the address, of which an object has none."""
    body = _object(data)
    for name in parameters:
        raise _wrong(name[:60], "Beside a JSON object there are no parameters; put it under 'requirements'.")
    for name in body:
        if name not in FIELDS:
            raise _wrong(name[:60], f"It is not known; there are: {', '.join(FIELDS)}.", "unknown_parameter")
    review = _text(body, "review")
    if review is None:
        raise ApiError(
            400, "Missing required parameter: 'review'.", code="missing_required_parameter", param="review"
        )
    file_id = _text(body, "file_id")
    if (file_id is None) == (body.get("documents") is None):
        raise _wrong("documents", "Give either 'documents' or 'file_id'.", "missing_required_parameter")
    return Given(
        review,
        _requirements(body.get("requirements")),
        [] if file_id else _records(body["documents"]),
        file_id,
        _key(_text(body, "idempotency_key"), header_key),
        _text(body, "policy"),
        _text(body, "webhook"),
    )


def _object(data: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ApiError(
            400,
            f"The body is not JSON: {error.msg} (line {error.lineno:,}, column {error.colno:,}).",
            code="invalid_json",
        ) from error
    if not isinstance(body, dict):
        raise ApiError(400, "The body is JSON, and not an object.", code="invalid_json")
    return body


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not (isinstance(value, str) and value):
        raise _wrong(name, "It must be text in quotes.", "invalid_type")
    return value


def _key(given: str | None, header: str | None) -> str | None:
    if given and len(given) > MAX_KEY_CHARACTERS:
        raise _wrong("idempotency_key", f"It has more than {MAX_KEY_CHARACTERS} characters.")
    if given and header and given != header:
        raise _wrong("idempotency_key", "It differs from the header Idempotency-Key; give one.")
    return given or header


def _requirements(given: Any) -> Requirements:
    """Raises `ApiError` naming `requirements.NAME`."""
    if given is None:
        return Requirements()
    if not isinstance(given, dict):
        raise _wrong("requirements", "It must be an object.", "invalid_type")
    for name in given:
        if name not in _REQUIREMENTS:
            raise _wrong(
                f"requirements.{name[:60]}",
                f"It is not known; there are: {', '.join(_REQUIREMENTS)}.",
                "unknown_parameter",
            )
    asked = {PREFIX + name: _word(name, value) for name, value in given.items() if value is not None}
    try:
        return requirements_of(asked, None)
    except BadInput as error:
        where = f"requirements.{error.where.removeprefix(f'metadata.{PREFIX}')}"
        raise _wrong(where, error.sentence, error.code) from error


def _word(name: str, value: Any) -> str:
    if name == "residency" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    if name == "max_cost" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return format(value, "f")
    if not isinstance(value, str):
        raise _wrong(f"requirements.{name}", "It must be text in quotes.", "invalid_type")
    return value


def _records(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise _wrong("documents", "It must be a list of objects.", "invalid_type")
    for number, one in enumerate(given):
        named = next((name for name in _REFERENCES if isinstance(one, dict) and name in one), None)
        if named and "text" not in one:
            raise _wrong(
                f"documents[{number}].{named}",
                "A document by reference is not fetched: an address that a caller names may lead to machines that only "
                "the yard can reach. Send its text, or upload a file and name it as 'file_id'.",
                "unsupported_parameter",
            )
    return given


def _documents(records: list[Any]) -> Iterator[Found | Rejection]:
    for number, one in enumerate(records):
        place = Place(f"documents[{number}]")
        if isinstance(one, dict):
            yield document_of(one, place)
        else:
            yield place.reject(Flaw("invalid_type", 'It is not an object like {"custom_id": …, "text": …}.'))


def _wrong(name: str, sentence: str, code: str = "invalid_value") -> ApiError:
    return ApiError(400, f"{name}: {sentence}", code=code, param=name)
