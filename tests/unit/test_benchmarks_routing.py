"""The routing benchmark on tiny made-up data: it runs on any folder of that shape, and measures what it says."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.routing import __main__ as command
from benchmarks.routing import curve, deciding, peers, replayed, report, saving
from benchmarks.routing.data import MANY_ANSWERS, MANY_MODELS, TWO_MODELS, read_field, read_pair, split
from benchmarks.routing.plan import Plan
from benchmarks.routing.text import domain_means, predict, read_texts
from router_worker.cascade.batch import BatchPromise, promise_for_batch

DOMAINS = {"contracts": 0.9, "mail": 0.6, "sums": 0.35}
MODELS = {"small": (0.65, 0.1), "other": (0.7, 0.2), "large": (0.95, 5.0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    chance = random.Random(7)
    _write(data / TWO_MODELS, ["bench", "domain", "prompt", "weak_correct", "strong_correct"], _pairs(chance))
    questions = [_question(number, chance) for number in range(240)]
    costs = [f"{name}|total_cost" for name in MODELS]
    _write(
        data / MANY_MODELS, ["sample_id", "eval_name", "prompt", *MODELS, *costs], (q[0] for q in questions)
    )
    _write(data / MANY_ANSWERS, ["sample_id", "eval_name", *MODELS], (q[1] for q in questions if q[1]))
    return data


@pytest.fixture
def without_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        msg = "bargain could not be run: no index here"
        raise peers.PeerMissing(msg)

    monkeypatch.setattr(saving, "bargain", unreachable)


@pytest.fixture
def few_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replayed, "QUICK", 100)
    monkeypatch.setattr(deciding, "QUICK", 50)


@pytest.mark.usefixtures("without_peers", "few_decisions")
def test_a_quick_run_on_other_questions_and_models_gives_every_figure(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"

    assert command.main(["--quick", "--data", str(folder), "--json", str(out)]) == 0

    found = json.loads(out.read_text())
    assert set(found["saving_over_hindsight"]) == {"0.80", "0.85", "0.90", "0.95"}
    assert found["saving_over_bargain"] is None
    assert found["left_out"]["saving_over_bargain"] == "bargain could not be run: no index here"
    assert found["saving_violation_rate_max"] <= 0.12
    assert found["domain_table_aiq"] - 0.02 <= found["aiq_routerbench"] <= found["aiq"]["oracle"]
    assert found["apgr_mmlu_1500"] > 0.55
    assert found["replay_identical"] == 1.0
    assert found["replayed"] >= 100
    assert found["decide_cpu_us_p99"] > 0
    assert found["run"]["seeds"] == [0]


@pytest.mark.usefixtures("few_decisions")
def test_an_empty_folder_leaves_everything_out_and_says_so(tmp_path: Path) -> None:
    found = command.run(Plan(tmp_path, quick=True))

    assert set(found["left_out"]) >= {"saving", "aiq", "apgr"}
    assert "routing/routellm_mmlu.csv.gz is not in the data folder" in found["left_out"]["saving"]
    assert "saving_over_hindsight" not in found
    assert found["replayed"], "what needs no data is measured all the same"
    page = report.page(found)
    assert "## Routing" in page
    assert "**Replay.**" in page
    assert "**Deciding.**" in page


def test_the_fast_walk_is_the_products_own(folder: Path) -> None:
    """What the benchmark counts is what `promise_for_batch` keeps from the same labels."""
    pair = read_pair(folder)
    batch = saving.ranked(pair, read_texts(pair.prompts, pair.domains), 60, seed=0)
    walk = saving.walk_within(batch, 0.8)
    labels = np.random.default_rng(3).permutation(walk.head)[: walk.labels]
    labelled = {int(place): not batch.wrong[place] for place in labels}

    kept = promise_for_batch(
        [-float(rank) for rank in range(len(batch))], labelled, 0.8, saving.ASKED, head=walk.head
    )
    passed = saving.stop(batch.wrong[: walk.head], labels, walk.allowed)

    assert isinstance(kept, BatchPromise)
    assert len(kept.kept) == passed - int((labels < passed).sum())


def test_predictions_look_at_no_outcome_but_the_labelled_ones(folder: Path) -> None:
    pair = read_pair(folder)
    labelled, others = split(len(pair), 60, seed=1)
    texts = read_texts(pair.prompts, pair.domains)
    targets = pair.weak[labelled][:, None]

    predicted = predict(texts, labelled, targets)[others, 0]

    assert not set(labelled) & set(others)
    easy = pair.domains[others] == "contracts"
    assert predicted[easy].mean() > predicted[~easy].mean()
    assert domain_means(pair.domains, labelled, pair.weak[labelled])[others][easy].min() > 0.5


def test_an_oracle_closes_more_of_the_gap_than_chance() -> None:
    weak, strong = np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 1.0, 1.0, 1.0])

    assert curve.apgr(strong - weak, weak, strong) == 0.75
    assert curve.apgr(weak - strong, weak, strong) == 0.25


def test_the_hull_holds_no_point_that_a_mixture_beats(folder: Path) -> None:
    field = read_field(folder)
    points = np.array([(0.1, 0.5), (1.0, 0.55), (2.0, 0.9), (5.0, 0.8)])

    assert curve._hull(points).tolist() == [[0.1, 0.5], [2.0, 0.9]]
    assert curve.aiq(points, field) < 0.9


def test_the_section_is_replaced_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    path.write_text("# Results\n\n## Other\n\nkept\n")

    report.write("## Routing\n\nfirst\n", path)
    report.write("## Routing\n\nsecond\n", path)

    text = path.read_text()
    assert "kept" in text
    assert text.count("## Routing") == 1
    assert "first" not in text


def test_a_gap_in_a_row_leaves_the_question_out(folder: Path) -> None:
    field = read_field(folder)

    assert len(field) == 239
    assert field.models == list(MODELS)
    assert field.costs[0, 2] == pytest.approx(5.0)


def _pairs(chance: random.Random) -> Iterable[Sequence[object]]:
    for number in range(400):
        domain = list(DOMAINS)[number % 3]
        words = " ".join(chance.choices(["clause", "term", "sum", "letter", domain], k=8))
        yield "made", domain, words, chance.random() < DOMAINS[domain], chance.random() < 0.95


def _question(number: int, chance: random.Random) -> tuple[list[object], list[object] | None]:
    """One with a choice, or for every fourth one without; the last has a gap."""
    domain = "code" if number % 4 == 0 else "choice"
    right = {name: chance.random() < share for name, (share, _) in MODELS.items()}
    truth = chance.choice("AB")
    wrong = "B" if truth == "A" else "A"
    costs = [cost / 1000 for _, cost in MODELS.values()]
    scores = ["" if number == 239 else float(each) for each in right.values()]
    row = [f"q{number}", domain, f"question {number} of {domain}", *scores, *costs]
    answers = [f"q{number}", domain, *(truth if each else wrong for each in right.values())]
    return row, answers if domain == "choice" else None


def _write(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="") as lines:
        out = csv.writer(lines)
        out.writerow(names)
        out.writerows(rows)
