"""What can go wrong for a program that calls a yard: a class by status, with the sentence that the yard said.

    ClientError
    ├── Misconfigured             no address, no key, or one that cannot be; nothing was sent
    ├── ConnectionFault           no answer came
    │   ├── NotConnected          there was no connection, so nothing was done
    │   └── ConnectionBroken      it broke or took too long; what was asked may have been done
    ├── Refused                   an answer that is an error, by its status
    │   ├── BadRequest 400        ├── KeyReused 422
    │   ├── BadKey 401            ├── RateLimited 429
    │   ├── Forbidden 403         ├── ServerFault 5xx
    │   ├── NotFound 404          └── Unavailable 502, 503, 504
    │   ├── Conflict 409
    │   └── TooLarge 413
    ├── BadAnswer                 an answer that is none of a yard's
    ├── NotFinished               a wait that was given up; the batch goes on
    └── WebhookNotVerified        it is not from the yard, or too old

No message holds a key or a document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from schemas.errors import ClassyardError

SHOWN = 500
"""Characters of a sentence that came from outside."""


class ClientError(ClassyardError):
    """Base of all that the client raises on purpose; `str(error)` is a sentence to show."""


class Misconfigured(ClientError):
    pass


class ConnectionFault(ClientError):
    pass


class NotConnected(ConnectionFault):
    pass


class ConnectionBroken(ConnectionFault):
    pass


class BadAnswer(ClientError):
    pass


class NotFinished(ClientError):
    pass


class WebhookNotVerified(ClientError):
    pass


class Refused(ClientError):
    def __init__(
        self,
        sentence: str,
        *,
        status: int,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        """As the yard said it."""
        self.status = status
        self.code = code
        """A stable word for programs, such as `empty_batch`."""
        self.param = param
        """What in the request it is about."""
        self.headers = dict(headers or {})

    @property
    def retry_after(self) -> str | None:
        return self.headers.get("retry-after")


class BadRequest(Refused):
    pass


class BadKey(Refused):
    pass


class Forbidden(Refused):
    pass


class NotFound(Refused):
    pass


class Conflict(Refused):
    pass


class TooLarge(Refused):
    pass


class KeyReused(Refused):
    """The idempotency key was used before, for something else."""


class RateLimited(Refused):
    pass


class ServerFault(Refused):
    pass


class Unavailable(ServerFault):
    pass


BY_STATUS: Mapping[int, type[Refused]] = {
    400: BadRequest,
    401: BadKey,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: KeyReused,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def refused(status: int, headers: Mapping[str, str], body: bytes) -> Refused:
    """From an answer of any status but a success, whether a problem, an envelope, or of something on the way."""
    found = _read(body)
    said = found.get("detail") or found.get("message") or found.get("title")
    sentence = str(said)[:SHOWN] if said else f"The answer was {status}, without a reason."
    kind = BY_STATUS.get(status) or (ServerFault if status >= 500 else Refused)
    return kind(
        sentence,
        status=status,
        code=_word(found.get("code")),
        param=_word(found.get("param")),
        headers=headers,
    )


def _read(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        found = found["error"]
    return found if isinstance(found, dict) else {}


def _word(value: object) -> str | None:
    return value[:SHOWN] if isinstance(value, str) else None
