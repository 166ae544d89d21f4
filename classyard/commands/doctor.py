"""`classyard doctor`: is everything that a yard stands on well? One line a check, each a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from rich.console import Console
from rich.text import Text

from classyard.commands import config_checks, machine_checks, yard_checks
from classyard.commands.checks import Check, Mark, failed, passed, warned
from classyard.commands.terminal import console, counted, hush, shown, tell
from classyard.context import Context
from schemas.errors import ClassyardError, YardNotRunning

STYLES = {Mark.WELL: "green", Mark.NOTE: "yellow", Mark.FAILED: "bold red"}


def doctor(context: Context) -> int:
    """Prints what was found, and returns 0 where nothing failed, else 1. Works without a running yard."""
    hush()
    screen = console()
    found = []
    for check in checks(context):
        found.append(check)
        show(screen, check)
    screen.print(Text(verdict(found), style="bold"))
    return exit_code(found)


def exit_code(found: Iterable[Check]) -> int:
    return 1 if any(check.mark is Mark.FAILED for check in found) else 0


def verdict(found: Sequence[Check]) -> str:
    wrong = sum(check.mark is Mark.FAILED for check in found)
    noted = sum(check.mark is Mark.NOTE for check in found)
    if wrong:
        return f"{counted(wrong, 'check')} failed of {len(found)}."
    return f"Nothing failed in {counted(len(found), 'check')}; {counted(noted, 'thing')} to know."


def show(screen: Console, check: Check) -> None:
    """A sentence of several lines keeps them, under its mark."""
    first, *others = check.sentence.splitlines() or [""]
    tell(screen, Text(shown(first, most=600)), mark=Text(check.mark.value, style=STYLES[check.mark]))
    for other in others:
        tell(screen, Text(shown(other, most=600)), mark=Text(" "))


def checks(context: Context) -> Iterator[Check]:
    """One after another, the surroundings first; a check that breaks is a failed check and ends nothing."""
    runs: list[Callable[[], Iterable[Check]]] = [
        machine_checks.python,
        partial(machine_checks.packages, embedded=not context.settings.is_cluster),
        partial(machine_checks.home, context.home),
        machine_checks.startup_files,
        yard_checks.task_settings,
        partial(config_checks.files, context),
    ]
    for run in runs:
        yield from guarded(run)
    connected = _connected(context)
    yield connected if isinstance(connected, Check) else passed(_where(connected))
    yield from guarded(partial(config_checks.keys, context, is_up=isinstance(connected, Context)))
    if isinstance(connected, Context):
        yield from guarded(partial(yard_checks.services, connected.settings))
        yield from guarded(partial(yard_checks.schema, connected.settings))
        yield from guarded(lambda: asyncio.run(yard_checks.audit(connected)))


def guarded(run: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    try:
        yield from run()
    except ClassyardError as error:
        yield failed(str(error))
    except Exception as error:
        yield failed(f"A check broke off ({type(error).__name__}: {error}); this is a bug of Classyard's.")


def _connected(context: Context) -> Context | Check:
    try:
        return context.connected()
    except YardNotRunning as error:
        return warned(f"{error} Its database, broker and audit were not looked at.")
    except ClassyardError as error:
        return failed(str(error))


def _where(context: Context) -> str:
    if context.home.is_locked():
        return f"A yard is running in {str(context.home.path)!r}."
    return "The settings name a database and a broker."
