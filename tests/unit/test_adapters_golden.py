"""Each wire as documented: the request that we build, and what we make of the replies that the docs show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provider_workers.adapters import ADAPTERS, adapter_for
from schemas.attempt import Fault, FaultKind
from schemas.call import Answer, HttpReply, ProviderCall
from schemas.errors import BadConfiguration

GOLDEN = Path(__file__).parent.parent / "golden" / "adapters"
FILES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(GOLDEN.glob("*.json"))}
REQUESTS = [(file, name) for file, found in FILES.items() for name in found["requests"]]
REPLIES = [
    pytest.param(name, case, id=f"{name}: {case['name']}")
    for found in FILES.values()
    for name in found["requests"]
    for case in found["replies"]
]


def reply_of(case: dict[str, Any]) -> HttpReply:
    body = case["text"] if "text" in case else json.dumps(case["body"])
    return HttpReply(case["status"], case.get("headers", {}), body.encode())


def reading_of(case: dict[str, Any]) -> Answer | Fault:
    if "answer" in case:
        return Answer(**case["answer"])
    return Fault(**{**case["fault"], "kind": FaultKind(case["fault"]["kind"])})


@pytest.mark.parametrize(("file", "name"), REQUESTS)
def test_a_call_becomes_the_documented_request(file: str, name: str) -> None:
    call, expected = ProviderCall(**FILES[file]["call"]), FILES[file]["requests"][name]

    request = adapter_for(name).build(call)

    assert request.path == expected["path"]
    assert request.headers == expected["headers"]
    assert json.loads(request.body) == expected["body"]


@pytest.mark.parametrize(("file", "name"), REQUESTS)
def test_the_same_call_gives_the_same_bytes(file: str, name: str) -> None:
    call = ProviderCall(**FILES[file]["call"])

    assert adapter_for(name).build(call) == adapter_for(name).build(call)


@pytest.mark.parametrize(("name", "case"), REPLIES)
def test_a_documented_reply_is_read(name: str, case: dict[str, Any]) -> None:
    assert adapter_for(name).read(reply_of(case)) == reading_of(case)


@pytest.mark.parametrize(("name", "case"), REPLIES)
def test_what_a_reply_took_is_known_for_faults_too(name: str, case: dict[str, Any]) -> None:
    answer = case.get("answer")
    expected = (
        (answer["input_tokens"], answer["output_tokens"]) if answer else tuple(case.get("usage", (0, 0)))
    )

    assert adapter_for(name).usage(reply_of(case)) == expected


def test_every_adapter_has_golden_cases() -> None:
    assert {name for _, name in REQUESTS} == set(ADAPTERS)


def test_an_unknown_adapter_is_a_mistake_of_the_catalog() -> None:
    with pytest.raises(BadConfiguration, match="openai-compatible"):
        adapter_for("telegraph")


def test_every_golden_reply_tells_where_it_is_from() -> None:
    assert all(found["source"] and found["checked"] for found in FILES.values())
