"""Which lines of code write a column, and what that makes of its rows."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from trueup.cli import run
from trueup.lint.column_writers import Writers, writers

MODELS = """\
from sqlalchemy import JSON, Column, Integer, String
from sqlalchemy.orm import declarative_base

Base = declarative_base()

class Stamped:
    settings = Column(JSON)

class User(Stamped, Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    rank = Column("user_rank", String)
    status = Column("mlmStatus", JSON)

class Log(Base):
    __tablename__ = "log"
    id = Column(Integer, primary_key=True)
"""
SERVICE = """\
from sqlalchemy import update
from sqlalchemy.orm.attributes import flag_modified
from models import User

def lost(session, user: User):
    user.status["rank"] = "builder"
    session.commit()

def flagged(session, user: User):
    user.status["rank"] = "growth"
    flag_modified(user, "status")
    session.commit()

def same_object(session, user: User):
    status = user.status or {}
    status["seen"] = True
    user.status = status
    session.commit()

def copied(session, user: User):
    user.status = {**user.status, "rank": "x"}
    session.commit()

def meant(session, user: User):
    user.status["draft"] = 1  # trueup: ignore[lost-json-change] thrown away on purpose
    session.commit()

def others(session, user: User):
    user.rank = "growth"
    user.settings = {"a": 1}
    session.add(
        User(
            rank="start",
            status={},
        )
    )
    session.execute(update(User).values(status={}))
    session.commit()
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with models, a service, and a database of one good row in two."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "models.py").write_text(MODELS)
    (tmp_path / "src" / "service.py").write_text(SERVICE)
    with closing(sqlite3.connect(tmp_path / "app.db")) as database:
        database.executescript(
            """CREATE TABLE users (id INTEGER PRIMARY KEY, user_rank TEXT, mlmStatus JSON, settings JSON);
            INSERT INTO users VALUES (1, 'start', '{"rank": "start"}', '{}'), (2, 'start', '{}', '{}');
            CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO notes VALUES (1, 'a');"""
        )
    (tmp_path / "trueup.yaml").write_text(
        """environment: test
stores: {app: 'sqlite:///app.db'}
checks:
  - {kind: missing, table: users, column: mlmStatus.rank, name: rank}
  - {kind: missing, table: users, column: user_rank, name: has-rank}
  - {kind: missing, table: notes, column: body, name: notes}
"""
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(found: Writers, table: str, column: str) -> list[tuple[str, str, int]]:
    return [(one.fate, one.where.path, one.where.line) for one in found.of(table, [column]) or ()]


def test_each_line_that_writes_a_json_column_is_told_with_what_becomes_of_it() -> None:
    assert told(writers(["src"]), "users", "mlmStatus.rank") == [
        ("lost", "src/service.py", 6),
        ("lost", "src/service.py", 16),
        ("persists", "src/service.py", 10),
        ("persists", "src/service.py", 21),
        ("persists", "src/service.py", 34),
        ("persists", "src/service.py", 37),
    ]


def test_columns_have_names_of_their_own_and_mixins_belong_to_the_tables_made_of_them() -> None:
    found = writers(["src"])
    assert told(found, "public.users", "user_rank") == [
        ("persists", "src/service.py", 29),
        ("persists", "src/service.py", 33),
    ]
    assert told(found, "users", "settings") == [("persists", "src/service.py", 30)]
    assert found.of("users", ["id"]) == ()
    assert found.of("log", ["id"]) == ()
    assert found.of("notes", ["body"]) is None


def test_models_of_django_are_found_by_the_label_of_their_application(project: Path) -> None:
    app = project / "src" / "analytics"
    app.mkdir()
    (app / "models.py").write_text(
        """\
from django.db import models

class User(models.Model):
    name = models.TextField()
    class Meta:
        db_table = "people"

class ActivityEvent(models.Model):
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE)
    metadata = models.JSONField(null=True)
    kind = models.TextField(db_column="event_type")
"""
    )
    (app / "views.py").write_text(
        """\
from analytics.models import ActivityEvent, User

def record(user: User, event: ActivityEvent):
    event.metadata = {"a": 1}
    event.user = user
    event.save()
    ActivityEvent.objects.create(kind="seen", metadata={})
    user.name = "Ann"
"""
    )
    found = writers(["src"])
    assert told(found, "analytics_activityevent", "metadata.quiz_id") == [
        ("persists", "src/analytics/views.py", 4),
        ("persists", "src/analytics/views.py", 7),
    ]
    assert told(found, "analytics_activityevent", "user_id") == [("persists", "src/analytics/views.py", 5)]
    assert told(found, "analytics_activityevent", "event_type") == [("persists", "src/analytics/views.py", 7)]
    assert told(found, "people", "name") == [("persists", "src/analytics/views.py", 8)]


def test_a_scan_shows_rows_and_lines_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", "--code", "src"]) == 1
    text = capsys.readouterr().out
    assert "code: 4 of the 6 lines that write users.mlmStatus persist" in text
    assert "effective compliance: 33.33 % = 50.00 % of rows x 66.67 % of lines" in text
    assert 'lost      src/service.py:6   user.status["rank"] = "builder"' in text
    assert "users.user_rank" not in text


def test_a_scan_as_json_has_the_lines_of_each_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", "--code", "src", "--json", "-"]) == 1
    rank, has_rank, notes = json.loads(capsys.readouterr().out)["checks"]
    assert rank["code"]["effective"] == 333_333
    assert rank["code"]["writers"][0] == {
        "path": "src/service.py",
        "line": 6,
        "fate": "lost",
        "text": 'user.status["rank"] = "builder"',
    }
    assert (has_rank["code"]["effective"], notes["code"]) == (1_000_000, None)


def test_without_code_nothing_is_said_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", "--json", "-"]) == 1
    assert {check["code"] for check in json.loads(capsys.readouterr().out)["checks"]} == {None}


def test_healthy_rows_whose_writers_persist_nothing_are_not_passed_over(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = SERVICE.partition("def flagged")[0]
    (project / "src" / "service.py").write_text(service)
    with closing(sqlite3.connect("app.db")) as database:
        database.execute("DELETE FROM users WHERE id = 2")
        database.commit()
    assert run(["scan", "--code", "src"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("healthy: 3 checks")
    assert "code: the one line that writes users.mlmStatus does not persist" in text
    assert "effective compliance: 0.00 % = 100.00 % of rows x 0.00 % of lines" in text


def test_code_that_cannot_be_read_is_noticed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "src" / "broken.py").write_text("from models import User\ndef f(:\n    User.status\n")
    assert run(["scan", "--code", "src"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "who writes which column is not known of src/broken.py: line 2: invalid syntax" in said
    assert run(["scan", "--code", "lib"]) == 2
    assert "there is no file or folder 'lib'" in capsys.readouterr().err


def test_sqlalchemy_is_never_loaded_to_read_code() -> None:
    program = (
        "import sys\nfrom trueup.lint.column_writers import writers\n"
        "assert writers(['src']).of('users', ['mlmStatus'])\n"
        "loaded = {'sqlalchemy', 'django', 'rich'} & set(sys.modules)\nsys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
