"""The academy: its runbook on every engine, its traps, and its jobs against an independent computation."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import clients
from tests.engines import Database

ROOT = Path(__file__).parent.parent
ACADEMY = ROOT / "examples" / "academy"

pytestmark = pytest.mark.quick_on("sqlite")


def surroundings(database: Database, folder: Path) -> dict[str, str]:
    """The environment of a shell in which the academy works."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "DATABASE_URL": database.url,
        "ACADEMY_FOLDER": str(folder),
        "ACADEMY_EVENTS": "1200",
    }


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_runbook_plays_from_the_first_crash_to_a_guard_and_back(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients.offer(database.engine, tmp_path, monkeypatch)
    folder = tmp_path / "academy"
    done = subprocess.run(
        [str(ACADEMY / "runbook.sh")], env=surroundings(database, folder), capture_output=True, text=True, timeout=380
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = done.stdout
    assert said.rstrip().endswith("=== done")
    assert "verified  restored into a scratch database" in said
    assert "rehearsed  520 rows taken back, and all" in said
    assert said.count("refused by the field") == 5
    assert said.count("refused by the database") == 1
    assert "520 of 520 fall between" in said
    assert "520  undone  given back what it held before the run" in said
    assert not (folder / "maintenance.flag").exists()


class Academy:
    """A copy of the academy on one database."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ACADEMY, folder)
        self.environment = surroundings(database, folder)

    def manage(self, *words: str, typed: str = "") -> str:
        """Run `manage.py`; what it said on both streams."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, input=typed, timeout=100,
        )  # fmt: skip
        self.code = done.returncode
        return done.stdout + done.stderr

    def ask(self, script: str) -> Any:
        """Run a script in Django; what it printed last, as JSON."""
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{script}"],
            cwd=self.folder,
            env={**self.environment, "DJANGO_SETTINGS_MODULE": "academy.settings"},
            capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def academy(database: Database, tmp_path: Path) -> Academy:
    made = Academy(database, tmp_path / "academy")
    said = made.manage("migrate", "--verbosity", "0")
    assert made.code == 0, said
    return made


SEED = """
import json
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.utils import timezone
from analytics.models import *
subject = Subject.objects.create(id=1, name="s")
quiz = Quiz.objects.create(id=5, title="q", subject=subject)
question = Question.objects.create(id=9, quiz=quiz, text="?")
user = User.objects.create(id=1, username="ann")
content = ContentType.objects.get_for_model(Question)
"""
#: Every sort of metadata that stood in the table, and whether it is an answer to quiz 5: right (1), wrong (0), or none.
ROWS = [
    ('{"quiz_id": 5, "is_correct": true, "time_spent_ms": 8000}', 1),
    ('{"quiz_id": 5, "is_correct": false, "time_spent_ms": null}', 0),
    ('{"quiz_id": 5, "is_correct": true, "time_spent_ms": 12000}', 1),
    ('{"quiz_id": 5, "is_correct": "false"}', 0),
    ('{"quiz_id": 5, "is_correct": "true"}', 1),
    ('{"quiz_id": 5, "is_correct": 0}', 0),
    ('{"quiz_id": 5, "is_correct": 1}', 1),
    ('{"quiz_id": "5", "is_correct": true}', 1),
    ('{"quiz_id": 777, "is_correct": true}', None),
    ('{"quiz_id": 5, "is_correct": null}', None),
    ('{"quiz_id": 5}', None),
    ('"{\\"quiz_id\\": 5, \\"is_correct\\": true}"', None),
    ("42", None),
    ("0.5", None),
    ('"text"', None),
    ('[{"quiz_id": 5}]', None),
    ("true", None),
    ("null", None),
    (None, None),
]
INSERT = """
rows = json.loads(ROWS)
with connection.cursor() as cursor:
    cast = "CAST(%s AS jsonb)" if connection.vendor == "postgresql" else "%s"
    for number, (text, _) in enumerate(rows, 1):
        cursor.execute(
            "INSERT INTO analytics_activityevent "
            "(id, user_id, event_type, content_type_id, object_id, timestamp, metadata) "
            f"VALUES (%s, 1, 'quiz_answer_submitted', %s, 9, CURRENT_TIMESTAMP, {cast})", [number, content.id, text])
""".replace("ROWS", repr(json.dumps(ROWS)))


def test_the_jobs_are_right_on_damaged_rows(academy: Academy) -> None:
    found = academy.ask(
        SEED + INSERT + "from analytics.jobs import difficulty, abilities\n"
        "(one,) = difficulty.measured(min_attempts=1, days=1)['quiz']\n"
        "(able,) = abilities.rated(min_attempts=1, days=1)\n"
        "print(json.dumps([one.object_id, one.attempts, one.success, one.seconds, one.score, len(able.outcomes)]))"
    )
    known = [right for _, right in ROWS if right is not None]
    success = 100 * sum(known) / len(known)
    # JSON null is no time: 8000, null, 12000 average to 10000, not 6667
    raw = 400 + (100 - success) * 5 + ((10 - 10) * 5) * 0.3
    score = raw * len(known) / 30 + 400 * (1 - len(known) / 30)
    assert found[:4] == [5, len(known), pytest.approx(success), 10.0]
    assert found[4] == pytest.approx(score)
    # the quiz that is gone still counts as an answer of the learner
    assert found[5] == len(known) + 1


def test_the_formulas_agree_with_their_examples(academy: Academy) -> None:
    found = academy.ask(
        "import json\nfrom analytics.jobs.difficulty import Difficulty\n"
        "from analytics.jobs.matches import match, preference, recency, zpd\n"
        "from analytics.jobs.abilities import Ability, Rating\n"
        "r = Rating(); r.answer(1, 400); r.answer(0, 400)\n"
        "a = Ability(1, outcomes=[0] * 7 + [1] * 3)\n"
        "print(json.dumps({'score': Difficulty(1, 15, 60.0, 20.0).score, 'zero': Difficulty(1, 30, 0.0, 0.0).score,"
        " 'none': Difficulty(1, 30, 0.0, None).score,"
        " 'zpd': [zpd(gap) for gap in (0, 50, -50, 60, -60, 500, -500)],"
        " 'recency': [recency(None), recency(0), recency(3.5), recency(7), recency(30)],"
        " 'match': match(1.0, preference(subject=True, tags=1, wanted_tags=2, language=False), 0.5),"
        " 'elo': r.value, 'trend': a.trend, 'short': Ability(1, outcomes=[1] * 9).trend}))"
    )
    assert found["score"] == pytest.approx(507.5)
    # a real 0 % stays 0 %, and a time of 0 is a time: neither is taken for "not known"
    assert found["zero"] == pytest.approx(400 + 500 + (0 - 10) * 5 * 0.3)
    assert found["none"] == pytest.approx(400 + 500 + (15 - 10) * 5 * 0.3)
    assert found["zpd"] == pytest.approx([1.0, 0.8, 0.8, 0.7, 0.7, 0.1, 0.3])
    assert found["recency"] == pytest.approx([0, 1, 0.5, 0, 0])
    assert found["match"] == pytest.approx(100 * (0.5 + 0.3 * (0.4 + 0.15) + 0.2 * 0.5))
    first = 400 + 32 * 0.5
    assert found["elo"] == pytest.approx(first - 32 / (1 + 10 ** ((400 - first) / 400)))
    assert found["trend"] == pytest.approx(100 - 30)
    assert found["short"] is None


def test_the_jobs_ask_a_fixed_number_of_questions(academy: Academy) -> None:
    academy.manage("seed_academy", "--events", "300")
    few = academy.ask(QUERIES)
    academy.ask("import json\nfrom analytics.models import ActivityEvent as E\n"
                "rows = list(E.objects.all())\n"
                "for n, row in enumerate(rows): row.pk = 1000 + n\n"
                "E.objects.bulk_create(rows)\nprint(json.dumps(len(rows)))")  # fmt: skip
    assert academy.ask(QUERIES) == few


QUERIES = """
import json
from django.db import connection
from django.test.utils import CaptureQueriesContext
from analytics.jobs import abilities, difficulty
counts = []
ask = {"min_attempts": 1, "days": 90}
for job in (lambda: difficulty.measured(**ask), lambda: list(abilities.rated(**ask))):
    job()
    with CaptureQueriesContext(connection) as seen:
        job()
    counts.append(len(seen))
print(json.dumps(counts))
"""


@pytest.mark.any_server
@pytest.mark.slow
def test_the_clean_up_command_shows_asks_recovers_and_can_be_taken_back(academy: Academy) -> None:
    academy.manage("seed_academy", "--events", "200")
    academy.manage("damage_academy", "--rows", "14")
    said = academy.manage("cleanup_invalid_metadata", "--dry-run", "--limit", "2")
    assert academy.code == 0, said
    assert "14 of 214 rows are broken" in said
    assert "  high     quiz_answer_submitted" in said
    assert said.count("analytics_activityevent.metadata holds") == 2
    assert said.rstrip().endswith("Dry run: nothing was changed.")
    assert "Nothing was changed." in academy.manage("cleanup_invalid_metadata", typed="y\n")
    said = academy.manage("cleanup_invalid_metadata", typed="yes\n")
    assert "14 values cleaned up, as run " in said
    assert "nothing to clean up" in academy.manage("cleanup_invalid_metadata")
    # the events are kept, and an object that was encoded twice is recovered, not erased
    kept = academy.ask(
        "import json\nfrom analytics.models import ActivityEvent as E\n"
        "found = E.objects.filter(id__gt=200)\n"
        "print(json.dumps([found.count(), found.filter(metadata__quiz_id=3).count()]))"
    )
    assert kept == [14, 2]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_manage_py_knows_every_command_and_the_models(academy: Academy) -> None:
    assert "find the rows that break a check" in academy.manage("trueup", "--help")
    (academy.folder / "trueup.yaml").unlink()
    academy.manage("seed_academy", "--events", "40")
    said = academy.manage("trueup", "init", "--django")
    assert academy.code == 0, said
    text = (academy.folder / "trueup.yaml").read_text()
    assert "analytics_activityevent-metadata-is-an-object" in text
    assert "references: auth_user.id" in text
    assert "analytics_activityevent-event_type-is-a-choice" in text
    assert "lesson_completed, analytics_report_generated]" in text
    assert "analytics_activityevent-content_object-question" in text
    assert "analytics_activityevent-metadata-keeps-its-shape" in text
    assert academy.manage("trueup", "scan").startswith("healthy: ")
    academy.ask(
        "import json\nfrom analytics.models import ActivityEvent as E\n"
        "E.objects.filter(id=3).update(object_id=99999)\n"
        "E.objects.filter(event_type='quiz_answer_submitted', id=2).update(metadata={'quiz_id': 'x'})\n"
        "print(json.dumps(E.objects.get(id=2).event_type))"
    )
    said = " ".join(academy.manage("trueup", "scan").split())
    assert "3 analytics_activityevent.object_id refers to no analytics_question.id" in said
    assert "analytics_activityevent.metadata.quiz_id is a string, must be an integer" in said


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_json_field_that_takes_anything_is_warned_about(academy: Academy) -> None:
    assert "no issues" in academy.manage("check")
    models = academy.folder / "analytics" / "models.py"
    models.write_text(
        models.read_text().replace(
            'JSONObjectField(null=True, by="event_type", schemas=METADATA)', "models.JSONField(null=True)"
        )
    )
    said = academy.manage("check")
    assert "analytics.ActivityEvent: (trueup.W001) analytics.ActivityEvent.metadata takes JSON of any type" in said


@pytest.mark.any_server
def test_the_constraint_is_in_the_migrations_and_refuses(academy: Academy) -> None:
    assert "No changes detected" in academy.manage("makemigrations", "--check", "--dry-run")
    found = academy.ask(
        SEED + "from django.db import IntegrityError, OperationalError, transaction\nanswers = []\n"
        "for value in (['en'], [], {'a': 1}, 'en', 7):\n"
        "    try:\n"
        "        with transaction.atomic():\n"
        "            UserPreference.objects.create(user=user, languages_spoken=value); transaction.set_rollback(True)\n"
        "        answers.append(True)\n"
        "    except (IntegrityError, OperationalError):\n"
        "        answers.append(False)\n"
        "print(json.dumps(answers))"
    )
    assert found == [True, True, False, False, False]


@pytest.mark.any_server
@pytest.mark.slow
def test_the_constraint_comes_and_goes_by_a_migration(academy: Academy) -> None:
    models = academy.folder / "analytics" / "models.py"
    text = models.read_text()
    changed = text.replace(
        'field="languages_spoken", expected=["array"]', 'field="languages_spoken", expected=["array", "string"]'
    )
    models.write_text(changed)
    assert "languages_are_a_list" in academy.manage("makemigrations", "analytics", "--name", "wider")
    said = academy.manage("migrate", "--verbosity", "0")
    assert academy.code == 0, said
    found = academy.ask(
        SEED + "UserPreference.objects.create(user=user, languages_spoken='en'); print(json.dumps(True))"
    )
    assert found is True
    academy.ask(
        "import json\nfrom analytics.models import *\nUserPreference.objects.all().delete(); print(json.dumps(0))"
    )
    said = academy.manage("migrate", "analytics", "0001", "--verbosity", "0")
    assert academy.code == 0, said


@pytest.mark.any_server
@pytest.mark.slow
def test_a_guard_as_a_django_migration_runs_both_ways(academy: Academy) -> None:
    text = academy.manage("trueup", "guard", "metadata-holds-an-object", "--format", "django")
    assert academy.code == 0, text
    text = text.replace("dependencies = []", 'dependencies = [("analytics", "0001_initial")]')
    (academy.folder / "analytics" / "migrations" / "0002_guard.py").write_text(text)
    said = academy.manage("migrate", "--verbosity", "0")
    assert academy.code == 0, said
    academy.manage("seed_academy", "--events", "40")
    said = academy.manage("try_bad_writes")
    assert academy.code == 0, said
    academy.manage("migrate", "analytics", "0001", "--verbosity", "0")
    assert "plain SQL      TAKEN" in academy.manage("try_bad_writes")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_refused_value_is_named_with_its_field_and_type(academy: Academy) -> None:
    academy.manage("seed_academy", "--events", "8")
    said = academy.manage("try_bad_writes")
    assert (
        "create()       refused by the field: analytics.ActivityEvent.metadata must be a dict or None, not str: 'text'"
        in said
    )
    assert (
        "update()       refused by the field: analytics.ActivityEvent.metadata must be a dict or None, not int: 7"
        in said
    )
