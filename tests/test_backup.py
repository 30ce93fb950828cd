"""A backup is verified by restoring it, and never when anything of it differs."""

import json
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from tests import clients
from tests.engines import Database
from tests.proof import config_of, run_script
from tests.rowhash import execute
from trueup.backup.backup import Record, read_record, record_path, sha256, write_record
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.config.config import Config
from trueup.errors import StoreError, UsageError
from trueup.verbs.backup import backup, verify_backup

pytestmark = pytest.mark.each_engine

SCRIPT = [
    "CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(100) NOT NULL UNIQUE)",
    """CREATE TABLE events (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id), happened {TIMESTAMP},
    score DOUBLE PRECISION, amount DECIMAL(12,2), metadata {JSON})""",
    "CREATE INDEX events_happened ON events (happened)",
    "CREATE TABLE aside (name VARCHAR(20))",
    "INSERT INTO aside VALUES ('a'), ('a'), ('b')",
    "INSERT INTO users VALUES (1, 'ann@example.org'), (2, 'Ünïcode €@example.org')",
]
CHECK = WrongJsonType(table="events", column="metadata", expected=("object",), name="metadata")


@pytest.fixture
def config(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    clients.offer(database.engine, tmp_path, monkeypatch)
    rows = ", ".join(
        f"({n}, {n % 2 + 1}, '2025-11-03 03:{n % 60:02}:00', {n / 7!r}, {n}.25, "
        f'\'{{"n": {n}, "t": "it\'\'s marker{n}"}}\')'
        for n in range(1, 301)
    )
    run_script(database, [*SCRIPT, f"INSERT INTO events VALUES {rows}"])
    return config_of(database, CHECK)


def taken(config: Config, tmp_path: Path, tables: tuple[str, ...] = ()) -> Record:
    return backup(config, folder=str(tmp_path / "backups"), tables=tables)


def test_a_backup_is_restored_compared_and_called_verified(config: Config, tmp_path: Path) -> None:
    record = taken(config, tmp_path)
    assert record.problems == ()
    assert record.verified
    assert (sorted(record.sums), record.rows) == (["aside", "events", "users"], 305)
    for path in (Path(record.file), record_path(record.file)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_record(record.file) == record


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_what_names_an_object_of_the_catalogue_is_compared_by_the_name(
    config: Config, database: Database, tmp_path: Path
) -> None:
    script = [
        "CREATE TABLE gone ()",
        "DROP TABLE gone",
        "CREATE DOMAIN named AS regclass",
        "CREATE TABLE about (t regclass PRIMARY KEY, u regclass[], v named)",
        "INSERT INTO about VALUES ('users', '{events,aside}', 'events')",
    ]
    execute(database, script)
    record = taken(config, tmp_path)
    assert record.problems == ()
    assert record.verified


def test_affected_tables_come_with_those_they_refer_to(config: Config, tmp_path: Path) -> None:
    record = taken(config, tmp_path, ("events",))
    assert record.problems == ()
    assert sorted(record.sums) == ["events", "users"]


def test_one_flipped_byte_is_never_verified(config: Config, tmp_path: Path) -> None:
    record = taken(config, tmp_path)
    data = bytearray(Path(record.file).read_bytes())
    for place in (len(data) // 2, len(data) // 3, 100):
        flipped = bytearray(data)
        flipped[place] ^= 1
        Path(record.file).write_bytes(flipped)
        again = verify_backup(config, record.file)
        assert (again.verified, again.problems) == (0, ("the file is not as it was written: its SHA-256 differs",))
    Path(record.file).write_bytes(data)
    assert verify_backup(config, record.file).verified


def test_a_byte_that_flipped_before_the_digest_was_made_is_found_by_restoring(config: Config, tmp_path: Path) -> None:
    record = taken(config, tmp_path)
    data = Path(record.file).read_bytes()
    place = data.find(b"marker150")
    if place < 0:  # PostgreSQL's dump is compressed
        place = len(data) * 3 // 4
    forged(record, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    again = verify_backup(config, record.file)
    assert again.verified == 0
    assert again.problems


def test_a_truncated_end_is_never_verified(config: Config, tmp_path: Path) -> None:
    record = taken(config, tmp_path)
    data = Path(record.file).read_bytes()
    for keep in (len(data) - 40, len(data) // 2):
        forged(record, data[:keep])
        again = verify_backup(config, record.file)
        assert again.verified == 0
        assert again.problems


def test_a_missing_table_is_never_verified(config: Config, database: Database, tmp_path: Path) -> None:
    whole = taken(config, tmp_path)
    execute(database, ["DROP TABLE aside"])
    less = backup(config, folder=str(tmp_path / "less"))
    assert less.verified
    # a file that lacks a table, under the record of one that has it
    forged(replace(whole, quiet=less.quiet), Path(less.file).read_bytes())
    assert verify_backup(config, whole.file).problems == ("table aside is missing",)


def forged(record: Record, data: bytes) -> None:
    """Make the file and the digest agree, as a fault before the digest was made would."""
    path = Path(record.file)
    path.write_bytes(data)
    write_record(replace(record, sha256=sha256(path), verified=0))


def test_a_lost_index_or_a_changed_value_is_told(config: Config, database: Database, tmp_path: Path) -> None:
    whole = taken(config, tmp_path)
    execute(database, ["UPDATE events SET score = 0.5 WHERE id = 7", "DELETE FROM events WHERE id = 9"])
    changed = backup(config, folder=str(tmp_path / "changed"))
    forged(replace(whole, quiet=changed.quiet), Path(changed.file).read_bytes())
    problems = verify_backup(config, whole.file).problems
    assert "table events has 299 rows, not 300" in problems
    assert "events.score does not hold the same" in problems
    assert not any("users" in problem or "aside" in problem for problem in problems)


def test_a_scratch_database_is_gone_afterwards(config: Config, database: Database, tmp_path: Path) -> None:
    taken(config, tmp_path)
    if database.engine == "postgresql":
        import psycopg

        with psycopg.connect(database.url) as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'trueup_scratch%'").fetchall()
        assert rows == []


def test_a_scratch_database_with_tables_in_it_is_refused(config: Config, tmp_path: Path, database: Database) -> None:
    if database.engine == "sqlite":
        pytest.skip("SQLite's scratch is a file of its own")
    with pytest.raises(UsageError) as caught:
        backup(config, folder=str(tmp_path / "backups"), scratch=database.url)
    assert str(caught.value) == "the scratch database is not empty; nothing is ever restored over tables"


def test_the_record_holds_no_value_and_no_password(config: Config, tmp_path: Path) -> None:
    record = taken(config, tmp_path)
    text = record_path(record.file).read_text()
    assert "ann@" not in text
    assert "marker" not in text
    assert "://" not in text
    assert json.loads(text)["format"] == 1


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_backup_that_finds_no_room_says_so_in_one_sentence(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def small(*args: object, **options: object) -> sqlite3.Connection:
        made: sqlite3.Connection = connect(*args, **options)  # type: ignore[call-overload]
        if str(args[0]).endswith(".db") and str(tmp_path / "backups") in str(args[0]):
            made.execute("PRAGMA max_page_count=2")  # a full disk, as SQLite tells it
        return made

    monkeypatch.setattr("trueup.engines.sqlite.backup.sqlite3.connect", small)
    with pytest.raises(StoreError, match=r"^the backup could not be written: .*full \(SQLITE_FULL\)$"):
        taken(config, tmp_path)
    assert list((tmp_path / "backups").iterdir()) == []
