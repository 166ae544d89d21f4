"""Requests of a Message Batch as documents, and what they ask for. Pure: pieces of the body in, values out.

The body is `{"requests": [{"custom_id", "params"}, …], "classyard": {…}}`, and each `params` what `/v1/messages` takes.
As with batch files, the one message of the user is the document, and the system prompt, or a review that is named, says
what to look for. Anthropic's batches have no metadata, so what the yard is asked for beside stands under `classyard`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from producer.api.arrays import Element, Member, NotJson, Splitter
from producer.api.asked import PREFIX
from producer.api.lines import (
    MAX_LINE_BYTES,
    Ask,
    Line,
    LineError,
    Only,
    Wrong,
    content_of,
    model_of,
    most_of,
    require_known,
    require_readable,
    require_same,
)
from producer.sources.custom_ids import CustomIds
from producer.sources.places import Place
from schemas.submission import SourceDocument

MESSAGES = "/v1/messages"

REQUESTS, OURS = "requests", "classyard"
MAX_REQUESTS = 100_000
MAX_MEMBER_BYTES = 64 * 1024

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)

_KNOWN = {"model", "messages", "system", "max_tokens", "metadata", "cache_control"}
"""The last two change nothing here: names for the caller's own books, and where a cache would begin."""
ONLY: Only = {
    "container": (None,),
    "inference_geo": (None,),
    "mcp_servers": ([],),
    "output_config": (None, {}),
    "service_tier": ("auto", "standard_only"),
    "speed": ("standard", None),
    "stop_sequences": ([], None),
    "stream": (False, None),
    "temperature": (0, None),
    "thinking": ({"type": "disabled"}, None),
    "tool_choice": ({"type": "none"}, {"type": "auto"}, None),
    "tools": ([], None),
    "top_p": (1, None),
}
"""Taken with these values, which are what is done in any case."""


class Requests:
    """A body on its way in. Ids are unique, and what is asked for is the same in all."""

    def __init__(self, name: str) -> None:
        """`name`: what its documents are said to come from."""
        self._splitter = splitter()
        self._ids, self._place, self._members = CustomIds(), Place(name), set[str]()
        self._is_broken = False
        """Whether it is no JSON from some place on: what comes behind says nothing."""
        self.count = 0
        self.ask: Ask | None = None
        """Of the first request; the others ask for the same."""
        self.asked: dict[str, str] = {}
        """What stands under `classyard`, by the names of a batch's metadata."""

    def feed(self, piece: bytes) -> Iterator[Line | LineError]:
        """What ends in this piece."""
        if not self._is_broken:
            yield from self._through(self._splitter.feed(piece))

    def finish(self) -> Iterator[Line | LineError]:
        if not self._is_broken:
            yield from self._through(self._splitter.finish())
        if not self._is_broken and not self.count:
            yield LineError("empty_batch", "There is no request in it.", None, REQUESTS)

    def _through(self, found: Iterator[Member | Element]) -> Iterator[Line | LineError]:
        try:
            for one in found:
                if isinstance(one, Element):
                    yield self._request(one)
                else:
                    yield from self._member(one)
        except NotJson as error:
            self._is_broken = True
            yield LineError("invalid_json", str(error), None)

    def _request(self, one: Element) -> Line | LineError:
        self.count += 1
        if self.count > MAX_REQUESTS:
            raise NotJson(f"A batch has at most {MAX_REQUESTS:,} requests.")
        try:
            line = _read(one, self._place.at(one.index + 1))
            earlier = self._ids.claim(line.document.custom_id, self._place.at(one.index + 1))
            if earlier is not None:
                raise Wrong(
                    "duplicate_custom_id", f"It is that of request {earlier.line - 1} as well.", "custom_id"
                )
            self.ask = self.ask or line.ask
            require_same(line.ask, self.ask)
        except Wrong as wrong:
            return LineError(wrong.code, str(wrong), one.index, _param(wrong.param))
        return line

    def _member(self, one: Member) -> Iterator[LineError]:
        try:
            if one.name in self._members:
                raise Wrong("invalid_request", "It stands there twice.", one.name[:60])
            self._members.add(one.name)
            if one.name != OURS:
                raise Wrong("unsupported_parameter", "It is not supported here.", one.name[:60])
            self.asked = asked_of(_json(one.value, OURS))
        except Wrong as wrong:
            yield LineError(wrong.code, str(wrong), None, wrong.param)


def read_requests(pieces: Iterable[bytes], name: str) -> Iterator[Line | LineError]:
    """Every request of a body, in order, and what is wrong with it."""
    requests = Requests(name)
    for piece in pieces:
        yield from requests.feed(piece)
    yield from requests.finish()


def splitter() -> Splitter:
    """Of a body into its requests."""
    return Splitter(REQUESTS, element_bytes=MAX_LINE_BYTES, member_bytes=MAX_MEMBER_BYTES)


def custom_ids(split: Splitter, piece: bytes) -> Iterator[str]:
    """Those that end in this piece of a body that was read before, and was well."""
    for one in split.feed(piece):
        if isinstance(one, Element) and one.value is not None:
            yield str(orjson.loads(one.value)["custom_id"])


def asked_of(given: Any) -> dict[str, str]:
    """`{"sensitivity": "internal", "residency": ["eu"]}` by the names of a batch's metadata."""
    if not isinstance(given, dict):
        raise Wrong("invalid_request", "It is an object.", OURS)
    return {PREFIX + name: _word(name, value) for name, value in given.items()}


def _word(name: str, value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    if isinstance(value, str):
        return value
    raise Wrong("invalid_request", "It is text, or a list of texts.", f"{OURS}.{name[:60]}")


def _param(param: str | None) -> str | None:
    """What a line of a batch file has in its body, a request has in its params."""
    if param is None or not (param == "body" or param.startswith("body.")):
        return param
    return f"params{param.removeprefix('body')}"


def _read(one: Element, place: Place) -> Line:
    if one.value is None:
        raise Wrong("invalid_request", f"It is longer than {MAX_LINE_BYTES:,} bytes.")
    record = _json(one.value, None)
    if not isinstance(record, dict):
        raise Wrong("invalid_request", "A request is an object with custom_id and params.")
    for name in record:
        if name not in ("custom_id", "params"):
            raise Wrong("unsupported_parameter", "It is not supported here.", name[:60])
    custom_id, params = record.get("custom_id"), record.get("params")
    if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
        raise Wrong("invalid_request", "It has 1 to 64 of a-z, A-Z, 0-9, - and _.", "custom_id")
    if not isinstance(params, dict):
        raise Wrong("invalid_request", "It is an object, as for /v1/messages.", "params")
    require_known(params, _KNOWN, ONLY)
    text, instructions = _said(params)
    require_readable(text, instructions, "params.messages")
    if params.get("max_tokens") is None:
        raise Wrong("missing_required_parameter", "It is missing.", "params.max_tokens")
    ask = Ask(model_of(params), instructions, most_of(params, ("max_tokens",)))
    return Line(one.index, SourceDocument(custom_id, place.name, text, "utf-8"), ask)


def _json(value: bytes, param: str | None) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Wrong("invalid_json", f"It is not JSON: {error.msg}.", param) from error


def _said(params: Mapping[str, Any]) -> tuple[str, str]:
    """The user's one message, and the words of the system: before the messages, or among them."""
    user, system = list[str](), [_system(params.get("system"))]
    messages = params.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Wrong("invalid_request", "There are no messages.", "params.messages")
    for number, message in enumerate(messages):
        place = f"params.messages.{number}"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("user", "system"):
            raise Wrong("unsupported_value", "It may only be user or system here.", f"{place}.role")
        said = content_of(message.get("content"), f"{place}.content", "text")
        (user if role == "user" else system).append(said)
    if len(user) != 1:
        sentence = f"A request has one message of the user, the document; here are {len(user)}."
        raise Wrong("unsupported_value", sentence, "params.messages")
    return user[0], "\n\n".join(one for one in system if one.strip())


def _system(given: Any) -> str:
    return "" if given is None else content_of(given, "params.system", "text")
