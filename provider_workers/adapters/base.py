"""What an adapter is, and how it reads replies that may hold anything.

A reply comes from another house: every value in it is looked at before it is used, and no bytes make a reader
raise. Numbers are clamped, names are kept only where they look like names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import orjson

from provider_workers.adapters.room import Room
from schemas.call import HttpReply, HttpRequest, ProviderCall, Reading
from schemas.remembered import remembered

MAX_TOKENS_COUNTED = 100_000_000
"""Far above any model's context; a larger count is a fault of the sender and would spoil a ledger."""

MAX_NAME_CHARACTERS = 128

JSON_HEADERS = {"content-type": "application/json", "accept": "application/json"}

_LENGTHS = frozenset({"minLength", "maxLength"})
_SCHEMA_NAME = re.compile(r"[^A-Za-z0-9_-]")


class Usage(NamedTuple):
    """What a reply says that it took, in the model's own tokens; 0 where it says nothing."""

    input_tokens: int = 0
    output_tokens: int = 0


class Adapter(Protocol):
    """One wire. All of it is pure: the same values give the same bytes and the same reading."""

    @property
    def name(self) -> str: ...

    def build(self, call: ProviderCall) -> HttpRequest:
        """The request, without a key; its path goes behind the provider's base URL."""

    def read(self, reply: HttpReply) -> Reading:
        """The answer, or the fault. Never raises."""

    def usage(self, reply: HttpReply) -> Usage:
        """What a reply took, also where it reads as a fault: an answer cut short is charged. Never raises."""

    def room(self, reply: HttpReply) -> Room | None:
        """What the reply says is left of the provider's limits; None where it says nothing. Never raises."""

    def auth_headers(self, key: str, header: str | None = None) -> dict[str, str]:
        """The header that carries the key: the wire's own, or `header` where the catalog overrides it."""


def key_header(key: str, header: str) -> dict[str, str]:
    """The key under that header; `authorization` takes it as a bearer token, any other as it is."""
    bearer = header.lower() == "authorization"
    return {header.lower(): f"Bearer {key}" if bearer else key}


def encode(body: Mapping[str, Any]) -> bytes:
    return orjson.dumps(body)


def decode(body: bytes) -> dict[str, Any]:
    """The JSON object that a body holds, or the first one of a list; empty for anything else.

    NaN, nesting beyond 1024 levels and bad UTF-8 are refused by the parser.
    """
    try:
        value = orjson.loads(body)
    except ValueError:
        return {}
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, dict) else {}


def at(value: object, *path: str | int) -> Any:
    """The value under a path of keys and indexes; None as soon as a step leads nowhere."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def count(value: object) -> int:
    """A token count, 0..100 million; 0 for what is not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return 0
    return int(min(MAX_TOKENS_COUNTED, max(0, value)))


def name(value: object) -> str:
    """A model's name as reported: printable and short, or empty."""
    if isinstance(value, str) and len(value) <= MAX_NAME_CHARACTERS and value.isprintable():
        return value
    return ""


def joined_text(parts: object) -> str | None:
    """The texts of a list of parts, in order; None where not one part has a text."""
    if not isinstance(parts, list):
        return None
    texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "".join(texts) if texts else None


def schema_name(wanted: str) -> str:
    """As the wires take it: letters, digits, `_` and `-`, at most 64."""
    return _SCHEMA_NAME.sub("_", wanted)[:64] or "answer"


@remembered
def without_lengths(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without bounds on the length of strings, which OpenAI and Gemini do not list among what they take.

    Our own check holds an answer to those. Source: developers.openai.com/api/docs/guides/structured-outputs,
    ai.google.dev/gemini-api/docs/structured-output; checked 2026-11-23.
    """
    return without(schema, _LENGTHS)


@remembered
def with_shorter_strings(schema: dict[str, Any], at_most: int) -> dict[str, Any]:
    """The schema with every `maxLength` brought down to `at_most`; what keeps it keeps the schema as well."""
    return _shortened(schema, at_most)


def _shortened(schema: Mapping[str, Any], at_most: int) -> dict[str, Any]:
    return {key: _shorter(key, value, at_most) for key, value in schema.items()}


def _shorter(key: str, value: Any, at_most: int) -> Any:
    if key == "maxLength" and type(value) is int:
        return min(value, at_most)
    if isinstance(value, dict):
        return _shortened(value, at_most)
    if isinstance(value, list):
        return [_shortened(part, at_most) if isinstance(part, dict) else part for part in value]
    return value


def without(schema: Mapping[str, Any], keywords: frozenset[str]) -> dict[str, Any]:
    """A copy of the schema without those keywords. Under `properties` stand names, and all are kept."""
    return {key: _inner(key, value, keywords) for key, value in schema.items() if key not in keywords}


def _inner(key: str, value: Any, keywords: frozenset[str]) -> Any:
    if key in {"properties", "$defs", "definitions"} and isinstance(value, dict):
        return {
            name: without(part, keywords) if isinstance(part, dict) else part for name, part in value.items()
        }
    if isinstance(value, dict):
        return without(value, keywords)
    if isinstance(value, list):
        return [without(part, keywords) if isinstance(part, dict) else part for part in value]
    return value
