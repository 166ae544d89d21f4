"""Bad input: each kind ends in a sentence that says what and where, the other documents go on, the exit code is not 0,
and nothing is half written."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from classyard import cli as command_line
from producer.intake import accept as intake
from tests.flows.yards import (
    ROOT,
    Pretend,
    Said,
    Yard,
    batch_of,
    cli,
    folder,
    prepare_home,
    pretending,
    provider,
    write_contracts,
    yard,
)
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("flows-bad-input")]

Command = Callable[..., Said]

REVIEW = ("--review", "contract-clauses")
MANY_CALLS = yaml.safe_dump({"providers": [provider("one", "http://127.0.0.1:1", ceiling="many")]})
"""A catalog with one mistake in it."""

GOOD = (
    "This Agreement is made between Acorn Ltd and Birch Ltd. Either party may end it with 30 days of notice."
)


@pytest.fixture(scope="module")
def pretend() -> Iterator[Pretend]:
    with pretending(plain="instant:base_ms=20", keyed="instant:base_ms=20") as running:
        yield running


@pytest.fixture(scope="module")
def running(pretend: Pretend) -> Iterator[Yard]:
    """A yard with one provider that works, and one that may see more and has no key."""
    plain = provider("plain", pretend.url)
    keyed = provider(
        "keyed", pretend.url, key="env:KEY_THAT_NOBODY_SET", boundary="confidential", model={"quality": 0.99}
    )
    with yard(plain, keyed) as started:
        yield started


@pytest.fixture(scope="module")
def excluding(pretend: Pretend) -> Iterator[Yard]:
    """A yard of which the policy uses none of the providers."""
    with yard(provider("plain", pretend.url), policy={"providers": ["nobody"]}) as started:
        yield started


@pytest.fixture
def classyard(
    running: Yard, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """The command line against the shared yard, run in this process to save its start; it keeps the invariants."""
    for name in ("DATABASE_URL", "REDIS_URL", "CLASSYARD_DATABASE_URL", "CLASSYARD_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLASSYARD_HOME", str(running.home.path))

    def run(*words: str | Path, **settings: str) -> Said:
        with monkeypatch.context() as patched:
            for name, value in settings.items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["classyard", *map(str, words)])
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                command_line.main()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    yield run
    check_invariants(running.database_url)


# -- documents


def _write_bad_files(folder: Path) -> dict[str, str]:
    """Files that cannot become documents; gives the code of each by its name."""
    (folder / "empty.txt").write_bytes(b"")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 40)
    (folder / "undecodable.txt").write_bytes(b"\xff\xfe" + b"\x00\xd8" * 60)  # UTF-16 of half characters
    with (folder / "huge.txt").open("wb") as huge:
        huge.write(b"All of this is text.\n" * 1_000)
        huge.truncate(52_428_800)  # the rest is a hole, which takes no disk
    return {
        "empty.txt": "empty_file",
        "binary.txt": "not_text",
        "undecodable.txt": "undecodable",
        "huge.txt": "too_large",
    }


def test_bad_files_are_named_and_the_others_go_on(running: Yard, classyard: Command, tmp_path: Path) -> None:
    """An empty, a binary, an undecodable and a 50 MB file among good ones: each is named with its reason, the good ones
    are reviewed, and the exit code is 1."""
    documents = write_contracts(tmp_path / "documents", 3)
    wrong = _write_bad_files(documents)
    assert (documents / "huge.txt").stat().st_size >= 50_000_000

    said = classyard("submit", documents, *REVIEW, "--wait")

    assert said.code == 1
    assert said.out.splitlines()[-1] == "3 jobs: 3 succeeded, 0 refused, 0 failed"
    batch = batch_of(said)
    rows = running.rows("select place, code, sentence from rejections where batch_id = %s", batch)
    assert {Path(row["place"]).name: row["code"] for row in rows} == wrong
    for row in rows:
        assert f"Not accepted: {row['place']}: {row['sentence']}" in said.err
        assert row["sentence"] in said.out, "the summary names it as well"
    assert running.rows("select accepted, rejected from batches where id = %s", batch) == [
        {"accepted": 3, "rejected": 4}
    ]


def test_bad_lines_are_named_with_their_number(running: Yard, classyard: Command, tmp_path: Path) -> None:
    """A line that is no JSON, one without a text and one with an id that is taken are named by file and line."""
    lines = [
        json.dumps({"custom_id": "first", "text": GOOD}),
        "{not json",
        json.dumps({"custom_id": "second"}),
        json.dumps({"custom_id": "first", "text": GOOD + " Again."}),
        json.dumps({"custom_id": "third", "text": GOOD}),
    ]
    file = tmp_path / "jobs.jsonl"
    file.write_text("\n".join(lines))

    said = classyard("submit", file, *REVIEW)

    assert said.code == 1
    assert f"{file}, line 2: The line is not JSON" in said.err
    assert f"{file}, line 3: There is no 'text'" in said.err
    assert f"{file}, line 4: The custom_id 'first' is taken by {file}, line 1" in said.err
    assert running.wait(batch_of(said)) == {"succeeded": 2}


def test_a_batch_of_nothing_but_bad_files_is_not_made(
    running: Yard, classyard: Command, tmp_path: Path
) -> None:
    """Where not one document can be read there is no batch, and each file is named."""
    wrong = _write_bad_files(tmp_path)
    before = _written(running)

    said = classyard("submit", tmp_path, *REVIEW)

    assert said.code == 2
    assert said.err.splitlines()[-1] == ("classyard: Nothing was submitted: not one document could be read.")
    assert all(name in said.err for name in wrong)
    assert _written(running) == before


def test_a_broken_archive(running: Yard, classyard: Command, tmp_path: Path) -> None:
    """An archive that was cut short is named, and what is handed in beside it goes on."""
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.txt", GOOD)
        archive.writestr("two.txt", GOOD * 2)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole.read_bytes()[:-60])
    good = tmp_path / "good.txt"
    good.write_text(GOOD)

    said = classyard("submit", cut, good, *REVIEW)

    assert said.code == 1
    assert f"Not accepted: {cut}: " in said.err
    assert running.wait(batch_of(said)) == {"succeeded": 1}


def test_a_document_longer_than_every_context_is_refused_by_name(
    running: Yard, classyard: Command, tmp_path: Path
) -> None:
    """A document that no model can hold is REFUSED: listed with the rule and the figures, exit code 1; the others are
    reviewed."""
    documents = write_contracts(tmp_path / "documents", 2)
    (documents / "endless.txt").write_text(GOOD * 9_000)

    said = classyard("submit", documents, *REVIEW, "--wait")

    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[-1] == "3 jobs: 2 succeeded, 1 refused, 0 failed"
    [line] = [line for line in lines if line.startswith("refused ")]
    assert "endless.txt [context] Too long for every model: " in line
    assert "the largest context is 128,000." in line
    told = classyard("explain", "endless.txt")
    assert told.code == 0
    assert "Too long" in told.out


# -- what is asked for


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--review", "no-such-review"), "There is no review 'no-such-review'. There are: "),
        (
            (*REVIEW, "--sensitivity", "top-secret"),
            "--sensitivity: 'top-secret' is not known; it may be one of: "
            "public, internal, confidential, restricted.",
        ),
        ((*REVIEW, "--quality", "best"), "--quality: 'best' is not known; it may be one of: draft, "),
        ((*REVIEW, "--priority", "now"), "--priority: 'now' is not known; it may be one of: urgent, "),
        ((*REVIEW, "--max-cost", "abc"), "'abc' is not an amount in dollars"),
        ((*REVIEW, "--max-cost", "-5"), "is negative"),
        ((*REVIEW, "--deadline", "yesterday"), "'yesterday' is not a span of time; write it like 90s, 30m"),
        ((*REVIEW, "--residency", "Europe!"), "'Europe!' is not a region; regions look like 'eu'"),
        ((), "Missing option '--review'"),
        (("--no-such-option",), "No such option: --no-such-option"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(
    running: Yard, classyard: Command, tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    """What is asked for wrongly ends in a sentence that names it and what it may be, before anything is read."""
    document = tmp_path / "one.txt"
    document.write_text(GOOD)
    before = _written(running)

    said = classyard("submit", document, *options)

    assert said.code == 2
    assert sentence in said.err
    assert said.err.startswith("classyard: ") and len(said.err.splitlines()) == 1
    assert _written(running) == before


def test_a_missing_path(running: Yard, classyard: Command, tmp_path: Path) -> None:
    """A path that is not there stops the submission before anything is read: half of it would be a surprise."""
    good = tmp_path / "good.txt"
    good.write_text(GOOD)
    before = _written(running)

    said = classyard("submit", good, tmp_path / "missing.txt", *REVIEW)

    assert (said.code, said.err) == (
        2,
        f"classyard: {tmp_path / 'missing.txt'}: There is no such file or folder.\n",
    )
    assert _written(running) == before


@pytest.mark.parametrize("words", [("watch", "nobody"), ("results", "nobody"), ("explain", "nobody")])
def test_a_name_that_means_nothing(classyard: Command, words: tuple[str, ...]) -> None:
    """A batch or a job that is not there is named."""
    said = classyard(*words)

    assert said.code == 2
    assert f"There is no {'job' if words[0] == 'explain' else 'batch'} 'nobody'" in said.err


# -- policy, keys, configuration


def test_a_policy_that_excludes_every_provider(excluding: Yard, tmp_path: Path) -> None:
    """Every job is refused, and the line of each names the rule of the policy."""
    documents = write_contracts(tmp_path / "documents", 2)

    said = excluding.cli("submit", documents, *REVIEW, "--wait")

    assert said.code == 1
    assert said.out.splitlines()[-1] == "2 jobs: 0 succeeded, 2 refused, 0 failed"
    listed = [line for line in said.out.splitlines() if line.startswith("refused ")]
    assert len(listed) == 2
    assert all("[providers] The policy uses none of the catalog's providers." in line for line in listed)
    check_invariants(excluding.database_url)


def test_a_provider_without_a_key(
    running: Yard, pretend: Pretend, classyard: Command, tmp_path: Path
) -> None:
    """Its jobs go elsewhere, or are refused where nobody else may serve them; it is shown, and its worker stays up."""
    pid = running.pid("provider-keyed")
    documents = write_contracts(tmp_path / "documents", 2)

    elsewhere = classyard("submit", documents, *REVIEW, "--wait")
    nowhere = classyard("submit", documents, *REVIEW, "--sensitivity", "confidential", "--wait")

    assert elsewhere.code == 0
    assert nowhere.code == 1
    listed = [line for line in nowhere.out.splitlines() if line.startswith("refused ")]
    assert len(listed) == 2 and all("no_key 1" in line for line in listed)
    trouble = "Provider 'keyed' has its key at 'env:KEY_THAT_NOBODY_SET', and there is none there."
    assert trouble in classyard("status").out
    assert trouble in classyard("providers").out
    assert trouble in classyard("explain", listed[0].rpartition("(")[2].rstrip(")")).out
    assert pretend.stats("keyed")["calls"] == 0
    assert running.pid("provider-keyed") == pid
    log = (running.home.logs / "provider-keyed.log").read_text()
    assert log.count(trouble) == 1, "it is said once, not in a circle"


@pytest.mark.parametrize(
    ("catalog", "line", "sentence"),
    [
        ("providers:\n  - name: [broken\n", 3, "is not YAML"),
        ("", 1, "the file is empty"),
        (MANY_CALLS, MANY_CALLS[: MANY_CALLS.index("ceiling")].count("\n") + 1, "providers[0].ceiling: "),
    ],
)
def test_a_corrupt_catalog(catalog: str, line: int, sentence: str) -> None:
    """`up` names file and line, and starts nothing."""
    with folder() as home:
        prepare_home(home)
        file = home / "config" / "catalog" / "test.yaml"
        file.write_text(catalog)

        said = cli("up", home=home)

        assert said.code == 3
        assert f"classyard: {file}, line {line}: " in said.err
        assert sentence in said.err
        assert not (home / "postgres").exists()
        assert not (home / "run" / "yard.json").exists()


def test_a_setting_that_is_no_number(classyard: Command) -> None:
    """The variable is named, and the exit code is that of a wrong configuration."""
    said = classyard("status", CLASSYARD_LEASE_S="soon")

    assert said.code == 3
    assert "CLASSYARD_LEASE_S" in said.err
    assert len(said.err.splitlines()) == 1


def test_an_unknown_provider_to_serve(running: Yard) -> None:
    """`run provider` names the providers there are."""
    said = running.cli("run", "provider", "nobody")

    assert (said.code, said.err) == (
        2,
        "classyard: There is no provider 'nobody' in the catalog; it has: plain, keyed.\n",
    )


# -- the machine and its services


@pytest.mark.parametrize("role", [("router",), ("provider", "plain"), ("keeper",)], ids=" ".join)
def test_a_metrics_port_in_use(running: Yard, role: tuple[str, ...]) -> None:
    """A role that is to show its metrics at a port that is taken says so, and ends."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        said = cli("run", *role, home=running.home.path, CLASSYARD_METRICS_PORT=str(port))

    assert said.code == 3
    assert said.err.splitlines()[-1] == (
        f"classyard: Metrics cannot be served on 127.0.0.1:{port}: Address already in use. "
        "Set CLASSYARD_METRICS_PORT to a free port, or to 0 for any."
    )
    assert "Traceback" not in said.err


def test_a_simulator_port_in_use(pretend: Pretend) -> None:
    """The pretend providers say that another process listens there."""
    port = pretend.url.rpartition(":")[2]

    said = subprocess.run(
        [sys.executable, "-m", "simulator", "--provider", "instant", "--port", port],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert said.returncode == 3
    assert f"Another process listens at '127.0.0.1:{port}'" in said.stderr


def test_results_on_a_full_disk(running: Yard, classyard: Command, tmp_path: Path) -> None:
    """What cannot be written is said, with the place and exit code 4."""
    document = tmp_path / "one.txt"
    document.write_text(GOOD)
    batch = batch_of(classyard("submit", document, *REVIEW, "--wait"))

    said = classyard("results", batch, "-o", "/dev/full")

    assert said.code == 4
    assert "/dev/full" in said.err
    assert len(said.err.splitlines()) == 1


def test_intake_on_a_full_disk(
    running: Yard, classyard: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database runs out of disk in the middle of a submission: nothing of it is there, and it is said."""
    documents = write_contracts(tmp_path / "documents", 3)
    before = _written(running)

    async def full(*_: Any, **__: Any) -> None:
        raise psycopg.errors.DiskFull("could not extend file")

    with monkeypatch.context() as patched:
        patched.setattr(intake.batches, "close_intake", full)
        said = classyard("submit", documents, *REVIEW)

    assert said.code == 4
    assert said.err == (
        "classyard: The database's disk is full. Nothing of this was written; free some space and do it again.\n"
    )
    assert _written(running) == before


@pytest.mark.parametrize(
    "words",
    [
        ("submit", ROOT / "README.md", *REVIEW),
        ("watch",),
        ("status",),
        ("results", "latest"),
        ("explain", "x"),
        ("down",),
    ],
    ids=lambda words: str(words[0]),
)
def test_no_yard_running(classyard: Command, tmp_path: Path, words: tuple[str | Path, ...]) -> None:
    """Each command says which home has no yard, and how to start one."""
    said = classyard(*words, CLASSYARD_HOME=str(tmp_path))

    assert said.code == 4
    assert f"No yard is running in {str(tmp_path)!r}" in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("address", "code"), [("postgresql://nobody:s3cret@127.0.0.1:1/nothing", 4), ("the s3cret address", 3)]
)
def test_a_wrong_database_url(classyard: Command, tmp_path: Path, address: str, code: int) -> None:
    """One sentence names the setting; the address, which may hold a password, is not repeated."""
    document = tmp_path / "one.txt"
    document.write_text(GOOD)
    elsewhere = {"DATABASE_URL": address, "REDIS_URL": "redis://127.0.0.1:1"}

    said = classyard("submit", document, *REVIEW, **elsewhere)

    assert said.code == code
    assert "DATABASE_URL" in said.err
    assert "s3cret" not in said.err
    assert len(said.err.splitlines()) == 1


def test_a_wrong_redis_url_is_found_before_anything_is_written(
    running: Yard, classyard: Command, tmp_path: Path
) -> None:
    """A broker's address of another form stops a submission before it is committed."""
    document = tmp_path / "one.txt"
    document.write_text(GOOD)
    before = _written(running)

    said = classyard(
        "submit", document, *REVIEW, DATABASE_URL=running.database_url, REDIS_URL="http://:secret@127.0.0.1"
    )

    assert said.code == 3
    assert "REDIS_URL is not the address of a broker" in said.err
    assert "secret" not in said.err
    assert _written(running) == before


def test_a_broker_that_does_not_answer_costs_a_moment_and_no_document(
    running: Yard, classyard: Command, tmp_path: Path
) -> None:
    """With the broker out of reach a submission is accepted all the same, and the keeper rings."""
    document = tmp_path / "one.txt"
    document.write_text(GOOD)

    said = classyard(
        "submit", document, *REVIEW, DATABASE_URL=running.database_url, REDIS_URL="redis://127.0.0.1:1"
    )

    assert said.code == 0
    assert said.out == ""
    assert running.wait(batch_of(said)) == {"succeeded": 1}


def _written(running: Yard) -> dict[str, Any]:
    """How many rows there are of what a submission writes."""
    tables = ("batches", "jobs", "documents", "rejections", "audit_events")
    counts = ", ".join(f"(select count(*) from {table}) as {table}" for table in tables)
    return running.rows(f"select {counts}")[0]
