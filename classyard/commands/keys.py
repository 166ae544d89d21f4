"""`classyard keys`: make, list and revoke keys of the HTTP API."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from classyard.commands.terminal import console, indented, instant, note, run, shown
from classyard.context import Context
from producer.api.keys import ApiKey, hmac_of, read_key
from producer.api.keys import new_key as made
from producer.api.rates import parse_rate, rate_text
from producer.durations import parse_duration
from runtime.db.session import Database, Row
from runtime.db.stores import api_keys, batches
from schemas.errors import BadConfiguration, BadInput, UnknownName
from schemas.scopes import Scope

MAX_NAME_CHARACTERS = 100
LEAST_PEPPER = 32


def new_key(
    context: Context, name: str, *, scopes: Sequence[str], expires: str | None, rate: str | None = None
) -> int:
    """Prints the key alone on standard output, and returns 0."""
    wanted = [_scope(one) for one in scopes] or [Scope.SUBMITTER]
    if not (0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()):
        raise BadInput(f"A key's name has 1 to {MAX_NAME_CHARACTERS} printable characters.", where="NAME")
    seconds = None if expires is None else parse_duration(expires)
    per_minute = None if rate is None else parse_rate(rate)
    connected = context.connected()
    key = run(_new(connected, pepper_of(connected), name, wanted, seconds, per_minute))
    note(f"A key for {', '.join(wanted)}. It is shown this once; keep it where secrets are kept.")
    sys.stdout.write(f"{key.text}\n")
    return 0


def list_keys(context: Context) -> int:
    rows = run(_every(context.connected()))
    screen = console()
    for part in parts(rows):
        screen.print(part)
    return 0


def revoke_key(context: Context, key: str) -> int:
    """Takes a key's id, or the whole key. Raises `UnknownName`."""
    whole = read_key(key)
    key_id = whole.id if whole else key
    row = run(_revoke(context.connected(), key_id))
    if row is None:
        raise UnknownName(f"There is no key {shown(key_id[:20])!r}; `classyard keys list` has their ids.")
    note(f"The key {key_id} ({shown(row['name'])}) is revoked.")
    return 0


def pepper_of(context: Context) -> str:
    """That of the settings, else the one that the embedded yard made for itself.

    Raises `BadConfiguration` where there is none, or one that is too short.
    """
    kept = context.home.config / "api.pepper"
    pepper = context.settings.api_pepper or (kept.read_text().strip() if kept.exists() else "")
    if not pepper:
        raise BadConfiguration(
            "Keys need a pepper: set it, 32 random characters or more, the same for every process of the yard.",
            where="the setting CLASSYARD_API_PEPPER",
        )
    if len(pepper) < LEAST_PEPPER:
        raise BadConfiguration(
            f"It is too short; {LEAST_PEPPER} characters is the least.",
            where="the setting CLASSYARD_API_PEPPER",
        )
    return pepper


def _scope(given: str) -> Scope:
    try:
        return Scope(given)
    except ValueError:
        raise BadInput(
            f"{given[:40]!r} is not known; it may be one of: {', '.join(Scope)}.", where="--scope"
        ) from None


async def add_key(
    database: Database,
    tenant: str,
    key: ApiKey,
    pepper: str,
    name: str,
    scopes: Sequence[Scope],
    expires_s: int | None,
    per_minute: int | None = None,
) -> None:
    async with database.transaction() as connection:
        await batches.ensure_tenant(connection, tenant)
        await api_keys.add(
            connection,
            key_id=key.id,
            tenant_id=tenant,
            name=name,
            secret_hmac=hmac_of(pepper, key.secret),
            scopes=[scope.value for scope in scopes],
            expires_s=expires_s,
            requests_per_minute=per_minute,
        )


async def _new(
    context: Context,
    pepper: str,
    name: str,
    scopes: Sequence[Scope],
    expires_s: int | None,
    per_minute: int | None,
) -> ApiKey:
    key = made()
    async with context.database() as database:
        await add_key(database, context.settings.tenant, key, pepper, name, scopes, expires_s, per_minute)
    return key


async def _every(context: Context) -> list[Row]:
    async with context.database() as database, database.transaction() as connection:
        return await api_keys.every(connection, context.settings.tenant)


async def _revoke(context: Context, key_id: str) -> Row | None:
    async with context.database() as database, database.transaction() as connection:
        return await api_keys.revoke(connection, context.settings.tenant, key_id)


def parts(rows: Sequence[Row]) -> Iterator[RenderableType]:
    if not rows:
        yield Text("There are no keys. `classyard keys new NAME` makes one.", style="dim")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("id", "name", "scopes", "rate", "made", "last used", "state"):
        table.add_column(name, overflow="fold")
    for row in rows:
        used = row["last_used_at"]
        table.add_row(
            row["id"],
            shown(row["name"]),
            ", ".join(row["scopes"]),
            rate_text(row["requests_per_minute"]),
            instant(row["created_at"]),
            instant(used) if used else "never",
            _state(row),
        )
    yield indented(table)


def _state(row: Row) -> str:
    if row["revoked_at"]:
        return f"revoked {instant(row['revoked_at'])}"
    if row["is_expired"]:
        return f"expired {instant(row['expires_at'])}"
    return f"until {instant(row['expires_at'])}" if row["expires_at"] else "valid"
