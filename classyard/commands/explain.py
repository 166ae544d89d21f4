"""`classyard explain JOB`: the whole story of one job, from its rows, and whether the rows can be believed."""

from __future__ import annotations

from rich.console import Console

from classyard.commands import explain_view, resolve, story
from classyard.commands.terminal import console, run
from classyard.context import Context


def explain(context: Context, job: str, *, as_json: bool = False) -> int:
    """Prints the story of a job, named by the end of its id or by its custom id; returns 0.

    Raises `UnknownName` where the name means no job or several, and `YardNotRunning`.
    """
    run(tell(context.connected(), job, as_json=as_json))
    return 0


async def tell(context: Context, given: str, *, as_json: bool = False, to: Console | None = None) -> None:
    """The same inside an event loop; `context` is connected."""
    async with context.database() as database:
        tenant = context.settings.tenant
        found = await story.gather(database, tenant, await resolve.job_id(database, tenant, given))
    screen = to or console()
    if as_json:
        screen.file.write(story.as_rows(found) + "\n")
        return
    for part in explain_view.parts(found, width=screen.width):
        screen.print(part)
