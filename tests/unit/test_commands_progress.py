"""Progress as figures, as a screen and as lines."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console, RenderableType

from classyard.commands import progress_view, shortfalls
from classyard.commands.progress import Progress, ProviderProgress, Rate, Rates, exit_code, summary_line
from classyard.commands.shortfalls import Shortfall
from classyard.commands.terminal import SIMULATED_NOTE, milliseconds, money, shown, span
from classyard.commands.watch import LINE_S, Lines, Watcher

HOSTILE = "\x1b]0;owned\x07[bold red]evil[/]\u202egpj.exe"
BEGUN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

SWIFT = ProviderProgress("sim-swift", True, 8, 12, 40, 41, 1, 12_300, 850)
OWN = ProviderProgress("own-model", False, 1, 3, 0, 0, 0, 0, None)

HALF = Progress(
    batches=("01a20986-7ea0-7305-9c10-8513ce4697a6",),
    reviews=("contract-clauses",),
    sources=("contracts.zip",),
    states={"routed": 15, "serving": 5, "succeeded": 39, "refused": 1},
    providers=(OWN, SWIFT),
    held=(),
    rejected=0,
    started_at=BEGUN,
    seen_at=BEGUN + timedelta(seconds=83),
)


def drawn(*parts: RenderableType, width: int = 100, terminal: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, highlight=False, markup=False, emoji=False
    )
    for part in parts:
        console.print(part)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


# -- the last line and the exit code


def test_the_summary_names_three_states_always_and_the_others_only_where_there_are_any() -> None:
    assert summary_line({"succeeded": 58, "refused": 2}) == "60 jobs: 58 succeeded, 2 refused, 0 failed"
    assert (
        summary_line({"succeeded": 1, "expired": 2, "cancelled": 3})
        == "6 jobs: 1 succeeded, 0 refused, 0 failed, 2 expired, 3 cancelled"
    )


@pytest.mark.parametrize(
    ("states", "rejected", "code"),
    [
        ({"succeeded": 3}, 0, 0),
        ({"succeeded": 3}, 1, 1),
        ({"succeeded": 2, "refused": 1}, 0, 1),
        ({"succeeded": 2, "failed": 1}, 0, 1),
        ({"succeeded": 2, "serving": 1}, 0, 1),
    ],
)
def test_only_a_batch_of_successes_without_a_rejected_document_exits_with_0(
    states: dict[str, int], rejected: int, code: int
) -> None:
    assert exit_code(states, rejected) == code


# -- the rate


def test_the_time_left_follows_from_the_rate_of_the_window() -> None:
    rate = Rate()

    for second in range(11):
        rate.observe(float(second), 2 * second)

    assert rate.left_s(20) == pytest.approx(10.0)
    assert rate.left_s(0) == 0.0


def test_nothing_is_foretold_too_early_or_where_nothing_was_finished() -> None:
    early, idle = Rate(), Rate()

    early.observe(0.0, 0)
    early.observe(1.0, 5)
    for second in range(60):
        idle.observe(float(second), 7)

    assert early.left_s(5) is None
    assert idle.left_s(5) is None
    assert Rate().left_s(5) is None


def test_a_change_of_pace_is_followed_when_the_window_has_passed() -> None:
    rate = Rate()

    for second in range(300):
        rate.observe(float(second), min(second, 100) * 10 + max(0, second - 100))

    assert rate.left_s(10) == pytest.approx(10.0)


# -- the screen


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_simulated_provider_is_marked_at_every_width(width: int) -> None:
    text = drawn(progress_view.screen(HALF, 30.0, width=width), width=width)

    assert "(simulated)" in text
    assert text.count("(simulated)") == 1
    assert SIMULATED_NOTE in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) <= width


def test_the_screen_shows_states_providers_money_and_what_is_left() -> None:
    text = drawn(progress_view.screen(HALF, 30.0, width=100))

    assert "40 of 60 · 66 % · after 1m23s · ETA 30s" in text
    assert "routed 15   serving 5   succeeded 39   refused 1" in text
    assert "Batch ce4697a6 · contract-clauses · contracts.zip" in text
    assert "$0.0123" in text
    assert "850 ms" in text


def test_what_is_left_is_a_dash_while_nobody_knows_and_nothing_at_the_end() -> None:
    over = replace(HALF, states={"succeeded": 60})

    assert "ETA –" in drawn(progress_view.screen(HALF, None, width=100))  # noqa: RUF001
    assert "ETA" not in drawn(progress_view.screen(over, 0.0, width=100))
    assert "100 %" in drawn(progress_view.screen(over, 0.0, width=100))


def test_hostile_names_and_reasons_reach_no_terminal() -> None:
    hostile = replace(
        HALF,
        sources=(HOSTILE,),
        reviews=(HOSTILE,),
        held=((HOSTILE * 50, 3),),
        providers=(replace(SWIFT, provider=HOSTILE),),
    )

    text = drawn(progress_view.screen(hostile, None, width=100))
    ended = drawn(*shortfalls.lines([Shortfall("failed", HOSTILE, HOSTILE, HOSTILE, "x" * 12)]))

    for shown_text in (text, ended):
        assert "\x1b" not in shown_text
        assert "\x07" not in shown_text
        assert "\u202e" not in shown_text
        assert "[bold red]evil[/]" in shown_text


def test_held_jobs_are_shown_with_their_reasons_most_of_them_first() -> None:
    held = replace(HALF, held=(("sim-swift is paused by an operator.", 9), ("b", 2), ("c", 1), ("d", 1)))

    lines = progress_view.held_lines(held)

    assert lines[0] == "Held, 9 jobs: sim-swift is paused by an operator."
    assert lines[-1] == "… and held for 1 other reason."


def test_a_missing_router_is_said_while_there_is_work() -> None:
    alone = replace(HALF, router_alive=False)

    assert any("No router" in line for line in progress_view.warnings(alone))
    assert not progress_view.warnings(replace(alone, states={"succeeded": 60}))


def test_many_batches_are_counted_and_few_are_named() -> None:
    few = replace(HALF, batches=("a" * 12, "b" * 12), sources=("x", "y"))
    many = replace(HALF, batches=tuple("abcdefg"), sources=tuple("abcdefg"))

    assert progress_view.title(few).startswith("Batches aaaaaaaa, bbbbbbbb · ")
    assert progress_view.title(many).startswith("7 batches · ")


def test_shortfalls_name_document_rule_and_reason_and_are_not_endless() -> None:
    refused = [Shortfall("refused", f"{n}.txt", "context", "Too long.", f"job-{n:08d}") for n in range(30)]
    turned_away = Shortfall("rejected", "e.txt", "empty_file", "Empty.")

    lines = [line.plain for line in shortfalls.lines([*refused, turned_away])]

    assert lines[0] == "rejected e.txt [empty_file] Empty."
    assert lines[1] == "refused 0.txt [context] Too long.  (00000000)"
    assert len(lines) == 1 + shortfalls.MOST + 1


# -- lines, where there is no terminal


def watcher() -> Watcher:
    return Watcher(database=None, tenant="default", batches=("one",))  # type: ignore[arg-type]


def test_a_line_is_printed_on_change_and_not_more_often_than_every_two_seconds() -> None:
    lines, seen = Lines(), watcher()
    later = replace(HALF, states={"routed": 10, "serving": 5, "succeeded": 44, "refused": 1})

    first = lines.due(0.0, HALF, seen)
    unchanged = lines.due(10.0, replace(HALF, seen_at=BEGUN + timedelta(seconds=93)), seen)
    changed = lines.due(12.0, later, seen)
    too_soon = lines.due(12.0 + LINE_S / 2, HALF, seen)

    assert SIMULATED_NOTE in first
    assert first[-1].startswith("2026-11-23 12:01:23 UTC · 40 of 60 done · ")
    assert unchanged == []
    assert len(changed) == 1
    assert too_soon == []


def test_the_end_is_printed_at_once() -> None:
    lines, seen = Lines(), watcher()

    lines.due(0.0, HALF, seen)
    last = lines.due(0.1, replace(HALF, states={"succeeded": 60}), seen)

    assert "60 of 60 done" in last[0]


def test_a_database_that_is_away_is_said_once_each_time() -> None:
    lines, seen = Lines(), watcher()

    said = [lines.due(float(second), None, seen) for second in range(3)]
    lines.due(5.0, HALF, seen)
    again = lines.due(6.0, None, seen)

    assert [len(one) for one in said] == [1, 0, 0]
    assert len(again) == 1


# -- words


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "$0"), (99, "<$0.0001"), (100, "$0.0001"), (12_300, "$0.0123"), (1_234_567_890, "$1,234.5679")],
)
def test_money_is_never_shown_as_nothing_where_it_is_something(micros: int, text: str) -> None:
    assert money(micros) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0s"), (83, "1m23s"), (3_661, "1h1m"), (90_061, "1d1h"), (86_400, "1d"), (-5, "0s")],  # noqa: RUF001
)
def test_spans_have_two_units_at_most(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


def test_milliseconds_grow_into_seconds_and_minutes() -> None:
    assert [milliseconds(ms) for ms in (850, 1_240, 12_400, 125_000)] == ["850 ms", "1.2 s", "12 s", "2m5s"]


def test_shown_text_is_one_line_without_control_characters_and_not_endless() -> None:
    assert "\n" not in shown("a\n\n  b\tc")
    assert shown("a\n\n  b\tc") == "a b c"
    assert shown("x" * 500, most=10) == "xxxxxxxxx…"
    assert shown("\ud800a") == "�a"


def test_a_quick_batch_says_nothing_of_a_slow_one() -> None:
    """The time left is that of the batch that takes longest, and unknown while one of them does not tell."""
    rates = Rates()

    def seen(quick: int, slow: int) -> Progress:
        by_batch = {
            "quick": {"succeeded": quick, "routed": 100 - quick},
            "slow": {"succeeded": slow, "routed": 8 - slow},
        }
        return replace(HALF, by_batch=by_batch)

    for second in range(10):
        rates.observe(float(second), seen(10 * second, 0))
    unknown = rates.left_s(seen(90, 0))
    rates.observe(10.0, seen(100, 1))

    assert unknown is None
    assert rates.left_s(seen(100, 1)) == pytest.approx(70.0)
