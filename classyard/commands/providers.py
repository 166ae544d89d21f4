"""`classyard providers`: the catalog, and how busy each of its providers is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from classyard.commands import catalogs
from classyard.commands.terminal import (
    SIMULATED_NOTE,
    console,
    counted,
    indented,
    joined,
    marked,
    milliseconds,
    number,
    run,
    shown,
)
from classyard.context import Context
from producer.money import format_usd
from router_worker.observe import snapshot_of
from runtime.clock import utc_now
from runtime.db.session import Database, clock
from runtime.db.stores import capacity, views
from schemas.canonical import digest
from schemas.catalog import Catalog, CatalogModel, CatalogProvider, Price, PriceTier, ProviderKind
from schemas.errors import YardNotRunning
from schemas.policy import BindLate
from schemas.snapshot import Health, ProviderLoad, ProviderSnapshot, ProviderStatus

NO_PRICE = "no price: refused"

HEALTH_STYLES = {Health.SLOW: "yellow", Health.FAILING: "red"}

STYLES = {ProviderStatus.READY: "green", ProviderStatus.PAUSED: "yellow", ProviderStatus.DOWN: "red"}


@dataclass(frozen=True, slots=True)
class Providers:
    snapshot: ProviderSnapshot
    calls: Mapping[str, int]
    """In flight now, by provider."""
    notes: tuple[str, ...] = ()


def providers(context: Context) -> int:
    """Prints every provider with its models and returns 0. Works without a running yard, and says so then.

    Raises `BadConfiguration` where there is no yard to ask and a catalog file is wrong.
    """
    screen = console()
    for part in parts(_found(context), width=screen.width):
        screen.print(part)
    return 0


def _found(context: Context) -> Providers:
    try:
        connected = context.connected()
    except YardNotRunning as not_running:
        return at_rest(catalogs.of_files(context), context.policy().bind_late, str(not_running))
    return run(_asked(connected))


async def _asked(context: Context) -> Providers:
    async with context.database() as database:
        return await gather(database, context)


async def gather(database: Database, context: Context) -> Providers:
    """By the catalog that the router stored, else by the files."""
    tenant = context.settings.tenant
    async with database.transaction() as connection:
        await views.one_picture(connection)
        stored = catalogs.parsed(await catalogs.stored(connection, tenant))
        rows = await capacity.loads(connection, tenant)
        calls = await views.calls_in_flight(connection, tenant)
        now = await clock(connection)
    catalog = stored or catalogs.of_files(context)
    snapshot = snapshot_of(catalog, digest(catalog), rows, context.policy().bind_late, taken_at=now)
    return Providers(snapshot, calls)


def at_rest(catalog: Catalog, bind_late: BindLate, why: str) -> Providers:
    """The same where no yard can be asked."""
    snapshot = snapshot_of(catalog, digest(catalog), (), bind_late, taken_at=utc_now())
    return Providers(snapshot, {}, (why,))


def parts(found: Providers, *, width: int) -> Iterator[RenderableType]:
    for load in found.snapshot.loads:
        provider = found.snapshot.catalog.provider(load.provider)
        assert provider is not None
        yield from _provider(provider, load, found.calls.get(load.provider, 0), width)
    for line in found.notes:
        yield Text(shown(line, most=400), style="yellow")
    if found.snapshot.catalog.simulated:
        yield Text(SIMULATED_NOTE, style="yellow")


def _provider(
    provider: CatalogProvider, load: ProviderLoad, calls: int, width: int
) -> Iterator[RenderableType]:
    title = marked(provider.name, provider.simulated)
    title.stylize("bold", 0, len(shown(provider.name, most=40)))
    title.append(f"  {load.status.value.replace('_', ' ')}", style=STYLES.get(load.status, "yellow"))
    if load.health is not Health.WELL:
        title.append(f"  {load.health.value}", style=HEALTH_STYLES[load.health])
    yield title
    if load.reason:
        yield indented(Text(shown(load.reason, most=300), style="yellow"))
    yield indented(Text(terms(provider)))
    yield indented(Text(busy(load, calls)))
    if shows := observed(load):
        yield indented(Text(shows))
    yield indented(_models(provider.models, width))
    yield Text()


def terms(provider: CatalogProvider) -> str:
    """What it is, what it may see, where it processes, what it does with what it is sent."""
    data = provider.data_terms
    kept = f"keeps {counted(data.retention_days, 'day')}" if data.retention_days else "keeps nothing"
    trains = "trains on what it is sent" if data.trains_on_data else "trains on nothing"
    kind = "API" if provider.kind is ProviderKind.API else "self-hosted"
    return joined((kind, f"up to {provider.boundary}", ", ".join(provider.regions), kept, trains))


def busy(load: ProviderLoad, calls: int) -> str:
    """Calls and jobs now, of what can be; parcels that wait in a slot count as waiting."""
    waiting = load.waiting_jobs + max(0, load.in_flight - calls)
    return joined(
        (
            f"{number(calls)} in flight",
            f"{number(waiting)} waiting",
            f"{counted(load.slots, 'slot')} of a ceiling of {number(load.ceiling)}",
            f"p50 {milliseconds(load.job_ms_p50)}" if load.job_ms_p50 is not None else "",
        )
    )


def observed(load: ProviderLoad) -> str:
    """What its last calls showed, and when what is bound there now would be done; empty before there were calls."""
    pace = load.pace_millionths
    if pace is None:
        return ""
    ahead_ms = (load.waiting_work_ms + load.in_flight_work_ms // 2) * pace // (1_000_000 * max(1, load.slots))
    return joined(
        (
            f"{pace / 1e6:.2f} times the prior",
            f"p95 {milliseconds(load.latency_ms_p95)}" if load.latency_ms_p95 is not None else "",
            f"{number(load.tokens_per_s)} tokens/s a slot" if load.tokens_per_s else "",
            f"{milliseconds(ahead_ms)} ahead" if ahead_ms else "",
        )
    )


def _models(models: tuple[CatalogModel, ...], width: int) -> Table:
    table = Table(box=None, padding=(0, 2 if width >= 92 else 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("model", overflow="fold")
    table.add_column("context", justify="right", no_wrap=True)
    table.add_column("$ in/out per million tokens", justify="right")
    table.add_column("quality", justify="right", no_wrap=True)
    for model in models:
        name = shown(
            model.name if model.name == model.version else f"{model.name} ({model.version})", most=80
        )
        table.add_row(Text(name), number(model.context_tokens), price(model.price), f"{model.quality:.2f}")
    return table


def price(found: Price | None) -> Text:
    if found is None:
        return Text(NO_PRICE, style="red")
    both = (found.input_usd_micros_per_mtok, found.output_usd_micros_per_mtok)
    tier = "" if found.tier is PriceTier.LIST else f" {found.tier.value.replace('_', '-')}"
    return Text(" / ".join(format_usd(micros) for micros in both) + tier)
