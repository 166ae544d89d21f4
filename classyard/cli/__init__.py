"""The command line. Each command is a few lines here; what it does lives in `classyard.commands` and below.

Whatever goes wrong ends in a sentence on stderr and an exit code: 1 not everything succeeded, 2 the caller's mistake,
3 the configuration, 4 the machine or a service, 70 a bug of ours.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from classyard.cli import keys, operate, roles, rules, webhooks
from classyard.cli.here import here
from schemas.errors import ClassyardError
from schemas.sensitivity import Lane, Quality

app = typer.Typer(
    name="classyard",
    help="Review documents in bulk with language models: routed by policy, recorded, impossible to lose one with.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for name, group in (
    *(("run", roles.run), ("policy", rules.policy), ("ladder", rules.ladder)),
    *(("providers", operate.providers), ("budget", operate.budget), ("audit", operate.audit)),
    *(("keys", keys.keys), ("webhooks", webhooks.webhooks)),
):
    app.add_typer(group, name=name)


# What `submit` and `quote` take.
Paths = Annotated[list[Path], typer.Argument(help="Folders, files, .zip of text files, .jsonl or .csv.")]
ReviewName = Annotated[str, typer.Option(help="What to review them for, such as contract-clauses.")]
SensitivityLevel = Annotated[
    str | None, typer.Option(help="public, internal (default), confidential or restricted.")
]
Regions = Annotated[
    list[str] | None, typer.Option(help="Region in which they may be processed; may be given again.")
]
Deadline = Annotated[str | None, typer.Option(help="From now, such as 2h, 30m or 1d12h.")]
MaxCost = Annotated[str | None, typer.Option(help="In dollars, for all of them together, such as 5.00.")]
QualityLevel = Annotated[str | None, typer.Option(help=f"{', '.join(Quality)} (default: standard).")]
ModelName = Annotated[
    str | None,
    typer.Option(help="The one model that may answer, of the catalog: its name, or provider/model."),
]
TierName = Annotated[str | None, typer.Option(help="A tier of the policy within which it is decided.")]
LaneName = Annotated[str | None, typer.Option(help=f"Lane: {', '.join(Lane)} (default: normal).")]


def main() -> None:
    try:
        code = app(standalone_mode=False)  # in this mode the code of `typer.Exit` is returned, not raised
        sys.exit(code or 0)
    except ClassyardError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        if hasattr(error, "format_message"):  # what the command line parser says of its arguments
            _complain(error.format_message())
            sys.exit(2)
        raise


def _complain(sentence: str) -> None:
    from classyard.commands.text import clean  # file names and addresses come from outside

    for line in f"classyard: {sentence}".splitlines():
        sys.stderr.write(clean(line, most=1_000) + "\n")


@app.command()
def up() -> None:
    """Start the yard on this machine and keep it up until Ctrl-C."""
    from classyard.commands.yard import stay_up

    stay_up(here())


@app.command()
def down() -> None:
    """Stop the yard that runs on this machine; everything it has is kept."""
    from classyard.commands.yard import take_down

    take_down(here())


@app.command()
def demo(
    documents: Annotated[int, typer.Option(help="Documents to review.", min=3, max=500)] = 48,
) -> None:
    """Start a yard, review synthetic documents at three providers, and explain one decision."""
    from classyard.demo import show

    raise typer.Exit(show(here(), documents=documents))


@app.command()
def migrate() -> None:
    """Bring the database to the schema of this version. Safe to run again, and by many at once."""
    from runtime.db.migrate import migrate as upgrade

    typer.echo(f"The database is at revision {upgrade(here().connected().settings.database_url)}.")


@app.command()
def submit(
    paths: Paths,
    review: ReviewName,
    sensitivity: SensitivityLevel = None,
    residency: Regions = None,
    deadline: Deadline = None,
    max_cost: MaxCost = None,
    quality: QualityLevel = None,
    priority: LaneName = None,
    model: ModelName = None,
    tier: TierName = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="Your own name for this submission: handed in again with it, it is the same batch."
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Watch until all are final; the exit code tells.")
    ] = False,
) -> None:
    """Hand in documents to be reviewed."""
    from classyard.commands.submit import submit as hand_in

    code = hand_in(
        here(),
        paths,
        review=review,
        wait=wait,
        sensitivity=sensitivity,
        residency=residency or [],
        deadline=deadline,
        max_cost=max_cost,
        quality=quality,
        priority=priority,
        model=model,
        tier=tier,
        key=key,
    )
    raise typer.Exit(code)


@app.command()
def cancel(
    what: Annotated[str, typer.Argument(help="A batch id, its end, or `latest`; with --job, a document.")],
    job: Annotated[bool, typer.Option("--job", help="Cancel one document, not a batch.")] = False,
) -> None:
    """End what is still open of a batch. What is final stays; a cancelled document never gets a result."""
    from classyard.commands.again import cancel as end

    raise typer.Exit(end(here(), what, job=job))


@app.command()
def retry(
    batch: Annotated[str, typer.Argument(help="A batch id, its end, or `latest`.")],
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="failed, expired, refused (all three by default) or cancelled; may be given again."
        ),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option(help="Only those with this reason, such as deadline; may be given again."),
    ] = None,
    deadline: Deadline = None,
    max_cost: MaxCost = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Watch until all are final; the exit code tells.")
    ] = False,
) -> None:
    """Take up again what did not succeed of a batch, as a new batch. Nothing has to be handed in twice."""
    from classyard.commands.again import again

    code = again(
        here(),
        batch,
        states=state or [],
        reasons=reason or [],
        deadline=deadline,
        max_cost=max_cost,
        wait=wait,
    )
    raise typer.Exit(code)


@app.command()
def watch(
    batches: Annotated[list[str] | None, typer.Argument(help="Batch ids, or `latest` (the default).")] = None,
) -> None:
    """Follow batches until every document is final."""
    from classyard.commands.watch import watch as follow

    raise typer.Exit(follow(here(), batches or ["latest"]))


@app.command()
def status() -> None:
    """Show the yard at a glance: roles, open work, recent batches."""
    from classyard.commands.status import status as show

    raise typer.Exit(show(here()))


@app.command()
def results(
    batch: Annotated[str, typer.Argument(help="A batch id, its end, or `latest`.")],
    form: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    output: Annotated[str, typer.Option("-o", "--output", help="A file; `-` is standard output.")] = "-",
) -> None:
    """Write one row for every document: the result or the reason, with its decision, tokens and cost."""
    from classyard.commands.results import results as write

    raise typer.Exit(write(here(), batch, form=form, to=output))


@app.command()
def report(
    batch: Annotated[str, typer.Argument(help="A batch id, its end, or `latest`.")] = "latest",
    as_json: Annotated[bool, typer.Option("--json", help="One object, for programs.")] = False,
) -> None:
    """Say what became of a batch: cost, the least possible cost, the gap, providers, what has no answer."""
    from classyard.commands.report import report as tell

    raise typer.Exit(tell(here(), batch, as_json=as_json))


@app.command()
def explain(
    job: Annotated[str, typer.Argument(help="A job id, its end, or the document's custom_id.")],
    as_json: Annotated[bool, typer.Option("--json", help="The rows as they are stored.")] = False,
) -> None:
    """Tell the story of one document: the decision and why, the calls, the checks, the audit chain."""
    from classyard.commands.explain import explain as tell

    raise typer.Exit(tell(here(), job, as_json=as_json))


@app.command()
def doctor() -> None:
    """Check everything the yard stands on, and say what to do."""
    from classyard.commands.doctor import doctor as examine

    raise typer.Exit(examine(here()))


@app.command()
def quote(
    paths: Paths,
    review: ReviewName,
    sensitivity: SensitivityLevel = None,
    residency: Regions = None,
    deadline: Deadline = None,
    max_cost: MaxCost = None,
    quality: QualityLevel = None,
    priority: LaneName = None,
    model: ModelName = None,
    tier: TierName = None,
) -> None:
    """Say what a submission would cost and when it would be done. Nothing is sent, nothing is written."""
    from classyard.commands.quote import quote as reckon

    code = reckon(
        here(),
        paths,
        review=review,
        sensitivity=sensitivity,
        residency=residency or [],
        deadline=deadline,
        max_cost=max_cost,
        quality=quality,
        priority=priority,
        model=model,
        tier=tier,
    )
    raise typer.Exit(code)


@app.command()
def replay(
    batch: Annotated[str, typer.Argument(help="A batch id, its end, or `latest`.")],
    verify: Annotated[bool, typer.Option("--verify", help="Compare every decision with its record.")] = False,
    other: Annotated[
        str | None, typer.Option("--policy", help="A policy file: what would it have decided?")
    ] = None,
) -> None:
    """Decide a batch again from its recorded inputs: to prove the record, or to try another policy."""
    from classyard.commands.replay import replay as again

    raise typer.Exit(again(here(), batch, verify=verify, policy=other))


@app.command()
def openapi() -> None:
    """Print the OpenAPI document of the HTTP API. No yard has to run."""
    from classyard.commands.openapi import written

    sys.stdout.write(written())
