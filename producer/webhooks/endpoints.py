"""What is done with endpoints, by the API and by the command line alike. Each verb is one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from producer.webhooks.addresses import Network
from producer.webhooks.signing import SALT_BYTES, secret_of, secret_text
from producer.webhooks.targets import Target, read_target
from runtime.db.session import Connection, Database, Row
from runtime.db.stores import deliveries, webhooks
from runtime.ids import NewId, new_id
from schemas.errors import BadInput, UnknownName
from schemas.webhooks import TEST, USUAL, wanted_events

MAX_NAME_CHARACTERS = 100
OVERLAP_S = 24 * 3_600
"""For which the secret before signs as well, where nothing else is asked for."""
MOST_OVERLAP_S = 7 * 24 * 3_600
BY_HAND = "It was disabled by hand."


@dataclass(frozen=True, slots=True)
class Made:
    """An endpoint, and its secret, which is shown this once."""

    row: Row
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Endpoints:
    """Of one tenant. `allowed`: ranges that the operator named."""

    database: Database
    tenant: str
    pepper: str = field(repr=False)
    allowed: Sequence[Network] = ()
    ids: NewId = new_id

    async def add(
        self, url: str, *, name: str = "", events: Sequence[str] = USUAL, is_tenant_wide: bool = True
    ) -> Made:
        """Raises `BadInput`."""
        target, wanted = self._target(url), wanted_events(events)
        name = _named(name or target.host)
        endpoint_id, salt = f"wh_{_bare(self.ids())}", secrets.token_bytes(SALT_BYTES)
        async with self.database.transaction() as connection:
            has_room = await webhooks.add(
                connection,
                endpoint_id=endpoint_id,
                tenant_id=self.tenant,
                name=name,
                url=target.url,
                events=wanted,
                is_tenant_wide=is_tenant_wide,
                salt=salt,
            )
            if not has_room:
                raise BadInput(f"There are {webhooks.MOST} endpoints, which is the most; remove one.")
            row = _found(await webhooks.find(connection, self.tenant, endpoint_id), endpoint_id)
        return Made(row, self._secret(endpoint_id, salt))

    async def change(
        self,
        endpoint_id: str,
        *,
        url: str | None = None,
        name: str | None = None,
        events: Sequence[str] | None = None,
        is_tenant_wide: bool | None = None,
        is_disabled: bool | None = None,
    ) -> Row:
        """What is None stays. Raises `BadInput`, `UnknownName`."""
        address = None if url is None else self._target(url).url
        wanted = None if events is None else wanted_events(events)
        named = None if name is None else _named(name)
        async with self.database.transaction() as connection:
            row = await webhooks.update(
                connection,
                self.tenant,
                endpoint_id,
                name=named,
                url=address,
                events=wanted,
                is_tenant_wide=is_tenant_wide,
            )
            if is_disabled is True:
                row = await webhooks.disable(connection, self.tenant, endpoint_id, BY_HAND)
            elif is_disabled is False:
                row = await webhooks.enable(connection, self.tenant, endpoint_id)
        return _found(row, endpoint_id)

    async def rotate(self, endpoint_id: str, *, overlap_s: int = OVERLAP_S) -> Made:
        """A new secret; the one before signs as well for a while. Raises `BadInput`, `UnknownName`."""
        if not 0 <= overlap_s <= MOST_OVERLAP_S:
            raise BadInput(f"The overlap is at most {MOST_OVERLAP_S // 86_400} days.", where="overlap")
        salt = secrets.token_bytes(SALT_BYTES)
        async with self.database.transaction() as connection:
            row = await webhooks.rotate(connection, self.tenant, endpoint_id, salt, overlap_s=overlap_s)
        return Made(_found(row, endpoint_id), self._secret(endpoint_id, salt))

    async def remove(self, endpoint_id: str) -> None:
        """With its log. Raises `UnknownName`."""
        async with self.database.transaction() as connection:
            if not await webhooks.remove(connection, self.tenant, endpoint_id):
                raise _unknown(endpoint_id)

    async def test(self, endpoint_id: str) -> Row:
        """An event of the type `webhook.test`, delivered like every other. Raises `BadInput`, `UnknownName`."""
        event_id = f"evt_{_bare(self.ids())}"
        async with self.database.transaction() as connection:
            await self._awake(connection, endpoint_id)
            number = await webhooks.tell_one(connection, self.tenant, endpoint_id, event_id, TEST)
        return {"id": number, "endpoint_id": endpoint_id, "event_id": event_id}

    async def redeliver(self, delivery_id: int) -> Row:
        """From the first attempt on, with the same event id. Raises `BadInput`, `UnknownName`."""
        async with self.database.transaction() as connection:
            row = await deliveries.again(connection, self.tenant, delivery_id)
            if row is None:
                raise UnknownName(f"There is no delivery {delivery_id}.")
            await self._awake(connection, row["endpoint_id"])
        return row

    async def redeliver_all(self, endpoint_id: str) -> int:
        """All that were given up. Raises `BadInput`, `UnknownName`."""
        async with self.database.transaction() as connection:
            await self._awake(connection, endpoint_id)
            return await deliveries.all_again(connection, self.tenant, endpoint_id)

    async def _awake(self, connection: Connection, endpoint_id: str) -> Row:
        row = _found(await webhooks.find(connection, self.tenant, endpoint_id), endpoint_id)
        if row["disabled_at"] is not None:
            raise BadInput(f"The endpoint {endpoint_id} is disabled; enable it first.", code="disabled")
        return row

    def _target(self, url: str) -> Target:
        return read_target(url, may_be_plain=bool(self.allowed))

    def _secret(self, endpoint_id: str, salt: bytes) -> str:
        return secret_text(secret_of(self.pepper, endpoint_id, salt))


def _named(name: str) -> str:
    if not (len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and name.strip()):
        raise BadInput(f"A name has 1 to {MAX_NAME_CHARACTERS} printable characters.", where="name")
    return name


def _found(row: Row | None, endpoint_id: str) -> Row:
    if row is None:
        raise _unknown(endpoint_id)
    return row


def _unknown(endpoint_id: str) -> UnknownName:
    return UnknownName(f"There is no endpoint {endpoint_id[:60]!r}; `classyard webhooks list` has their ids.")


def _bare(new: str) -> str:
    return new.replace("-", "")
