"""A ladder through a whole yard, by its command line: escalations, the ledger, a promise, and what people see of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.flows.yards import batch_of, pretending, provider, write_contracts, yard
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.timeout(240)]

POLICY = {
    "plan": {"attempts_per_step": 1},
    "ladders": [
        {
            "ladder": "proved-first",
            "rungs": [
                {"model": "weak/weak-1", "promise": {"agreement": 0.8, "confidence": 0.9}},
                {"model": "strong/strong-1"},
            ],
        }
    ],
}
DEAR = {"input_usd_micros_per_mtok": 3_000_000, "output_usd_micros_per_mtok": 15_000_000}


def test_a_yard_learns_what_its_cheap_model_is_good_for(tmp_path: Path) -> None:
    price = {**DEAR, "source": "invented for a test", "checked": "2026-11-23"}
    with pretending(weak="instant:rate_invented_quote=0.4", strong="instant") as pretend:
        found = (provider("weak", pretend.url), provider("strong", pretend.url, model={"price": price}))
        with yard(*found, policy=POLICY) as running:
            first = running.cli(
                "submit", write_contracts(tmp_path / "a", 6), "--review", "contract-clauses", "--wait"
            )
            assert first.code == 0, first.err
            walked = (
                "select count(*) as n from attempts where batch_id = %s group by provider order by provider"
            )
            assert running.rows(walked, batch_of(first)) == [{"n": 6}, {"n": 6}]
            shown = running.cli("ladder", "show").out
            assert "no promise yet, so it keeps nothing" in shown
            assert "6 labels, 6 of them unbiased" in shown

            outcomes = tmp_path / "outcomes.csv"
            with outcomes.open("w", newline="") as file:
                rows = [("proved-first", "weak/weak-1", 0.78, "true")] * 40
                rows += [("proved-first", "weak/weak-1", 0.6, "false")] * 40
                csv.writer(file).writerows([("ladder", "model", "score", "agrees"), *rows])
            taken = running.cli("ladder", "import", outcomes)
            assert taken.out.strip() == "Took 80 outcomes."
            assert "by its promise" in running.cli("ladder", "show").out
            router = running.kill("router")  # a new one looks at the labels at once, and not in half a minute
            running.await_replaced("router", router)

            second = running.cli(
                "submit",
                write_contracts(tmp_path / "b", 20, seed=7),
                "--review",
                "contract-clauses",
                "--wait",
            )
            assert second.code == 0, second.err
            by = running.rows(
                "select r.provider, min(j.id::text) as job, count(*) as n from results r"
                " join jobs j on j.id = r.job_id where j.batch_id = %s group by 1 order by 1",
                batch_of(second),
            )
            assert [row["provider"] for row in by] == ["strong", "weak"]
            escalated, kept = (running.cli("explain", row["job"]).out for row in by)
            assert "Ladder 'proved-first'" in kept and "the result" in kept
            assert "escalated" in escalated and "2 answers" in escalated
            to = tmp_path / "results.jsonl"
            assert running.cli("results", batch_of(second), "-o", to).code == 0
            told = [json.loads(line) for line in to.read_text().splitlines()]
            assert {len(row["rungs"]) for row in told} == {1, 2}
            for row in told:
                assert sum(rung["cost_usd_micros"] for rung in row["rungs"]) == row["cost_usd_micros"]
            assert running.cli("replay", "--verify", batch_of(second)).code == 0
            check_invariants(running.database_url)
