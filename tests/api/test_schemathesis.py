"""The API does what its document says, whatever is sent: no error of ours, no status and no body that is not there.

Cases are made from the document, half of them with mistakes in them, and sent over a real socket to a yard with work
in it. `CLASSYARD_FUZZ_CASES` says how many an operation gets; the suite tries a few, `make fuzz` many thousand.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from producer.api.app import routed
from producer.api.errors import PROBLEMS
from producer.api.lines import CHAT, ENDPOINTS
from producer.api.native import events
from producer.api.openapi import document
from runtime.config_files import packaged
from tests.api.live import Live, live

pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),  # not ours
]

CASES = int(os.environ.get("CLASSYARD_FUZZ_CASES", "16"))
"""Of each operation."""
TOGETHER = 8
"""At once: what is asked for side by side must not fail either."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

SCHEMA = schemathesis.openapi.from_dict(document(routed()), config=schemathesis.Config())
OPERATIONS = {operation.ok().label: operation.ok() for operation in SCHEMA.get_all_operations()}
LABELS = sorted(OPERATIONS, key=lambda label: (label.startswith("DELETE"), label))
"""What takes away comes last: the others are to find something."""

SLOW = {"POST /v1/messages/batches": 4}
"""Operations with fewer cases, by how much: their bodies take long to make up."""

AWAITED = {f"POST {path}" for path in ENDPOINTS}
"""Nobody reviews documents here: what is waited for does not come in time."""

seen: Counter[str] = Counter()


@pytest.fixture(scope="module")
def there(services: Any) -> Iterator[Live]:
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute("create database fuzzed template template_yard")
    before, events.LONGEST_S = events.LONGEST_S, 0.2  # a stream of progress is to come to its end
    try:
        with live(services.named("fuzzed")) as found:
            yield found
    finally:
        events.LONGEST_S = before


@pytest.mark.timeout(0 if CASES > 100 else 120)
@pytest.mark.parametrize("label", LABELS)
def test_an_operation_does_what_its_document_says(label: str, there: Live) -> None:
    operation = OPERATIONS[label]
    cases = st.one_of(
        operation.as_strategy(GenerationMode.POSITIVE), operation.as_strategy(GenerationMode.NEGATIVE)
    )

    @settings(
        max_examples=max(1, CASES // TOGETHER // SLOW.get(label, 1)),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if CASES > 100 else (Phase.generate,),
        report_multiple_bugs=False,
    )
    @given(found=st.lists(cases, min_size=TOGETHER // 2, max_size=TOGETHER), chosen=st.data())
    def one(found: list[Any], chosen: st.DataObject) -> None:
        real = [_point_at_something(case, chosen, there.known) for case in found]
        for case, is_real, response in zip(found, real, senders.map(send, found), strict=True):
            seen[f"{label} {response.status_code}"] += 1
            is_free = is_real or _has_surplus(case) or _is_partly_taken(response)
            checks = CHECKS[1:] if label in AWAITED and response.status_code == 504 else CHECKS
            checks = [*checks, *([] if is_free else [negative_data_rejection])]
            case.validate_response(response, checks=checks, headers=there.headers)

    def send(case: Any) -> Any:
        return case.call(base_url=there.address, headers=there.headers, timeout=60)

    with ThreadPoolExecutor(TOGETHER) as senders:
        one()
    if told := os.environ.get("CLASSYARD_FUZZ_COUNTS"):
        with Path(told).open("a") as file:
            file.writelines(f"{count} {name}\n" for name, count in seen.items())
    seen.clear()


def _has_surplus(case: Any) -> bool:
    """Parameters and fields of forms that are not known are passed over where the shape is OpenAI's, as OpenAI does."""
    if case.media_type == "multipart/form-data":
        return True
    known = {one["name"] for one in case.operation.definition.raw.get("parameters", ())}
    return not case.operation.path.startswith(PROBLEMS) and not set(case.query or {}) <= known


def _is_partly_taken(response: Any) -> bool:
    """A document that cannot be taken is rejected by itself."""
    return bool(response.status_code == 202 and response.json().get("rejected"))


def _zip(texts: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return packed.getvalue()


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_LINES = st.lists(
    st.fixed_dictionaries(
        {"custom_id": st.text(min_size=1, max_size=20), "text": st.text(min_size=1, max_size=200)},
        optional={"name": _VALUES, "surprise": _VALUES},
    )
    | _VALUES,
    max_size=5,
).map(lambda lines: "\n".join(json.dumps(line) for line in lines))
_LINES |= st.just('{"custom_id": "a", "text": "A contract."}\n{"custom_id": "b", "text": "Another."}')


_POLICIES = [packaged("policies", "default.yaml").read_text(), "policy: mine\nversion: 1\n"]


_PACKED = [_zip({}), _zip({"a.txt": "A contract.", "b/c.txt": "Another."}), b"PK\x03\x04"]
_TABLES = ["id,text\n1,One.\n2,Two.\n", "custom_id,text,name\na,One.,\nb\n", "text\nOne.\n", ""]


def _point_at_something(case: Any, chosen: st.DataObject, known: dict[str, list[str]]) -> bool:
    """Three cases in four name what is there; a case with a wrong name would come no further than 404.

    Half of them hold little else, since one thing that is wrong hides all behind it.
    """
    if not chosen.draw(st.integers(0, 3)):
        return False
    path, body, query, is_bare = case.operation.path, case.body, case.query or {}, chosen.draw(st.booleans())
    for name in case.path_parameters or {}:
        if (there := known.get(f"{path}:{name}") or known.get(name)) is not None:
            case.path_parameters[name] = chosen.draw(st.sampled_from(there))
    if is_bare:
        kept = {"review", *chosen.draw(st.lists(st.sampled_from(sorted({"", *map(str, query)})), max_size=1))}
        case.query = query = {name: value for name, value in query.items() if name in kept}
    for name in query:
        if name in _KNOWN_TEXTS:
            query[name] = _KNOWN_TEXTS[name]
        elif name == "webhook":
            query[name] = chosen.draw(st.sampled_from(known["endpoint_id"]))
    if isinstance(body, dict) and (fields := _FIELDS.get(path)) is not None:
        case.body = ({} if is_bare else body) | fields(chosen, known)
        case.query = {} if is_bare else query  # beside a body that says it all there is none
    elif isinstance(body, (str, bytes)):
        if is_bare and path.startswith("/v1/reviews"):
            query["review"] = "clauses"
        case.body = _bytes(path, case.media_type, body, chosen)
    return True


_KNOWN_TEXTS = {
    "review": "clauses", "deadline": "2h", "max_cost": "1.00", "residency": "eu", "model": "one", "tier": "usual",
}  # fmt: skip

Fields = dict[str, Any]
Known = dict[str, list[str]]

_ODD = ["", "\0", [{"type": "text", "text": "A contract."}], None]
_TEXTS = st.just("A contract.") | st.sampled_from(_ODD)
_MODELS = st.just("review:clauses") | st.sampled_from(["clauses", "auto", "one", "tier:usual"])


def _batch(chosen: st.DataObject, known: Known) -> Fields:
    file_id = chosen.draw(st.sampled_from(known["file_id"]))
    return {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}


def _chat(chosen: st.DataObject, known: Known) -> Fields:
    said = [{"role": "user", "content": chosen.draw(_TEXTS)}]
    return {"model": chosen.draw(_MODELS), "messages": said}


def _response(chosen: st.DataObject, known: Known) -> Fields:
    return {"model": chosen.draw(_MODELS), "input": chosen.draw(_TEXTS)}


def _messages(chosen: st.DataObject, known: Known) -> Fields:
    params = {**_chat(chosen, known), "max_tokens": 99}
    names = chosen.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=2))
    return {"requests": [{"custom_id": name, "params": params} for name in names]}


def _endpoint(chosen: st.DataObject, known: Known) -> Fields:
    return {"url": "https://192.0.2.1/hooks", "events": ["review.finished", "job.*"], "name": "a"}


def _submission(chosen: st.DataObject, known: Known) -> Fields:
    found: Fields = {"review": "clauses"}
    if chosen.draw(st.booleans()):
        found["documents"] = [{"custom_id": name, "text": chosen.draw(_TEXTS)} for name in "ab"]
    else:
        found["file_id"] = chosen.draw(st.sampled_from(known["own_file_id"]))
    if chosen.draw(st.booleans()):
        found["webhook"] = chosen.draw(st.sampled_from(known["endpoint_id"]))
    return found


_FIELDS: dict[str, Callable[[st.DataObject, Known], Fields]] = {
    "/v1/batches": _batch,
    "/v1/chat/completions": _chat,
    "/v1/responses": _response,
    "/v1/messages/batches": _messages,
    "/v1/webhooks": _endpoint,
    "/v1/reviews": _submission,
}
"""What a body holds that is taken, by path."""


def _bytes(path: str, kind: str, given: str | bytes, chosen: st.DataObject) -> str | bytes:
    if kind == "application/zip":
        return chosen.draw(st.sampled_from(_PACKED))
    if kind == "text/csv":
        return chosen.draw(st.sampled_from(_TABLES)) + (given if isinstance(given, str) else "")
    if path.startswith("/v1/reviews"):
        return chosen.draw(_LINES)
    if path == "/v1/policy/lint":
        return chosen.draw(st.sampled_from(_POLICIES)) + chosen.draw(st.sampled_from(["", str(given)]))
    return given


schemathesis.openapi.media_type("application/zip", st.binary(max_size=100) | st.sampled_from(_PACKED))


@schemathesis.serializer(
    "application/x-ndjson", "application/yaml", "text/plain", "text/csv", "application/zip"
)
def as_it_is(context: Any, value: Any) -> Any:
    """Text goes as it is; what the mistakes of a case have put in its place, as JSON."""
    if isinstance(value, bytes):
        return value
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()
