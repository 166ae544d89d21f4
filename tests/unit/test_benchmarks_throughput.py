"""The arithmetic of the throughput benchmark, and what it takes its figures from."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import results
from benchmarks.throughput import BY_TURNS, MODULES, NOT_QUICK, embedded, naive, report
from benchmarks.throughput.bench import percentile, ratio, spread
from benchmarks.throughput.callers import LOCK, over
from benchmarks.throughput.provider import CLOSING, LONGEST, MARK, OPENING, Seen, answer, quoted
from benchmarks.throughput.sampled import stage_of
from benchmarks.throughput.slots import ideal_s
from benchmarks.throughput.spent import Spent, role_of
from provider_workers.checks.review import check
from provider_workers.prompt import build_call
from schemas.result import Standing
from tests.engine_values import a_model
from tests.yard import REVIEW, contract

POSITIVE = st.floats(min_value=0.001, max_value=1e6)
SPREADS = st.lists(POSITIVE, min_size=1, max_size=9).map(spread)


# -- arithmetic


@given(SPREADS, SPREADS)
def test_a_ratio_of_medians_lies_within_what_the_spreads_allow(
    one: dict[str, float], other: dict[str, float]
) -> None:
    found = ratio(one, other)

    assert found["min"] <= found["median"] <= found["max"]


@given(st.lists(POSITIVE, min_size=1), st.floats(min_value=0.01, max_value=1))
def test_so_large_a_share_is_not_above_its_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= round(share, 3) * len(values) - 0.5


def test_of_a_hundred_values_the_99th_is_p99() -> None:
    values = [float(number) for number in range(1, 101)]

    assert percentile(values, 0.99) == 99
    assert percentile(values, 0.5) == 50
    assert percentile(values, 1.0) == 100


def test_the_ideal_keeps_every_slot_busy_to_the_last_round() -> None:
    assert ideal_s(10_000) == pytest.approx(31.4)
    assert ideal_s(64) == pytest.approx(0.2)
    assert ideal_s(65) == pytest.approx(0.4)


def test_what_was_spent_is_a_difference_by_name() -> None:
    before, after = (
        Spent({"router": 1.0, "valkey": 2.0}),
        Spent({"router": 1.5, "valkey": 2.1, "worker": 0.4}),
    )

    spent = after - before

    assert spent.of("router", "worker") == pytest.approx(0.9)
    assert spent.without("valkey") == pytest.approx(0.9)
    assert spent.ms_each(10)["worker"] == pytest.approx(40)


def test_a_backend_is_named_by_its_user() -> None:
    assert role_of("postgres: router bench_3 [local] idle") == "router"
    assert role_of("postgres: worker bench_3 [local] COMMIT") == "worker"
    assert role_of("postgres: checkpointer ") == "writing"
    assert role_of("postgres: logical replication launcher ") == "others"


def test_ratios_need_both_sides() -> None:
    row = {"cpu_ms": spread([4.0]), "cpu_ms_python": spread([3.0])}
    row |= {"each_per_s": [200.0, 300.0, 100.0], "each_cpu_ms": [4.0] * 3}
    found = {
        "yard": row,
        "naive": row | {"each_per_s": [100.0, 150.0, 10.0]},
        "embedded": {"each_per_s": [180.0, 240.0, 50.0]},
        "litellm": row | {"cpu_ms": spread([2.0])},
    }

    assert naive.over(found)["over_naive"] == 2, "the median of the rounds, each at one pace of the machine"
    assert naive.over(found)["over_naive_spread"] == {"median": 2, "min": 2, "max": 10}
    assert embedded.over(found)["embedded_over_yard"] == 0.8
    assert over(found)["cpu_over_litellm"] == 2
    assert over(found)["cpu_python_over_litellm"] == 1.5
    assert naive.over({"yard": row}) == embedded.over({"yard": row}) == {}


# -- the pretend provider


def test_the_yard_finds_its_answers_sound() -> None:
    text = contract(7)
    call = build_call(REVIEW, text, a_model())

    reply = orjson.loads(answer(_asked(call.system, call.user), Seen()))
    checked = check(reply["choices"][0]["message"]["content"], text, REVIEW.schema_of_answer)

    assert checked.report.standing is Standing.SOUND
    assert len(checked.report.quotes) == 1


def test_an_answer_of_its_to_another_document_is_doubtful() -> None:
    call = build_call(REVIEW, contract(7), a_model())

    reply = orjson.loads(answer(_asked(call.system, call.user), Seen()))
    checked = check(
        reply["choices"][0]["message"]["content"], "Nothing of the kind.", REVIEW.schema_of_answer
    )

    assert checked.report.standing is Standing.DOUBTFUL


@given(st.text(max_size=700))
def test_a_quote_stands_in_the_document(text: str) -> None:
    quote = quoted(f"{OPENING}{text}{CLOSING}", len(OPENING))

    assert quote in text
    assert len(quote) <= LONGEST


def test_an_urgent_call_is_written_down() -> None:
    seen = Seen()

    answer(_asked("Look.", f"{OPENING}{MARK}3\nA text.{CLOSING}"), seen)
    answer(_asked("Look.", f"{OPENING}A text.{CLOSING}"), seen)

    assert list(seen.marks) == [f"{MARK}3"]


def _asked(system: str, user: str) -> bytes:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return orjson.dumps({"model": "bench-1", "messages": messages})


# -- stages, pages, locks


def test_a_stack_is_charged_to_the_innermost_stage() -> None:
    frame = sys._getframe()
    code = compile(
        "import sys\nfound = stage_of(sys._getframe())", "/x/provider_workers/checks/quotes.py", "exec"
    )
    names = {"stage_of": stage_of}
    exec(code, names)

    assert names["found"] == "serve: check"
    assert stage_of(frame) == "the rest" or "/" in frame.f_code.co_filename


def test_a_page_can_be_made_of_whatever_was_measured() -> None:
    run = {"quick": True, "seed": 1, "load_before": 0.1, "cores": 2, "processor": "x", "memory_gib": 1}
    found = {
        "run": run | {"system": "y", "python": "3", "seconds": 1.0},
        "left_out": {"ingest": "is not there."},
    }

    assert "ingest: is not there." in report.page(found)


def test_each_section_replaces_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    for name, text in (("one", "first\n"), ("two", "kept\n"), ("one", "second\n")):
        results.put(name, text, by="a test", path=path)

    said = path.read_text()
    assert "first" not in said
    assert said.index("second") < said.index("kept")
    assert said.count("<!-- one:") == 1


def test_every_module_is_there() -> None:
    assert set(NOT_QUICK) <= set(MODULES)
    assert set(BY_TURNS) <= set(MODULES)
    assert json.dumps(MODULES)


def test_litellm_is_none_of_the_releases_that_were_tampered_with() -> None:
    lock = LOCK.read_text(encoding="utf-8")

    assert "litellm==" in lock
    assert not any(f"litellm=={bad} " in lock for bad in ("1.82.7", "1.82.8", "1.107.0"))
    assert "index" not in lock.replace("index.", "")
