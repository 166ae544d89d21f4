"""The doctor's checks: each ends in a mark and a sentence, and none of them ends the others."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from classyard.commands import config_checks, doctor, machine_checks, yard_checks
from classyard.commands.checks import Check, Mark, failed, passed, warned
from classyard.context import Context
from classyard.embedded.home import Home
from runtime.settings import Settings
from schemas.errors import BadConfiguration

CATALOG = """
providers:
  - name: vendor
    kind: api
    adapter: openai
    base_url: https://vendor.example/v1
    key: {key}
    boundary: internal
    regions: [eu]
    data_terms: {{retention_days: 0, trains_on_data: false, source: terms, checked: 2026-11-23}}
    ceiling: 4
    models:
      - {{name: one, version: one-1, context_tokens: 8000, max_output_tokens: 100, json_schema: true, quality: 0.5}}
"""


def context(path: Path, **environ: str) -> Context:
    return Context(Settings(database_url="", redis_url=""), Home(path), environ)


def with_catalog(path: Path, key: str, **environ: str) -> Context:
    folder = path / "config" / "catalog"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(CATALOG.format(key=key))
    return context(path, **environ)


def marks(found: Iterator[Check] | list[Check]) -> list[Mark]:
    return [check.mark for check in found]


# -- the machine


def test_an_old_python_fails_and_this_one_is_well() -> None:
    assert marks(machine_checks.python((3, 10, 9))) == [Mark.FAILED]
    assert marks(machine_checks.python(sys.version_info[:3])) == [Mark.WELL]


@pytest.mark.parametrize(
    ("free", "mark"), [(50_000_000, Mark.FAILED), (500_000_000, Mark.NOTE), (5_000_000_000, Mark.WELL)]
)
def test_disk_space_is_well_little_or_too_little(free: int, mark: Mark) -> None:
    assert machine_checks.space(Path("/home"), free).mark is mark


def test_a_home_that_is_not_there_yet_is_not_made_by_looking(tmp_path: Path) -> None:
    place = Home(tmp_path / "deep" / "yard")

    found = list(machine_checks.home(place))

    assert found[0].mark is Mark.WELL
    assert "not there yet" in found[0].sentence
    assert not place.path.exists()


def test_a_home_below_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert next(machine_checks.home(Home(tmp_path / "file" / "yard"))).mark is Mark.FAILED


def test_a_home_that_is_there_is_written_to_and_left_as_it_was(tmp_path: Path) -> None:
    assert next(machine_checks.home(Home(tmp_path))).mark is Mark.WELL
    assert list(tmp_path.iterdir()) == []


def test_unknown_startup_files_are_named_and_known_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "distutils-precedence.pth").write_text("import os\n")
    (tmp_path / "_editable_impl_classyard.pth").write_text("/somewhere\n")
    (tmp_path / "strange.pth").write_text("import strange; strange.start()\n")
    (tmp_path / "paths.pth").write_text("/somewhere\n")

    found = list(machine_checks.startup_files([tmp_path]))

    assert [check.mark for check in found] == [Mark.NOTE, Mark.NOTE]
    assert "paths.pth" in found[0].sentence
    assert "adds folders" in found[0].sentence
    assert "strange.pth" in found[1].sentence
    assert "runs code" in found[1].sentence
    assert all("For your information" in check.sentence for check in found)


def test_an_environment_with_known_startup_files_only_is_well(tmp_path: Path) -> None:
    (tmp_path / "__editable__.classyard-0.1.0.pth").write_text("/somewhere\n")

    assert marks(machine_checks.startup_files([tmp_path])) == [Mark.WELL]


def test_celery_is_set_as_the_yard_needs_it() -> None:
    assert marks(yard_checks.task_settings()) == [Mark.WELL]


# -- files and keys


def test_the_shipped_configuration_loads_and_the_demo_is_called_the_demo(tmp_path: Path) -> None:
    found = list(config_checks.files(context(tmp_path)))

    assert Mark.FAILED not in marks(found)
    assert "It is the demo's" in found[0].sentence


def test_a_wrong_file_is_a_sentence_with_file_and_line_and_the_others_are_looked_at(tmp_path: Path) -> None:
    yard = with_catalog(tmp_path, "none")
    (tmp_path / "config" / "catalog" / "broken.yaml").write_text("providers:\n  - name: Not A Name\n")
    (tmp_path / "config" / "reviews").mkdir()
    (tmp_path / "config" / "reviews" / "mine.yaml").write_text("review: other\n")
    (tmp_path / "config" / "policies").mkdir()
    (tmp_path / "config" / "policies" / "default.yaml").write_text("policy: [\n")

    wrong = [check.sentence for check in config_checks.files(yard) if check.mark is Mark.FAILED]

    assert len(wrong) == 3
    assert "broken.yaml, line 2" in wrong[0]
    assert "default.yaml, line" in wrong[1]
    assert "mine.yaml, line 1" in wrong[2]


def test_a_model_without_a_price_is_worth_knowing(tmp_path: Path) -> None:
    first = next(config_checks.files(with_catalog(tmp_path, "none")))

    assert first.mark is Mark.NOTE
    assert "without a price, and so refused: one." in first.sentence


def test_a_key_is_found_and_never_shown(tmp_path: Path) -> None:
    yard = with_catalog(tmp_path, "env:VENDOR_KEY", VENDOR_KEY="sk-very-secret")

    (found,) = config_checks.keys(yard, is_up=True)

    assert found.mark is Mark.WELL
    assert "sk-very-secret" not in found.sentence
    assert "env:VENDOR_KEY" in found.sentence


def test_a_missing_key_fails_while_the_yard_runs_and_is_told_before(tmp_path: Path) -> None:
    yard = with_catalog(tmp_path, "env:VENDOR_KEY")

    assert marks(config_checks.keys(yard, is_up=True)) == [Mark.FAILED]
    assert marks(config_checks.keys(yard, is_up=False)) == [Mark.NOTE]


# -- the whole


def test_without_a_yard_everything_that_can_be_checked_is_checked(tmp_path: Path) -> None:
    found = list(doctor.checks(context(tmp_path / "yard")))

    sentences = " ".join(check.sentence for check in found)
    assert "No yard is running" in sentences
    assert "were not looked at" in sentences
    assert "The policy loads" in sentences
    assert doctor.exit_code(found) == 0


def test_one_address_without_the_other_is_a_mistake(tmp_path: Path) -> None:
    half = Context(Settings(database_url="postgresql://x", redis_url=""), Home(tmp_path), {})

    found = [check for check in doctor.checks(half) if check.mark is Mark.FAILED]

    assert any("Set both DATABASE_URL and REDIS_URL" in check.sentence for check in found)


def test_a_check_that_breaks_is_a_failed_check() -> None:
    def breaks() -> Iterator[Check]:
        yield passed("One.")
        raise ZeroDivisionError("x")

    def is_wrong() -> Iterator[Check]:
        raise BadConfiguration("is wrong", where="file, line 3")

    assert marks(doctor.guarded(breaks)) == [Mark.WELL, Mark.FAILED]
    assert [check.sentence for check in doctor.guarded(is_wrong)] == ["file, line 3: is wrong"]


def test_only_a_failure_makes_the_exit_code_1() -> None:
    assert doctor.exit_code([passed("a"), warned("b")]) == 0
    assert doctor.exit_code([passed("a"), failed("b")]) == 1
    assert doctor.verdict([passed("a"), warned("b")]) == "Nothing failed in 2 checks; 1 thing to know."
    assert doctor.verdict([passed("a"), failed("b")]) == "1 check failed of 2."


def test_a_sentence_of_several_lines_is_shown_under_its_mark_without_control_characters() -> None:
    console = Console(file=io.StringIO(), width=60, highlight=False)

    doctor.show(console, failed("first\x1b[31m\nsecond"))

    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith("✗ first")
    assert "\x1b[31m" not in lines[0]
    assert lines[1].strip() == "second"


def test_the_audit_is_told_with_its_first_flaws() -> None:
    assert yard_checks.verdict(0, 0, []).mark is Mark.WELL
    assert yard_checks.verdict(1_000, 5_321, []).sentence.endswith("1,000 jobs verifies (5,321 events).")
    broken = yard_checks.verdict(10, 40, [f"Job {n}: x." for n in range(7)])
    assert broken.mark is Mark.FAILED
    assert broken.sentence.endswith("and 2 more")
