"""Requests of a Message Batch: what they are cut into, what is taken, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.api import anthropic_lines as module
from producer.api.anthropic_lines import Requests, custom_ids, read_requests, splitter
from producer.api.lines import Line, LineError


def asked(custom_id: str = "a", text: str = "A contract.", **changes: Any) -> dict[str, Any]:
    params = {
        "model": "auto",
        "max_tokens": 1024,
        "system": "Find the governing law.",
        "messages": [{"role": "user", "content": text}],
    }
    return {"custom_id": custom_id, "params": {**params, **changes}}


def read(*records: Any, **members: Any) -> list[Line | LineError]:
    return list(read_requests([json.dumps({"requests": records, **members}).encode()], "msgbatch_1"))


def error(*records: Any, **members: Any) -> LineError:
    (found,) = [one for one in read(*records, **members) if isinstance(one, LineError)]
    return found


# -- laws


@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), min_size=1, max_size=5),
    size=st.integers(1, 40),
)
def test_documents_are_the_same_wherever_the_body_is_cut(texts: list[str], size: int) -> None:
    data = json.dumps({"requests": [asked(f"c{n}", text) for n, text in enumerate(texts)]}).encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    found = list(read_requests(pieces, "b"))

    assert [one.document.text for one in found if isinstance(one, Line)] == texts
    split = splitter()
    ids = [one for piece in pieces for one in custom_ids(split, piece)]
    assert ids == [f"c{n}" for n in range(len(texts))]


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    for one in read_requests([data], "b"):
        assert isinstance(one, LineError) and one.message.endswith(".")


# -- examples


def test_a_request_is_a_document_and_instructions() -> None:
    (found,) = read(asked("a-1", "Über uns."))

    assert isinstance(found, Line)
    assert (found.document.custom_id, found.document.text) == ("a-1", "Über uns.")
    assert (found.ask.model, found.ask.instructions, found.ask.max_output_tokens) == (
        "auto",
        "Find the governing law.",
        1024,
    )


def test_blocks_of_text_are_one_text_whatever_is_to_be_cached() -> None:
    block = {"type": "text", "text": "One.", "cache_control": {"type": "ephemeral"}}
    message = {"role": "user", "content": [block, {"type": "text", "text": "Two."}]}
    (found,) = read(asked(messages=[message], system=[block], metadata={"user_id": "u"}, temperature=0.0))

    assert isinstance(found, Line)
    assert (found.document.text, found.ask.instructions) == ("One.\nTwo.", "One.")


def test_words_of_the_system_may_stand_among_the_messages() -> None:
    said = [{"role": "system", "content": "In one page."}, {"role": "user", "content": "A contract."}]
    (found,) = read(asked(messages=said))

    assert isinstance(found, Line)
    assert found.ask.instructions == "Find the governing law.\n\nIn one page."


@pytest.mark.parametrize(
    ("record", "code", "param"),
    [
        ([], "invalid_request", None),
        ({**asked(), "url": "x"}, "unsupported_parameter", "url"),
        (asked(""), "invalid_request", "custom_id"),
        (asked("a b"), "invalid_request", "custom_id"),
        (asked("ä"), "invalid_request", "custom_id"),
        (asked("x" * 65), "invalid_request", "custom_id"),
        ({"custom_id": "a"}, "invalid_request", "params"),
        (asked(model=7), "invalid_request", "params.model"),
        (asked(max_tokens=None), "missing_required_parameter", "params.max_tokens"),
        (asked(max_tokens=0), "invalid_request", "params.max_tokens"),
        (asked(stream=True), "unsupported_value", "params.stream"),
        (asked(speed="fast"), "unsupported_value", "params.speed"),
        (asked(tools=[{"name": "f"}]), "unsupported_value", "params.tools"),
        (asked(thinking={"type": "enabled", "budget_tokens": 2048}), "unsupported_value", "params.thinking"),
        (asked(temperature=1), "unsupported_value", "params.temperature"),
        (asked(top_k=5), "unsupported_parameter", "params.top_k"),
        (asked(text=""), "invalid_request", "params.messages"),
        (asked(messages=[]), "invalid_request", "params.messages"),
        (asked(messages=[{"role": "user", "content": "x"}] * 2), "unsupported_value", "params.messages"),
        (
            asked(messages=[{"role": "assistant", "content": "x"}]),
            "unsupported_value",
            "params.messages.0.role",
        ),
        (
            asked(messages=[{"role": "user", "content": [{"type": "image"}]}]),
            "unsupported_value",
            "params.messages.0.content",
        ),
        (asked(system=[{"type": "document"}]), "unsupported_value", "params.system"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(record: Any, code: str, param: str | None) -> None:
    found = error(asked("first"), record)

    assert (found.code, found.param, found.line) == (code, param, 1)


@pytest.mark.parametrize(
    ("second", "code", "param"),
    [
        (asked("a"), "duplicate_custom_id", "custom_id"),
        (asked("b", model="other"), "model_mismatch", "params.model"),
        (asked("b", system="Something else."), "invalid_request", "params"),
        (asked("b", max_tokens=100), "invalid_request", "params"),
    ],
)
def test_requests_of_a_batch_go_together(second: dict[str, Any], code: str, param: str) -> None:
    found = error(asked("a"), second)

    assert (found.code, found.param) == (code, param)


def test_what_the_yard_is_asked_for_stands_beside_the_requests() -> None:
    requests = Requests("b")
    data = json.dumps(
        {"requests": [asked()], "classyard": {"sensitivity": "internal", "residency": ["eu", "us"]}}
    )
    (line,) = [*requests.feed(data.encode()), *requests.finish()]

    assert isinstance(line, Line) and requests.count == 1
    assert requests.asked == {"classyard_sensitivity": "internal", "classyard_residency": "eu,us"}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"metadata": {}}, "metadata"),
        ({"classyard": []}, "classyard"),
        ({"classyard": {"sensitivity": 1}}, "classyard.sensitivity"),
    ],
)
def test_what_else_stands_beside_them_is_an_error(members: dict[str, Any], param: str) -> None:
    found = error(asked(), **members)

    assert (found.line, found.param) == (None, param)


def test_an_error_never_shows_the_document() -> None:
    secret = "the merger with Initech"

    assert secret not in repr(error(asked("a", secret, stream=True)))
    assert secret not in repr(list(read_requests([b'{"requests": [{"custom_id": "' + secret.encode()], "b")))


def test_an_empty_batch_and_one_of_too_many_requests_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert error().code == "empty_batch"

    monkeypatch.setattr(module, "MAX_REQUESTS", 2)
    assert "at most 2 requests" in error(asked("a"), asked("b"), asked("c")).message
