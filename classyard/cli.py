"""The command line. Each command is a few lines here; what it does lives in `classyard.commands` and below.

Whatever goes wrong ends in a sentence on stderr and an exit code: 1 not everything succeeded, 2 the caller's mistake,
3 the configuration, 4 the machine or a service, 70 a bug of ours.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

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
run = typer.Typer(help="Run one role of a yard as a process of its own.", no_args_is_help=True)
app.add_typer(run, name="run")
policy = typer.Typer(help="Look at routing policies.", no_args_is_help=True)
app.add_typer(policy, name="policy")
providers = typer.Typer(help="List the providers, or switch one.", invoke_without_command=True)
app.add_typer(providers, name="providers")
audit = typer.Typer(help="Prove things from the record.", no_args_is_help=True)
app.add_typer(audit, name="audit")
budget = typer.Typer(help="Look at budgets, and set them.", invoke_without_command=True)
app.add_typer(budget, name="budget")
ladder = typer.Typer(
    help="See what the rungs of the policy's ladders keep and promise.", no_args_is_help=True
)
app.add_typer(ladder, name="ladder")


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


def _context() -> Any:
    from classyard.context import Context

    return Context.from_environment()


@app.command()
def up() -> None:
    """Start the yard on this machine and keep it up until Ctrl-C."""
    from classyard.commands.yard import stay_up

    stay_up(_context())


@app.command()
def down() -> None:
    """Stop the yard that runs on this machine; everything it has is kept."""
    from classyard.commands.yard import take_down

    take_down(_context())


@app.command()
def demo(
    documents: Annotated[int, typer.Option(help="Documents to review.", min=3, max=500)] = 48,
) -> None:
    """Start a yard, review synthetic documents at three providers, and explain one decision."""
    from classyard.demo import show

    raise typer.Exit(show(_context(), documents=documents))


@app.command()
def migrate() -> None:
    """Bring the database to the schema of this version. Safe to run again, and by many at once."""
    from runtime.db.migrate import migrate as upgrade

    typer.echo(f"The database is at revision {upgrade(_context().connected().settings.database_url)}.")


@run.command("router")
def run_router() -> None:
    """Decide waiting jobs."""
    from classyard import roles

    raise typer.Exit(roles.run_router(_context()))


@run.command("provider")
def run_provider(
    name: Annotated[str, typer.Argument(help="The provider's name in the catalog.")],
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, help="Calls in flight in this process; the provider's ceiling by default."),
    ] = None,
) -> None:
    """Serve the jobs of one provider."""
    from classyard import roles

    raise typer.Exit(roles.run_provider(_context(), name, concurrency))


@run.command("keeper")
def run_keeper() -> None:
    """Take back what lost workers held, expire, and ring missing bells. One leads; more stand by."""
    from classyard import roles

    raise typer.Exit(roles.run_keeper(_context()))


@run.command("flower")
def run_flower(
    auth: Annotated[Path, typer.Option(help="A file with one user:password a line.")],
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 inside a container.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 5555,
) -> None:
    """Show workers and their slots in a browser, and raise or lower them. Never without a password."""
    from classyard.flower import run_flower as show

    raise typer.Exit(show(_context(), auth=auth, host=host, port=port))


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
        _context(),
        paths,
        review=review,
        wait=wait,
        sensitivity=sensitivity,
        residency=residency or [],
        deadline=deadline,
        max_cost=max_cost,
        quality=quality,
        priority=priority,
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

    raise typer.Exit(end(_context(), what, job=job))


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
        _context(),
        batch,
        states=state or [],
        reasons=reason or [],
        deadline=deadline,
        max_cost=max_cost,
        wait=wait,
    )
    raise typer.Exit(code)


@policy.command("lint")
def policy_lint(file: Annotated[Path, typer.Argument(help="A policy file.")]) -> None:
    """Say what is wrong or odd about a policy, tried on this yard's catalog; exits with 1 where there is something."""
    from classyard.commands.policy import lint

    raise typer.Exit(lint(_context(), file))


@policy.command("show")
def policy_show() -> None:
    """Print the policy in force, every default written out, and its digest."""
    from classyard.commands.policy import show

    raise typer.Exit(show(_context()))


@ladder.command("show")
def ladder_show() -> None:
    """For each rung: from which evidence it keeps, its labels, its promise or why there is none, what it saved."""
    from classyard.commands.ladder import show

    raise typer.Exit(show(_context()))


@ladder.command("import")
def ladder_import(
    file: Annotated[Path, typer.Argument(help="CSV or JSONL with ladder, model, score (0 to 1), agrees.")],
) -> None:
    """Take labelled outcomes from a file, for promises. All of it, or nothing where a line is wrong."""
    from classyard.commands.ladder import bring

    raise typer.Exit(bring(_context(), file))


@app.command()
def watch(
    batches: Annotated[list[str] | None, typer.Argument(help="Batch ids, or `latest` (the default).")] = None,
) -> None:
    """Follow batches until every document is final."""
    from classyard.commands.watch import watch as follow

    raise typer.Exit(follow(_context(), batches or ["latest"]))


@app.command()
def status() -> None:
    """Show the yard at a glance: roles, open work, recent batches."""
    from classyard.commands.status import status as show

    raise typer.Exit(show(_context()))


@app.command()
def results(
    batch: Annotated[str, typer.Argument(help="A batch id, its end, or `latest`.")],
    form: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    output: Annotated[str, typer.Option("-o", "--output", help="A file; `-` is standard output.")] = "-",
) -> None:
    """Write one row for every document: the result or the reason, with its decision, tokens and cost."""
    from classyard.commands.results import results as write

    raise typer.Exit(write(_context(), batch, form=form, to=output))


@app.command()
def report(
    batch: Annotated[str, typer.Argument(help="A batch id, its end, or `latest`.")] = "latest",
    as_json: Annotated[bool, typer.Option("--json", help="One object, for programs.")] = False,
) -> None:
    """Say what became of a batch: cost, the least possible cost, the gap, providers, what has no answer."""
    from classyard.commands.report import report as tell

    raise typer.Exit(tell(_context(), batch, as_json=as_json))


@app.command()
def explain(
    job: Annotated[str, typer.Argument(help="A job id, its end, or the document's custom_id.")],
    as_json: Annotated[bool, typer.Option("--json", help="The rows as they are stored.")] = False,
) -> None:
    """Tell the story of one document: the decision and why, the calls, the checks, the audit chain."""
    from classyard.commands.explain import explain as tell

    raise typer.Exit(tell(_context(), job, as_json=as_json))


@providers.callback()
def list_providers(
    asked: typer.Context,
    history: Annotated[
        str | None,
        typer.Option("--history", metavar="NAME", help="What was done to this provider, and by whom."),
    ] = None,
) -> None:
    """List the providers: what they can do, what they cost, how busy they are. Or switch one."""
    if asked.invoked_subcommand is not None:
        return
    if history is not None:
        from classyard.commands.switch import history as tell

        raise typer.Exit(tell(_context(), history))
    from classyard.commands.providers import providers as show

    raise typer.Exit(show(_context()))


ProviderName = Annotated[str, typer.Argument(help="The provider's name in the catalog.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with your name.")]


def _switch(name: str, to: str, reason: str) -> None:
    from classyard.commands.switch import turn
    from runtime.db.stores.switches import Switch

    raise typer.Exit(turn(_context(), name, Switch(to), reason=reason))


@providers.command("pause")
def pause_provider(name: ProviderName, reason: Reason = "") -> None:
    """Take no new claims; what is bound is decided anew after a moment."""
    _switch(name, "paused", reason)


@providers.command("resume")
def resume_provider(name: ProviderName, reason: Reason = "") -> None:
    """Serve again, with a closed breaker."""
    _switch(name, "resumed", reason)


@providers.command("drain")
def drain_provider(name: ProviderName, reason: Reason = "") -> None:
    """Bind nothing new, serve what is bound to its end, then pause."""
    _switch(name, "draining", reason)


@providers.command("kill")
def kill_provider(name: ProviderName, reason: Reason = "") -> None:
    """Stop at once: give up calls in flight, and take back all that is bound."""
    _switch(name, "killed", reason)


@providers.command("set")
def set_provider(
    name: ProviderName,
    ceiling: Annotated[int, typer.Option(min=0, help="Calls in flight at most; 0: the catalog's again.")],
    reason: Reason = "",
) -> None:
    """Change a provider's ceiling while it runs, over all workers."""
    from classyard.commands.switch import set_ceiling

    raise typer.Exit(set_ceiling(_context(), name, ceiling, reason=reason))


@audit.callback()
def audit_record() -> None:
    """Prove things from the record."""


@audit.command("hops")
def audit_hops(
    batch: Annotated[
        str | None, typer.Argument(help="A batch id, its end, or `latest`; all of them.")
    ] = None,
) -> None:
    """Show that every call, fallbacks included, went to a candidate that its decision allowed."""
    from classyard.commands.audit import audit_hops as prove

    raise typer.Exit(prove(_context(), batch))


@app.command()
def doctor() -> None:
    """Check everything the yard stands on, and say what to do."""
    from classyard.commands.doctor import doctor as examine

    raise typer.Exit(examine(_context()))


@budget.callback()
def budgets(context: typer.Context) -> None:
    """Show what may be spent, what is spent and reserved, and how much work is held by it."""
    if context.invoked_subcommand is None:
        from classyard.commands.budget import budget as show

        raise typer.Exit(show(_context()))


@budget.command("set")
def budget_set(words: list[str]) -> None:
    """Set another ceiling than the policy's: batch ID, day or tenant; then $12.50, off, or policy."""
    from classyard.commands.budget import set_budget

    raise typer.Exit(set_budget(_context(), words))


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
) -> None:
    """Say what a submission would cost and when it would be done. Nothing is sent, nothing is written."""
    from classyard.commands.quote import quote as reckon

    code = reckon(
        _context(),
        paths,
        review=review,
        sensitivity=sensitivity,
        residency=residency or [],
        deadline=deadline,
        max_cost=max_cost,
        quality=quality,
        priority=priority,
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

    raise typer.Exit(again(_context(), batch, verify=verify, policy=other))
