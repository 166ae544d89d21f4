"""One process of pretend providers: from a request to a response, counted from its start to its end.

A call is in flight from the moment its headers are read until its response is sent whole, its connection is
dropped or its caller is gone. So the handler sends the response itself, where aiohttp would send it after the
count is closed.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from schemas.errors import BadConfiguration, BadInput
from simulator.behaviour import RequestFacts, SimulatedReply, refusal, reply
from simulator.gates import Gate
from simulator.profiles import FaultKind, Profile, parse_profile
from simulator.stats import Stats
from simulator.wires import ANTHROPIC, OPENAI, WIRES, Wire

LARGEST_BODY_BYTES = 64 * 1024 * 1024
LONGEST_KEY = 100
"""Characters of an idempotency key that the journal keeps."""
# What a schema of a shape that no schema has may lead to; real providers answer 400 too.
_ODD_SHAPES = (AttributeError, IndexError, KeyError, TypeError, ValueError)
_MARKS = {"x-simulated": "true", "content-type": "application/json"}


class Provider:
    """One pretend provider: a profile, which may change while it runs, and what it has seen."""

    def __init__(self, name: str, profile: Profile) -> None:
        self.name = name
        self.stats = Stats()
        self.become(profile)

    def become(self, profile: Profile) -> None:
        """Takes on a profile; its limits start fresh, and so does the clock of its drift."""
        self.profile = profile
        self.gate = Gate(profile, now_s=time.monotonic())
        self.born_s = time.monotonic()

    def reset(self) -> None:
        """As if it had just come up, with the profile that it has now."""
        self.stats.reset()
        self.become(self.profile)


class _Made(NamedTuple):
    response: web.Response
    reply: SimulatedReply | None
    """None for a call that was turned away before it was understood."""


class Simulator:
    """The handler of every request. `handle` never raises but for a caller that is gone."""

    def __init__(
        self,
        providers: Mapping[str, Profile],
        *,
        seed: int = 7,
        key: str | None = None,
        journal: bool = False,
    ) -> None:
        self.providers = {name: Provider(name, profile) for name, profile in providers.items()}
        self.seed = seed
        self.stopping = asyncio.Event()
        """Once set, hanging calls are dropped."""
        self._key, self._journal = key, journal

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        name, _, rest = request.raw_path.partition("?")[0][1:].partition("/")
        provider, wire = self.providers.get(name), WIRES.get(rest)
        if provider is not None and wire is not None and request.method == "POST":
            return await self._counted(provider, wire, request)
        if provider is not None and rest == "v1/models" and request.method == "GET":
            return self._models(provider, request)
        return await self._control(request, name, rest)

    async def _counted(self, provider: Provider, wire: Wire, request: web.BaseRequest) -> web.StreamResponse:
        number = provider.stats.begin()
        status = None
        try:
            made = await self._made(provider, wire, request, number)
            response = await self._sent(request, made, hang_s=provider.profile.hang_s)
            status = response.status if response is not None else None
            return response if response is not None else web.Response()
        except (asyncio.CancelledError, ConnectionError):
            provider.stats.disconnected += 1
            raise
        finally:
            provider.stats.end(status)

    async def _made(self, provider: Provider, wire: Wire, request: web.BaseRequest, number: int) -> _Made:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _turned_away(wire, 413, "The body of the request is too large.", f"sim{number}")
        digest = sha256(body).digest()
        call_id = f"sim{digest[:6].hex()}{number}"
        if not self._is_known(wire.key_of(request.headers)):
            return _turned_away(wire, 401, "Incorrect API key provided.", call_id)
        if self._journal and (named := request.headers.get("Idempotency-Key")):
            provider.stats.note(named[:LONGEST_KEY])
        repeat = _remember(provider.stats, digest, request.headers.get("Idempotency-Key"))
        try:
            facts = wire.read(
                _object(body), request.headers, provider=provider.name, digest=digest, repeat=repeat
            )
            said = self._decide(provider, facts, number)
        except BadInput as wrong:
            return _turned_away(wire, 400, wrong.sentence, call_id, field=wrong.code)
        except _ODD_SHAPES as odd:
            sentence = (
                f"A field of the request, or its schema, is of a shape that is not understood: {odd!r}."
            )
            return _turned_away(wire, 400, sentence, call_id)
        provider.stats.decided(said, digest)
        return _Made(_response(wire, said, facts, call_id, _limits(wire, provider)), said)

    def _is_known(self, key: str) -> bool:
        return self._key is None or hmac.compare_digest(_bytes(key), self._key.encode())

    def _decide(self, provider: Provider, facts: RequestFacts, number: int) -> SimulatedReply:
        now_s = time.monotonic()
        wait_s = provider.gate.wait_s(in_flight=provider.stats.in_flight, now_s=now_s)
        if wait_s is not None:
            told_s = wait_s if provider.profile.tells_wait else None
            return refusal(FaultKind.RATE_LIMITED, retry_after_s=told_s)
        elapsed_s = now_s - provider.born_s
        return reply(provider.profile, facts, seed=self.seed, call_number=number, elapsed_s=elapsed_s)

    async def _sent(
        self, request: web.BaseRequest, made: _Made, *, hang_s: float
    ) -> web.StreamResponse | None:
        """The response as it was sent; None where the connection was dropped without one."""
        said = made.reply
        if said is not None and said.latency_ms:
            await asyncio.sleep(said.latency_ms / 1000)
        if said is not None and said.is_silent:
            await self._hang(hang_s)
            _drop(request)
            return None
        if said is not None and said.fault is FaultKind.CUT_BODY:
            return await _send_half(request, made.response)
        await made.response.prepare(request)
        await made.response.write_eof()
        return made.response

    async def _hang(self, hang_s: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), hang_s)
        except TimeoutError:
            return

    def _models(self, provider: Provider, request: web.BaseRequest) -> web.Response:
        wire = ANTHROPIC if "anthropic-version" in request.headers else OPENAI
        if not self._is_known(wire.key_of(request.headers)):
            return _json(wire.error(401, "Incorrect API key provided.", call_id="sim"), status=401)
        return _json(wire.models([provider.profile.name], now_unix_s=int(time.time())))

    async def _control(self, request: web.BaseRequest, name: str, rest: str) -> web.Response:
        match request.method, name, rest:
            case "GET", "_stats", "":
                return _json({"providers": {p.name: p.stats.as_json() for p in self.providers.values()}})
            case "GET", "_calls", known if known in self.providers:
                seen = self.providers[known].stats
                return _json({"calls": seen.journal, "unjournaled": seen.unjournaled})
            case "POST", "_calls", "reset":
                for provider in self.providers.values():
                    provider.stats.forget_calls()
                return _json({"reset": list(self.providers)})
            case "POST", "_stats", "reset":
                for provider in self.providers.values():
                    provider.reset()
                return _json({"reset": list(self.providers)})
            case "POST", "_profiles", known if known in self.providers:
                return self._change(self.providers[known], await request.read())
        sentence = f"There is nothing at {request.method} {request.raw_path[:200]!r}; providers: "
        sentence += ", ".join(self.providers)
        return _json(OPENAI.error(404, sentence, call_id="sim"), status=404)

    def _change(self, provider: Provider, body: bytes) -> web.Response:
        """`{"profile": "flaky:rate_500=0.5"}` makes it so from the next call on."""
        try:
            provider.become(parse_profile(str(_object(body).get("profile", ""))))
        except (BadInput, BadConfiguration) as wrong:
            return _json(OPENAI.error(400, str(wrong), call_id="sim", field="profile"), status=400)
        return _json({"provider": provider.name, "profile": provider.profile.settings()})


def _remember(stats: Stats, digest: bytes, idempotency_key: str | None) -> int:
    """How many calls with this body came before."""
    if idempotency_key:
        stats.keys.add(sha256(_bytes(idempotency_key)).digest())
    return stats.bodies.add(digest)


def _bytes(header: str) -> bytes:
    """A header's value as it came; bytes that are no UTF-8 stand in it as lone surrogates."""
    return header.encode("utf-8", "surrogateescape")


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadInput("the body of the request is not JSON", code="body") from None
    if not isinstance(value, dict):
        raise BadInput("the body of the request is not a JSON object", code="body")
    return value


def _turned_away(wire: Wire, status: int, sentence: str, call_id: str, *, field: str | None = None) -> _Made:
    return _Made(_json(wire.error(status, sentence, call_id=call_id, field=field), status=status), None)


def _limits(wire: Wire, provider: Provider) -> dict[str, str]:
    if not provider.profile.tells_limits or provider.profile.requests_per_minute is None:
        return {}
    return wire.limit_headers(*provider.gate.left(), now_unix_s=time.time())


def _response(
    wire: Wire, said: SimulatedReply, facts: RequestFacts, call_id: str, limits: Mapping[str, str]
) -> web.Response:
    headers = {**_MARKS, wire.REQUEST_ID_HEADER: f"req_{call_id}", **limits, **dict(said.headers)}
    if said.status in (0, 200):
        value = wire.answer(said, facts, call_id=call_id, now_unix_s=int(time.time()))
        return web.Response(body=orjson.dumps(value), headers=headers)
    status = wire.status_of(said.status)
    return web.Response(
        body=orjson.dumps(wire.error(status, said.text, call_id=call_id)), status=status, headers=headers
    )


def _json(value: Any, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, headers=_MARKS)


async def _send_half(request: web.BaseRequest, whole: web.Response) -> web.StreamResponse:
    """Promises the whole body, sends half of it, and ends the connection."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    half = web.StreamResponse(status=whole.status, headers=whole.headers)
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    _drop(request)
    return half


def _drop(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()
