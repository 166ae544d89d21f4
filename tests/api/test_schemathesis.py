"""The API does what its document says, whatever is sent: no error of ours, no status and no body that is not there.

Cases are made from the document, half of them with mistakes in them, and sent over a real socket to a yard with work
in it. `CLASSYARD_FUZZ_CASES` says how many an operation gets; the suite tries a few, `make fuzz` many thousand.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
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
from producer.api.native import events
from producer.api.openapi import document
from runtime.config_files import packaged
from tests.api.live import Live, live

pytestmark = [pytest.mark.services]

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
        max_examples=max(1, CASES // TOGETHER),
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
            checks = [*CHECKS, *([] if is_real or _has_surplus(case) else [negative_data_rejection])]
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


_KNOWN_TEXTS = {"review": "clauses", "deadline": "2h", "max_cost": "1.00", "residency": "eu"}

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


def _point_at_something(case: Any, chosen: st.DataObject, known: dict[str, list[str]]) -> bool:
    """Three cases in four name what is there; a case with a wrong name would come no further than 404."""
    if not chosen.draw(st.integers(0, 3)):
        return False
    for name in case.path_parameters or {}:
        if name in known:
            case.path_parameters[name] = chosen.draw(st.sampled_from(known[name]))
    query = case.query or {}
    for name in query:
        if name in _KNOWN_TEXTS:
            query[name] = _KNOWN_TEXTS[name]
    if case.operation.path.startswith("/v1/reviews") and isinstance(case.body, str):
        case.body = chosen.draw(_LINES)
    if case.operation.path == "/v1/policy/lint" and isinstance(case.body, str):
        case.body = chosen.draw(st.sampled_from(_POLICIES)) + chosen.draw(st.sampled_from(["", case.body]))
    if case.operation.path == "/v1/batches" and isinstance(case.body, dict):
        case.body |= {"input_file_id": chosen.draw(st.sampled_from(known["file_id"]))}
        case.body |= {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return True


_POLICIES = [packaged("policies", "default.yaml").read_text(), "policy: mine\nversion: 1\n"]


@schemathesis.serializer("application/x-ndjson", "application/yaml", "text/plain")
def as_it_is(context: Any, value: Any) -> Any:
    """Text goes as it is; what the mistakes of a case have put in its place, as JSON."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()
