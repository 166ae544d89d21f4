"""Lines of a batch file: whatever they are cut into, and whatever is wrong with them."""

from __future__ import annotations

import codecs
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.api import lines as module
from producer.api.lines import CHAT, RESPONSES, Line, LineError, read_lines, split_lines

SYSTEM = {"role": "system", "content": "Find the governing law."}


def request(custom_id: str = "a", text: str = "A contract.", **changes: Any) -> dict[str, Any]:
    body = {"model": "auto", "messages": [SYSTEM, {"role": "user", "content": text}]}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": {**body, **changes}}


def read(*records: Any, endpoint: str = CHAT) -> list[Line | LineError]:
    data = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in records)
    return list(read_lines([data.encode()], endpoint, "f.jsonl"))


def error(*records: Any, endpoint: str = CHAT) -> LineError:
    (found,) = [one for one in read(*records, endpoint=endpoint) if isinstance(one, LineError)]
    return found


# -- laws


@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r")), max_size=8),
    ends=st.sampled_from(["\n", "\r\n"]),
    with_mark=st.booleans(),
    with_last_end=st.booleans(),
    size=st.integers(1, 9),
)
def test_lines_are_the_same_however_they_come_in_pieces(
    texts: list[str], ends: str, with_mark: bool, with_last_end: bool, size: int
) -> None:
    whole = ends.join(texts) + (ends if with_last_end and texts else "")
    data = (codecs.BOM_UTF8 if with_mark else b"") + whole.encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    found = list(split_lines(pieces))

    expected = [(number, text.encode()) for number, text in enumerate(texts, 1) if text.encode().strip()]
    if texts and texts[0].startswith("\ufeff") and not with_mark:
        return  # that is a mark as well
    assert found == expected


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    for one in read_lines([data], CHAT, "f.jsonl"):
        assert isinstance(one, LineError)
        assert one.message.endswith(".")


@given(length=st.integers(0, 60), size=st.integers(1, 7))
def test_a_line_above_the_limit_is_read_past_and_the_next_one_is_whole(length: int, size: int) -> None:
    data = b"x" * length + b"\nnext"
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    *before, last = split_lines(pieces, limit=20)

    assert last == (2, b"next")
    assert [one for _, one in before] == ([] if not length else [b"x" * length if length <= 20 else None])


# -- examples


def test_a_chat_request_is_a_document_and_instructions() -> None:
    (found,) = read(request("a-1", "Über uns."))

    assert isinstance(found, Line)
    assert (found.document.custom_id, found.document.text) == ("a-1", "Über uns.")
    assert (found.ask.model, found.ask.instructions) == ("auto", "Find the governing law.")


@pytest.mark.parametrize(
    "body",
    [
        {"input": "A contract.", "instructions": "Find it."},
        {"input": [{"role": "user", "content": "A contract."}], "instructions": "Find it."},
        {
            "input": [
                {"role": "developer", "content": "Find it."},
                {"role": "user", "content": [{"type": "input_text", "text": "A contract."}]},
            ]
        },
    ],
)
def test_every_form_of_a_responses_request_is_the_same(body: dict[str, Any]) -> None:
    record = {"custom_id": "a", "method": "POST", "url": RESPONSES, "body": {"model": "auto", **body}}
    (found,) = read(record, endpoint=RESPONSES)

    assert isinstance(found, Line)
    assert (found.document.text, found.ask.instructions) == ("A contract.", "Find it.")


def test_parts_of_a_message_are_one_text() -> None:
    parts = [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    (found,) = read(request(messages=[{"role": "user", "content": parts}]))

    assert isinstance(found, Line) and found.document.text == "One.\nTwo."


@pytest.mark.parametrize(
    ("record", "code", "param"),
    [
        ("{", "invalid_json_line", None),
        ("[]", "invalid_json_line", None),
        ({**request(), "url": RESPONSES}, "url_mismatch", "url"),
        ({**request(), "method": "GET"}, "invalid_request", "method"),
        ({**request(), "custom_id": 7}, "invalid_request", "custom_id"),
        ({**request(), "custom_id": ""}, "invalid_request", "custom_id"),
        ({**request(), "body": None}, "invalid_request", "body"),
        (request(model=""), "invalid_request", "body.model"),
        (request(messages=[]), "invalid_request", "body.messages"),
        (request(messages=[SYSTEM]), "invalid_request", "body.messages"),
        (request(messages=[{"role": "assistant", "content": "x"}]), "unsupported_value", "body.messages"),
        (request(text=""), "invalid_request", "body.messages"),
        (request(tools=[{"type": "function"}]), "unsupported_value", "body.tools"),
        (request(n=2), "unsupported_value", "body.n"),
        (request(n=True), "unsupported_value", "body.n"),
        (request(stream=True), "unsupported_value", "body.stream"),
        (request(temperature=0.7), "unsupported_value", "body.temperature"),
        (request(audio={}), "unsupported_parameter", "body.audio"),
        (request(max_tokens=3), "invalid_request", "body.max_tokens"),
        (
            request(messages=[{"role": "user", "content": [{"type": "image_url"}]}]),
            "unsupported_value",
            "body.messages",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(record: Any, code: str, param: str | None) -> None:
    found = error(request("first"), record)

    assert (found.code, found.param, found.line) == (code, param, 2)


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (request("a"), "duplicate_custom_id"),
        (request("b", model="other"), "model_mismatch"),
        (request("b", messages=[{"role": "user", "content": "No system."}]), "invalid_request"),
        (request("b", max_tokens=100), "invalid_request"),
    ],
)
def test_requests_of_a_batch_go_together(second: dict[str, Any], code: str) -> None:
    assert error(request("a"), second).code == code


def test_an_error_never_shows_the_document() -> None:
    secret = "the merger with Initech"

    found = error(request("a", secret, n=2))
    broken = error('{"custom_id": "a", "body": "' + secret)

    assert secret not in repr(found) and secret not in repr(broken)


def test_an_empty_file_and_one_of_too_many_requests_are_errors_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert error("\n \n").code == "empty_file"

    monkeypatch.setattr(module, "MAX_LINES", 2)
    assert error(request("a"), request("b"), request("c")).code == "too_many_tasks"


def test_values_that_change_nothing_are_taken() -> None:
    (found,) = read(
        request(
            temperature=0, top_p=1.0, n=1, stream=False, seed=7, user="u", response_format={"type": "text"}
        )
    )

    assert isinstance(found, Line)
