"""What both wires share in reading a request: its texts, the document among them, its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.errors import BadInput

_OPENS = "<document>"
_CLOSES = "</document>"


def model_of(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadInput("you must provide a model parameter", code="model")
    return model


def messages_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, Mapping) for m in messages):
        raise BadInput("'messages' must be a list of one message or more", code="messages")
    return messages


def positive(body: Mapping[str, Any], *names: str) -> int | None:
    """The first of these fields that is given, which must be a whole number above 0."""
    for name in names:
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BadInput(f"{name!r} must be a whole number above 0", code=name)
        return value
    return None


def text_of(content: Any) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, Mapping))
    return "\n".join(text for text in texts if isinstance(text, str))


def document_in(messages: list[Mapping[str, Any]]) -> str:
    """The document of the first user message that carries one, without its marks; empty where none does.

    It stands between the first line that is exactly `<document>` and the last that is exactly `</document>`,
    so a closing mark inside the document does not end it.
    """
    for message in messages:
        if message.get("role") == "user":
            document = between_marks(text_of(message.get("content")))
            if document is not None:
                return document
    return ""


def between_marks(text: str) -> str | None:
    """The lines between the marks; None where they do not both stand there."""
    framed = f"\n{text}\n"
    opening = framed.find(f"\n{_OPENS}\n")
    closing = framed.rfind(f"\n{_CLOSES}\n")
    if opening < 0 or closing <= opening:
        return None
    return framed[opening + len(_OPENS) + 2 : closing]


def characters_in(messages: list[Mapping[str, Any]]) -> int:
    return sum(len(text_of(message.get("content"))) for message in messages)
