"""From an error reply to a typed fault: by the provider's own error word, else by the HTTP status.

A provider's error *message* may echo the prompt, so it never gets into a sentence; only the words of its
`type` and `code` do, and those only where they look like such words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime

from schemas.attempt import Fault, FaultKind
from schemas.call import HttpReply

MAX_RETRY_AFTER_S = 86_400.0
"""A longer wait is the same to us: the job is decided anew long before."""

BY_STATUS: dict[int, FaultKind] = {
    401: FaultKind.AUTH,
    402: FaultKind.QUOTA,
    403: FaultKind.AUTH,
    408: FaultKind.TIMEOUT,
    409: FaultKind.OVERLOAD,  # a lock or a conflict on their side; their own clients try again
    425: FaultKind.OVERLOAD,
    429: FaultKind.RATE,
    498: FaultKind.OVERLOAD,  # Groq's flex tier: `capacity_exceeded`
}
"""What a status means where no word says more. Other 4xx are our mistake, 5xx (and Anthropic's 529) an
overload.

Source: developers.openai.com/api/docs/guides/error-codes, platform.claude.com/docs/en/api/errors,
ai.google.dev/gemini-api/docs/troubleshooting, console.groq.com/docs/flex-processing; checked 2026-11-23.
"""

_MEANING: dict[FaultKind, str] = {
    FaultKind.AUTH: "it does not accept our key",
    FaultKind.QUOTA: "the account's money or plan is used up",
    FaultKind.RATE: "it asks us to slow down",
    FaultKind.OVERLOAD: "it cannot serve at the moment",
    FaultKind.TIMEOUT: "it gave up waiting",
    FaultKind.BAD_REQUEST: "it does not take this request",
    FaultKind.CONTENT_REFUSED: "it declines this document",
    FaultKind.MALFORMED: "the reply is not what the wire promises",
}

_WORD = re.compile(r"[A-Za-z][A-Za-z_]{1,63}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


def word(value: object) -> str:
    """An identifier such as `rate_limit_error`, or empty. Digits are left out on purpose: keys have them."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def failure(
    reply: HttpReply,
    words: Sequence[object],
    by_word: Mapping[str, FaultKind],
    *,
    status: int | None = None,
    retry_after_s: float | None = None,
) -> Fault:
    """The fault of an error reply. `words`: its type and code words, the most telling first.

    `status` is what the body says where that differs from the reply's own status.
    """
    kept = list(dict.fromkeys(found for found in map(word, words) if found))
    known = next((by_word[found] for found in kept if found in by_word), None)
    kind = known or kind_of_status(status or reply.status)
    said = f" ({', '.join(kept[:2])})" if kept else ""
    return Fault(
        kind=kind,
        sentence=f"The provider answered HTTP {reply.status}{said}: {_MEANING[kind]}.",
        status=reply.status,
        retry_after_s=retry_after_s if retry_after_s is not None else retry_after(reply.headers),
    )


def kind_of_status(status: int) -> FaultKind:
    if status in BY_STATUS:
        return BY_STATUS[status]
    if 400 <= status < 500:
        return FaultKind.BAD_REQUEST
    return FaultKind.OVERLOAD if 500 <= status < 600 else FaultKind.MALFORMED


def malformed(reply: HttpReply, why: str) -> Fault:
    """`why` is one of our own phrases, never a piece of the reply."""
    return Fault(FaultKind.MALFORMED, f"The provider's reply cannot be used: {why}.", reply.status)


def refused(reply: HttpReply, reason: object) -> Fault:
    said = word(reason)
    return Fault(
        FaultKind.CONTENT_REFUSED,
        f"The provider declines this document{f' ({said})' if said else ''}.",
        reply.status,
    )


def cut_short(reply: HttpReply) -> Fault:
    return Fault(FaultKind.CUT_SHORT, "The answer ended at its length limit.", reply.status)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the provider asks, 0..86,400; None where it does not ask, or not readably.

    A date is taken relative to the reply's own `date`, so that reading needs no clock.
    Source: RFC 9110 section 10.2.3; `retry-after-ms` as the openai client reads it; checked 2026-11-23.
    """
    milliseconds = seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    told = headers.get("retry-after")
    return seconds(told) if seconds(told) is not None else _until(told, headers.get("date"))


def seconds(text: object) -> float | None:
    if not isinstance(text, str) or not _SECONDS.fullmatch(text.strip()):
        return None
    return min(MAX_RETRY_AFTER_S, float(text))


def _until(then: str | None, now: str | None) -> float | None:
    later, sent = _instant(then), _instant(now)
    if later is None or sent is None:
        return None
    return min(MAX_RETRY_AFTER_S, max(0.0, (later - sent).total_seconds()))


def _instant(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return moment if moment.utcoffset() is not None else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
