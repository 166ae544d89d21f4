"""What is particular to the Anthropic wire."""

from __future__ import annotations

import json
from dataclasses import replace

from provider_workers.adapters.anthropic import Anthropic
from schemas.attempt import Fault, FaultKind
from schemas.call import HttpReply, ProviderCall

ADAPTER = Anthropic()
CALL = ProviderCall("m", "system", "user", None, "terms", 100)


def test_the_version_of_the_wire_goes_with_every_request() -> None:
    """Without a key too: a local double wants it as well."""
    assert ADAPTER.build(CALL).headers["anthropic-version"] == "2023-06-01"


def test_a_key_goes_under_the_wire_s_header_or_the_catalog_s() -> None:
    assert ADAPTER.auth_headers("k") == {"x-api-key": "k"}
    assert ADAPTER.auth_headers("k", "Authorization") == {"authorization": "Bearer k"}


def test_without_a_schema_no_format_is_asked_for() -> None:
    assert "output_config" not in json.loads(ADAPTER.build(CALL).body)


def test_a_property_that_is_named_like_a_keyword_is_kept() -> None:
    schema = {"type": "object", "properties": {"minimum": {"type": "number", "minimum": 1}}}

    body = json.loads(ADAPTER.build(replace(CALL, schema=schema)).body)

    assert body["output_config"]["format"]["schema"]["properties"] == {"minimum": {"type": "number"}}


def test_a_tool_s_input_that_is_nested_too_deeply_is_malformed() -> None:
    nested = "[" * 400 + "]" * 400
    body = f'{{"type":"message","content":[{{"type":"tool_use","input":{{"a":{nested}}}}}]}}'

    read = ADAPTER.read(HttpReply(200, {}, body.encode()))

    assert isinstance(read, Fault)
    assert read.kind == FaultKind.MALFORMED


def test_an_error_inside_a_good_status_is_a_fault() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'

    read = ADAPTER.read(HttpReply(200, {}, body))

    assert isinstance(read, Fault)
    assert read.kind == FaultKind.OVERLOAD
