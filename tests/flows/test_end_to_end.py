"""Documents in, reviewed, recorded and out again: what a user does on the first day, through real processes."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data import data_file
from tests.flows.yards import Pretend, Yard, batch_of, pretending, provider, write_contracts, yard
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("flows-end-to-end")]

CEILINGS = {"swift": 8, "sage": 4}


@pytest.fixture(scope="module")
def pretend() -> Iterator[Pretend]:
    with pretending(swift="instant:base_ms=60,jitter=0.2", sage="instant:base_ms=120,jitter=0.2") as running:
        yield running


@pytest.fixture(scope="module")
def running(pretend: Pretend) -> Iterator[Yard]:
    """A yard with two providers, one for each wire."""
    swift = provider("swift", pretend.url, ceiling=CEILINGS["swift"])
    sage = provider(
        "sage",
        pretend.url,
        adapter="anthropic",
        base_url=f"{pretend.url}/sage",
        ceiling=CEILINGS["sage"],
        regions=["eu"],
        model={"quality": 0.9, "context_tokens": 200_000},
    )
    with yard(swift, sage) as started:
        yield started


@pytest.fixture(autouse=True)
def sound(running: Yard, pretend: Pretend) -> Iterator[None]:
    """After each test the tables keep the invariants, and no provider saw more calls at once than its ceiling."""
    yield
    check_invariants(running.database_url)
    for name, ceiling in CEILINGS.items():
        assert pretend.stats(name)["peak_in_flight"] <= ceiling


def test_sixty_real_contracts_come_to_an_end(running: Yard, tmp_path: Path) -> None:
    """Sixty contracts of the CUAD set: sixty final jobs, one summary line, exit code 0, a row for each, each
    explained."""
    contracts = data_file("documents", "cuad", "contracts_txt.zip")

    said = running.cli("submit", contracts, "--review", "contract-clauses", "--wait", timeout_s=100)

    assert said.code == 0, said.out + said.err
    assert said.out.splitlines()[-1] == "60 jobs: 60 succeeded, 0 refused, 0 failed"
    assert [line for line in said.out.splitlines() if " jobs: " in line] == [said.out.splitlines()[-1]]
    batch = batch_of(said)
    assert running.states(batch) == {"succeeded": 60}
    rows = _jsonl(running, batch, tmp_path)
    with zipfile.ZipFile(contracts) as archive:
        members = {member.filename for member in archive.infolist() if not member.is_dir()}
    assert {row["custom_id"] for row in rows} == members
    assert all(row["simulated"] is True and row["state"] == "succeeded" for row in rows)
    assert _csv(running, batch, tmp_path) == [(row["custom_id"], "true") for row in rows]
    for row in rows[::25]:
        told = running.cli("explain", row["job_id"])
        assert told.code == 0, told.err
        assert row["provider"] in told.out


def test_what_a_row_of_the_results_says(running: Yard, tmp_path: Path) -> None:
    """A result names provider, exact model, policy, snapshot, rationale, tokens, cost and checks of its job."""
    folder = write_contracts(tmp_path / "one", 1)

    said = running.cli(
        "submit", folder, "--review", "contract-clauses", "--sensitivity", "internal", "--wait"
    )

    [row] = _jsonl(running, batch_of(said), tmp_path)
    assert row["model_version"] == f"{row['provider']}-1-test"
    assert row["model_reported"]
    assert row["sensitivity"] == "internal"
    assert row["policy"] == "default 1"
    for name in ("policy_digest", "catalog_digest", "snapshot_digest", "decision_digest"):
        assert row[name].startswith("sha256:")
    assert {one["provider"] for one in row["rationale"]} == set(CEILINGS)
    assert row["input_tokens"] > 0 and row["output_tokens"] > 0 and row["cost_usd_micros"] > 0
    assert row["quotes_verified"] == row["quotes_total"]


def test_a_mixed_submission_is_one_batch(running: Yard, tmp_path: Path) -> None:
    """A folder, an archive, JSON Lines and CSV handed in together are one batch, with a job for each document."""
    texts = [path.read_text() for path in sorted(write_contracts(tmp_path / "made", 10).iterdir())]
    (tmp_path / "folder").mkdir()
    for number in (0, 1, 2):
        (tmp_path / "folder" / f"{number}.txt").write_text(texts[number])
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for number in (3, 4):
            archive.writestr(f"deep/{number}.txt", texts[number])
    lines = [json.dumps({"custom_id": f"line-{number}", "text": texts[number]}) for number in (5, 6, 7)]
    (tmp_path / "lines.jsonl").write_text("\n".join(lines))
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("custom_id", "text"), ("row-8", texts[8]), ("row-9", texts[9])])
    paths = [tmp_path / name for name in ("folder", "packed.zip", "lines.jsonl", "table.csv")]

    said = running.cli("submit", *paths, "--review", "contract-clauses", "--wait")

    assert said.code == 0, said.err
    assert said.out.splitlines()[-1] == "10 jobs: 10 succeeded, 0 refused, 0 failed"
    assert {row["custom_id"] for row in _jsonl(running, batch_of(said), tmp_path)} == {
        *("0.txt", "1.txt", "2.txt", "deep/3.txt", "deep/4.txt"),
        *("line-5", "line-6", "line-7", "row-8", "row-9"),
    }


def test_residency_binds(running: Yard, tmp_path: Path) -> None:
    """Documents that must stay in a region are served by the provider there, and by no other."""
    folder = write_contracts(tmp_path / "european", 6)

    said = running.cli("submit", folder, "--review", "gdpr-compliance", "--residency", "eu", "--wait")

    assert said.code == 0, said.err
    asked = "select distinct provider from attempts where batch_id = %s"
    assert running.rows(asked, batch_of(said)) == [{"provider": "sage"}]


def _jsonl(running: Yard, batch: str, folder: Path) -> list[dict[str, object]]:
    to = folder / f"{batch}.jsonl"
    said = running.cli("results", batch, "--format", "jsonl", "-o", to)
    assert said.code == 0, said.err
    return [json.loads(line) for line in to.read_text().splitlines()]


def _csv(running: Yard, batch: str, folder: Path) -> list[tuple[str, str]]:
    to = folder / f"{batch}.csv"
    said = running.cli("results", batch, "--format", "csv", "-o", to)
    assert said.code == 0, said.err
    with to.open(newline="", encoding="utf-8-sig") as file:
        return [(row["custom_id"], row["simulated"].lower()) for row in csv.DictReader(file)]
