"""Lines of a batch file as documents, and what they ask for. Pure: pieces of bytes in, values out.

A line is `{"custom_id", "method": "POST", "url", "body"}`, its body that of `/v1/chat/completions` or `/v1/responses`.
The one message of the user is the document; system messages (`instructions`) say what to look for, unless the batch
names a review. What cannot be kept, tools, several answers, a schema of one's own, is an error and never passed over.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import orjson

from producer.sources.custom_ids import CustomIds, flaw_of_custom_id
from producer.sources.places import Place
from producer.sources.text import flaw_of_text
from schemas.submission import MAX_DOCUMENT_BYTES, SourceDocument

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
ENDPOINTS = (CHAT, RESPONSES)

MAX_LINES = 50_000
MAX_LINE_BYTES = 3 * MAX_DOCUMENT_BYTES + 64 * 1024
MAX_INSTRUCTION_CHARACTERS = 20_000

Only = dict[str, tuple[Any, ...]]
"""Parameters that are taken with some values, by name."""

_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_KEPT = {"model", "messages", "input", "instructions", *_LIMITS}
_WITHOUT_EFFECT = {"metadata", "prompt_cache_key", "safety_identifier", "seed", "user"}
"""Names for the caller's own books, and a wish for sameness that is met anyway."""
_KNOWN = _KEPT | _WITHOUT_EFFECT
_ONLY: Only = {
    "background": (False, None),
    "frequency_penalty": (0, None),
    "logprobs": (False, None),
    "n": (1, None),
    "presence_penalty": (0, None),
    "service_tier": ("auto", "default", None),
    "store": (False, None),
    "stream": (False, None),
    "temperature": (0, None),
    "text": ({"format": {"type": "text"}}, {"format": {"type": "json_object"}}, None),
    "tools": ([], None),
    "tool_choice": ("none", "auto", None),
    "top_p": (1, None),
    "truncation": ("disabled", None),
    "response_format": ({"type": "json_object"}, {"type": "text"}, None),
}
"""Taken with these values, which are what is done in any case."""


@dataclass(frozen=True, slots=True)
class LineError:
    code: str
    message: str
    line: int | None
    """From 1; None where it is about the file."""
    param: str | None = None

    @property
    def shown(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "param": self.param, "line": self.line}


@dataclass(frozen=True, slots=True)
class Ask:
    """What a line asks for beside its document; the same for all lines of a batch."""

    model: str
    instructions: str
    max_output_tokens: int | None


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    document: SourceDocument
    ask: Ask


class Wrong(Exception):
    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


def split_lines(pieces: Iterable[bytes], limit: int = MAX_LINE_BYTES) -> Iterator[tuple[int, bytes | None]]:
    """Numbered from 1, without line ends and a byte-order mark; None for one that is longer than the limit.

    Cut at LF as bytes, so a character may be cut anywhere between two pieces. Empty lines are passed over, and counted.
    """
    number, held, is_long = 0, bytearray(), False
    for piece in pieces:
        start = 0
        while (at := piece.find(b"\n", start)) >= 0:
            held += piece[start:at]
            number += 1
            yield from _line(number, held, is_long or len(held) > limit)
            held, is_long, start = bytearray(), False, at + 1
        held += piece[start:]
        if len(held) > limit:
            held, is_long = bytearray(), True
    if held or is_long:
        yield from _line(number + 1, held, is_long)


def _line(number: int, data: bytearray, is_long: bool) -> Iterator[tuple[int, bytes | None]]:
    line = bytes(data).removeprefix(codecs.BOM_UTF8) if number == 1 else bytes(data)
    if is_long:
        yield number, None
    elif line.strip():
        yield number, line.rstrip(b"\r")


def read_lines(pieces: Iterable[bytes], endpoint: str, filename: str) -> Iterator[Line | LineError]:
    """Every line, in order. Ids are unique, and what is asked for is the same in all."""
    ids, place, count, first = CustomIds(), Place(filename), 0, None
    for number, data in split_lines(pieces):
        count += 1
        if count > MAX_LINES:
            yield LineError("too_many_tasks", f"The file has more than {MAX_LINES:,} requests.", None)
            return
        try:
            line = _read(number, data, endpoint, place.at(number))
            earlier = ids.claim(line.document.custom_id, place.at(number))
            if earlier is not None:
                raise Wrong(
                    "duplicate_custom_id",
                    f"The custom_id is that of line {earlier.line} as well.",
                    "custom_id",
                )
            first = first or line.ask
            require_same(line.ask, first)
        except Wrong as wrong:
            yield LineError(wrong.code, wrong.message, number, wrong.param)
        else:
            yield line
    if not count:
        yield LineError("empty_file", "The file holds no request.", None)


def _read(number: int, data: bytes | None, endpoint: str, place: Place) -> Line:
    if data is None:
        raise Wrong("invalid_request", f"The line is longer than {MAX_LINE_BYTES:,} bytes.")
    try:
        record = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Wrong(
            "invalid_json_line", f"The line is not JSON: {error.msg} (column {error.colno:,})."
        ) from error
    if not isinstance(record, dict):
        raise Wrong("invalid_json_line", "The line is JSON, and not an object.")
    custom_id, body = _custom_id(record), record.get("body")
    if record.get("method", "POST") != "POST":
        raise Wrong("invalid_request", "The method of a request is POST.", "method")
    if record.get("url") != endpoint:
        raise Wrong("url_mismatch", f"The url of every request is the batch's endpoint, {endpoint}.", "url")
    if not isinstance(body, dict):
        raise Wrong("invalid_request", "The request has no body.", "body")
    require_known(body, _KNOWN, _ONLY)
    text, instructions = _chat(body) if endpoint == CHAT else _responses(body)
    require_readable(text, instructions, "body.messages" if endpoint == CHAT else "body.input")
    document = SourceDocument(custom_id, place.name, text, "utf-8")
    return Line(number, document, Ask(model_of(body), instructions, most_of(body, _LIMITS)))


def _custom_id(record: Mapping[str, Any]) -> str:
    given = record.get("custom_id")
    if not isinstance(given, str):
        raise Wrong("invalid_request", "Every request needs a custom_id, as text.", "custom_id")
    if (flaw := flaw_of_custom_id(given)) is not None:
        raise Wrong("invalid_request", flaw.sentence, "custom_id")
    return given


def require_known(body: Mapping[str, Any], known: Set[str], only: Only) -> None:
    for name, value in body.items():
        if name in known:
            continue
        if name not in only:
            raise Wrong("unsupported_parameter", f"{name[:60]!r} is not supported here.", f"body.{name[:60]}")
        if not any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in only[name]):
            taken = " or ".join(orjson.dumps(one).decode() for one in only[name] if one is not None)
            raise Wrong("unsupported_value", f"{name!r} may only be {taken} here.", f"body.{name}")


def require_readable(text: str, instructions: str, param: str) -> None:
    if (flaw := flaw_of_text(text, empty_code="invalid_request")) is not None:
        raise Wrong("invalid_request", flaw.sentence, param)
    if len(instructions) > MAX_INSTRUCTION_CHARACTERS:
        most = MAX_INSTRUCTION_CHARACTERS
        raise Wrong("invalid_request", f"The instructions are longer than {most:,} characters.", "body")


def model_of(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Wrong("invalid_request", "The body names no model; write 'auto'.", "body.model")
    return model[:200]


def most_of(body: Mapping[str, Any], names: Iterable[str]) -> int | None:
    for name in names:
        value = body.get(name)
        if value is not None:
            if not isinstance(value, int) or isinstance(value, bool) or value < 16:
                raise Wrong("invalid_request", f"{name} is a whole number, 16 or more.", f"body.{name}")
            return value
    return None


def _chat(body: Mapping[str, Any]) -> tuple[str, str]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Wrong("invalid_request", "The body has no messages.", "body.messages")
    return _conversation(messages, "body.messages", "text")


def _responses(body: Mapping[str, Any]) -> tuple[str, str]:
    given, said = body.get("input"), body.get("instructions") or ""
    if not isinstance(said, str):
        raise Wrong("invalid_request", "The instructions are text.", "body.instructions")
    if isinstance(given, str):
        return given, said
    if not isinstance(given, list) or not given:
        raise Wrong("invalid_request", "The body has no input.", "body.input")
    text, more = _conversation(given, "body.input", "input_text")
    return text, "\n\n".join(one for one in (said, more) if one)


def _conversation(messages: list[Any], param: str, kind: str) -> tuple[str, str]:
    """The user's one message, and the words of the system or developer."""
    user: list[str] = []
    system: list[str] = []
    for message in messages:
        if not isinstance(message, dict):
            raise Wrong("invalid_request", "A message is an object with role and content.", param)
        role = message.get("role")
        if role not in ("system", "developer", "user"):
            raise Wrong(
                "unsupported_value", "Messages are of the roles system, developer and user here.", param
            )
        (user if role == "user" else system).append(content_of(message.get("content"), param, kind))
    if len(user) != 1:
        raise Wrong(
            "invalid_request",
            f"A request has one message of the user, the document; here are {len(user)}.",
            param,
        )
    return user[0], "\n\n".join(one for one in system if one.strip())


def content_of(content: Any, param: str, kind: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise Wrong("invalid_request", "The content of a message is text, or parts of it.", param)
    parts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != kind or not isinstance(part.get("text"), str):
            raise Wrong("unsupported_value", f"Parts of a message are of the type {kind!r} here.", param)
        parts.append(part["text"])
    return "\n".join(parts)


def require_same(ask: Ask, first: Ask) -> None:
    if ask.model != first.model:
        raise Wrong("model_mismatch", "All requests of a batch name the same model.", "body.model")
    if ask.instructions != first.instructions:
        raise Wrong(
            "invalid_request",
            "All requests of a batch have the same instructions (system messages); make a batch for each.",
            "body",
        )
    if ask.max_output_tokens != first.max_output_tokens:
        raise Wrong("invalid_request", "All requests of a batch have the same token limit.", "body")
