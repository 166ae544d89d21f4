"""`classyard policy lint FILE` and `classyard policy show`: is a policy what one thinks it is?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import yaml
from rich.text import Text

from classyard.commands import catalogs
from classyard.commands.terminal import console, counted, hush, shown, tell
from classyard.context import Context
from governance.policies.lint import lint as remarks_on
from governance.policies.remarks import Remark
from governance.policies.source import load_policy
from router_worker.engine.decide import prepare
from runtime.yaml_files import read_yaml
from schemas.canonical import digest
from schemas.catalog import Catalog
from schemas.decision import Decision
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.snapshot import ProviderSnapshot

LONGEST = 1_000


def lint(context: Context, file: Path) -> int:
    """Prints what is odd about a policy file, tried on this yard's catalog; 0 where nothing is, else 1.

    Raises `BadConfiguration`, with line and column, for a file that is not a policy. Works without a running yard.
    """
    hush()
    policy, where = load_policy(file), read_yaml(file).where
    found = remarks_of(policy, catalogs.of_files(context))
    screen = console()
    for remark in found:
        tell(screen, Text(shown(f"{where(remark.place)}: {remark.sentence} [{remark.code}]", most=LONGEST)))
    screen.print(Text(verdict(policy, found), style="bold"))
    return 1 if found else 0


def remarks_of(policy: RoutingPolicy, catalog: Catalog) -> list[Remark]:
    """Tried with the engine itself."""
    return remarks_on(policy, catalog, _decider)


def verdict(policy: RoutingPolicy, found: Iterable[Remark]) -> str:
    number = len(list(found))
    rules, tiers = counted(len(policy.rules), "rule"), counted(len(policy.tiers), "tier")
    told = f"Policy {policy.policy!r}, version {policy.version}, loads: {rules}, {tiers}"
    return f"{told}; {counted(number, 'remark')}." if number else f"{told}. Nothing odd about it."


def show(context: Context) -> int:
    """Prints the policy in force here, defaults written out, as YAML that could be a file; returns 0."""
    hush()
    policy = context.policy()
    screen = console()
    for line in written(policy):
        screen.print(Text(shown_line(line)), soft_wrap=True)
    return 0


def written(policy: RoutingPolicy) -> Iterator[str]:
    yield f"# {digest(policy)}"
    body = policy.model_dump(mode="json")
    yield from yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=110).splitlines()


def shown_line(line: str) -> str:
    """With its indentation, which `shown` alone would take away."""
    inner = line.lstrip(" ")
    return " " * (len(line) - len(inner)) + shown(inner, most=LONGEST)


def _decider(policy: RoutingPolicy, snapshot: ProviderSnapshot) -> Callable[[JobFeatures], Decision]:
    return prepare(policy, snapshot).decide
