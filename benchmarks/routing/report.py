"""The section "Routing" of `benchmarks/RESULTS.md`, from the figures of a run."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.results import RESULTS, put
from benchmarks.routing import MODULES

METHOD = """\
**Saving.** The table's questions are parted by seed: up to 1,500 to learn a score from (ridge regression on hashed
words, letters and the domain), the others as the batch. Up to 600 labels are bought in the batch, where the predictions
say that they matter; they count as strong calls. Our promises are made at δ = .09, so that the draws of a run do not
push the measured rate over .1; BARGAIN's at .1. Each figure is the mean over draws of the labels, then the median over
seeds (least to most in brackets). "Agrees" means that the weak model was right: the table holds no answers, so the
strong model stands for the truth, as in the anchors. *Hindsight* knows all labels and pays for none. BARGAIN runs with
its defaults on the same triples, its labels counted alike. *Labels from elsewhere* are as many, drawn from the whole
batch, and used as if they came from earlier work.

**AIQ.** Every question is measured once, by a policy learned from the other four fifths; the domain table learns from
the same. The policy takes, for each domain and price of a dollar, one model, or a plan that asks up to three and goes
by who agrees with whom; which of the two, questions say that were held back from the four fifths. *In hindsight* is
that plan learned on the measured questions themselves. *For any money* is the quality that the policy reaches where
cost does not matter. A curve as high as that at every cost would have that AIQ, so between an anchor and it lies all
that the answers may cost; where that is next to nothing, no cascade on this evidence can reach the anchor.

**APGR.** Labels and questions do not overlap; router and domain table have the same labels."""


def page(found: dict[str, Any]) -> str:
    """The section, as Markdown."""
    parts = ["## Routing", _about(found), METHOD, *_saving(found), *_curves(found), *_others(found)]
    parts += [f"- {name}: {reason}." for name, reason in sorted(found["left_out"].items())]
    return "\n\n".join(parts) + "\n"


def write(section: str, path: Path = RESULTS) -> None:
    """Puts the section where it was before, or at the end; other sections stay as they are."""
    put("routing", section, by="python -m benchmarks.routing --write", path=path)


def _about(found: dict[str, Any]) -> str:
    run = found["run"]
    quick = " A quick run: these figures only show that it works." if run["quick"] else ""
    seconds = sum(found["seconds"].values())
    return (
        f"`python -m benchmarks.routing`, {seconds:.0f} s on {run['cores']} cores of {run['processor']}, "
        f"{run['memory_gib']} GiB, {run['system']}, Python {run['python']}, numpy {run['numpy']}; "
        f"seeds {', '.join(map(str, run['seeds']))}.{quick}"
    )


def _saving(found: dict[str, Any]) -> Iterator[str]:
    if "saving" not in found:
        return
    lines = [
        "| T | strong calls avoided | hindsight | of hindsight (anchor ≥ .85, ≥ .70 at .95) | BARGAIN | "
        "over BARGAIN (anchor ≥ 1.20 to .90) | promises broken (δ = .1) | labels from elsewhere |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in found["saving"].items():
        lines.append(
            f"| {name} | {_range(row['avoided'])} | {_range(row['hindsight'])} | "
            f"**{_range(row['over_hindsight'])}** | {_range(row['avoided_by_bargain'])} | "
            f"**{_range(row['over_bargain'])}** | {row['violation_rate']:.3f} of {row['resamples']:,} | "
            f"{_range(row['avoided_from_elsewhere'])}, broken {row['violation_rate_from_elsewhere']:.3f} |"
        )
    yield "\n".join(lines)


def _curves(found: dict[str, Any]) -> Iterator[str]:
    lines = ["| yardstick | anchor | measured | domain table | beside it |", "|---|---|---|---|---|"]
    if aiq := found.get("aiq"):
        lines.append(
            f"| AIQ, RouterBench subset ({aiq['questions']:,}) | best learned router .856; reach ≥ .876 | "
            f"**{_range(aiq['cascade'])}** | {_range(aiq['domain_table'])} | "
            f"in hindsight {aiq['in_hindsight']:.3f}; quality for any money "
            f"{aiq['quality_for_any_money']['median']:.3f}; oracle {aiq['oracle']:.3f}; "
            f"best single model's quality {aiq['best_single_quality']:.3f} |"
        )
    if apgr := found.get("apgr"):
        lines.append(
            f"| APGR, RouteLLM MMLU, {apgr['labels']:,} labels ({apgr['questions']:,}) | RouteLLM .603; "
            f"reach ≥ .65 | **{_range(apgr['router'])}** | {_range(apgr['domain_table'])} | "
            f"random {_range(apgr['random'])} |"
        )
    if len(lines) > 2:
        yield "\n".join(lines)


def _others(found: dict[str, Any]) -> Iterator[str]:
    """What modules with a `page` of their own say."""
    for name in MODULES:
        if (
            find_spec(name)
            and (say := getattr(importlib.import_module(name), "page", None))
            and (told := say(found))
        ):
            yield told


def _range(spread: dict[str, float] | None) -> str:
    if spread is None or spread["median"] is None:
        return "-"
    return f"{spread['median']:.3f} [{spread['min']:.3f}, {spread['max']:.3f}]"
