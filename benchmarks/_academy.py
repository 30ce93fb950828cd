"""Inside Django, in a process of its own: seconds of each contestant for each job, as JSON.

`main` needs Django set up before this is imported: its models are.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta
from io import StringIO
from typing import Any

from analytics.jobs import abilities, difficulty
from analytics.models import ActivityEvent, EventType, Question, Quiz
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from benchmarks._measure import alternate

DAYS, ANSWER = 90, EventType.QUIZ_ANSWER_SUBMITTED
SINCE = timezone.now() - timedelta(days=DAYS)
EVENTS = ActivityEvent._meta.db_table
#: Of so many learners one is rated by the ORM version.
PART = 10


def fill(events: int) -> None:
    """That many events: some made by the application, the rest their copies; a thousandth damaged."""
    call_command("migrate", verbosity=0)
    seeded = min(events, 8_000)
    call_command("seed_academy", events=seeded)
    names = ", ".join(field.column for field in ActivityEvent._meta.fields if field.column != "id")
    with connection.cursor() as cursor:
        for start in range(seeded, events, seeded):
            cursor.execute(
                f"INSERT INTO {EVENTS} (id, {names}) SELECT id + {start}, {names} FROM {EVENTS} WHERE id <= {seeded}"
            )
    call_command("damage_academy", rows=max(20, events // 1000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor != "mysql" else f"ANALYZE TABLE {EVENTS}")


# -- difficulty -------------------------------------------------------------------------------------------------------
def difficulty_by_job() -> dict[str, list[tuple[int, int, float]]]:
    """As shipped, stored as well."""
    return {
        kind: [(one.object_id, one.attempts, round(one.score, 6)) for one in found]
        for kind, found in difficulty.compute(("quiz", "question"), min_attempts=3, days=DAYS).items()
    }


def difficulty_by_hand() -> dict[str, list[tuple[int, int, float]]]:
    """One plain GROUP BY over both, for a table that holds objects only; no score."""
    quiz, right, spent = (value(key) for key in ("quiz_id", "is_correct", "time_spent_ms"))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {quiz}, object_id, COUNT(*), SUM(CASE WHEN {right} IN ('true', '1') THEN 1 ELSE 0 END), "
            f"AVG({number(spent)}) "
            f"FROM {EVENTS} WHERE event_type = %s AND timestamp >= %s AND {is_object()} GROUP BY 1, 2",
            [ANSWER, SINCE],
        )
        return {"rows": [(int(row[1]), int(row[2]), 0.0) for row in cursor.fetchall()]}


def difficulty_by_orm() -> dict[str, list[tuple[int, int, float]]]:
    """A query for each quiz and each question, and Python for the rest."""
    answers = ActivityEvent.objects.filter(event_type=ANSWER, timestamp__gte=SINCE)
    found: dict[str, list[tuple[int, int, float]]] = {"quiz": [], "question": []}
    for quiz in Quiz.objects.order_by("id"):
        found["quiz"] += scored(quiz.pk, list(answers.filter(metadata__quiz_id=quiz.pk)))
    for question in Question.objects.order_by("id"):
        found["question"] += scored(question.pk, list(answers.filter(object_id=question.pk)))
    return found


def scored(pk: int, events: list[ActivityEvent]) -> list[tuple[int, int, float]]:
    """The formula, event by event."""
    right, spent, count = 0, [], 0
    for event in events:
        data = event.metadata if isinstance(event.metadata, dict) else {}
        correct = outcome(data)
        if correct is None:
            continue
        count += 1
        right += correct
        if data.get("time_spent_ms") is not None:
            spent.append(data["time_spent_ms"])
    if count < 3:
        return []
    one = difficulty.Difficulty(pk, count, 100 * right / count, sum(spent) / len(spent) / 1000 if spent else None)
    return [(pk, count, round(one.score, 6))]


def outcome(data: dict[str, Any]) -> int | None:
    """1 or 0; None where it is neither."""
    return {"true": 1, "1": 1, "false": 0, "0": 0}.get(str(data.get("is_correct")).lower())


# -- abilities --------------------------------------------------------------------------------------------------------
def abilities_by_job() -> dict[int, float]:
    """As shipped, stored as well."""
    made = abilities.compute(min_attempts=5, days=DAYS)
    return {one.user_id: round(one.overall_ability_score, 6) for one in made}


def abilities_by_hand() -> int:
    """What a rating needs, in the order of time, fetched."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT e.user_id, {value('is_correct')}, q.computed_difficulty_score FROM {EVENTS} e "
            f"LEFT JOIN analytics_quiz q ON q.id = {number(value('quiz_id'))} "
            f"WHERE e.event_type = %s AND e.timestamp >= %s AND {is_object()} ORDER BY e.user_id, e.timestamp, e.id",
            [ANSWER, SINCE],
        )
        return sum(1 for _ in iter(cursor.fetchone, None))


def abilities_by_orm() -> dict[int, float]:
    """A query for each answer, on a part of the learners."""
    found = {}
    for user in User.objects.filter(id__lte=User.objects.count() // PART):
        rating = abilities.Rating()
        events = ActivityEvent.objects.filter(user=user, event_type=ANSWER, timestamp__gte=SINCE)
        for event in events.order_by("timestamp", "id"):
            data = event.metadata if isinstance(event.metadata, dict) else {}
            correct = outcome(data)
            if correct is None:
                continue
            quiz = Quiz.objects.filter(pk=data["quiz_id"]).first()
            rating.answer(correct, 400 if quiz is None else quiz.computed_difficulty_score or 400)
        found[user.pk] = round(rating.score, 6)
    return found


# -- the plainest SQL of each engine ----------------------------------------------------------------------------------
def value(key: str) -> str:
    """A key's scalar as text."""
    if connection.vendor == "postgresql":
        return f"metadata ->> '{key}'"
    if connection.vendor == "sqlite":
        return f"CAST(json_extract(metadata, '$.{key}') AS TEXT)"
    return f"NULLIF(JSON_UNQUOTE(JSON_EXTRACT(metadata, '$.{key}')), 'null')"


def number(text: str) -> str:
    """A text as a number."""
    return f"CAST({text} AS {'SIGNED' if connection.vendor == 'mysql' else 'INTEGER'})"


def is_object() -> str:
    """Whether the document is an object."""
    return {
        "postgresql": "jsonb_typeof(metadata) = 'object'",
        "sqlite": "json_type(metadata) = 'object'",
        "mysql": "JSON_TYPE(metadata) = 'OBJECT'",
    }[connection.vendor]


def measured(events: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of each contestant for each job, whose answers are the same."""
    fill(events)
    seconds: dict[str, dict[str, list[float]]] = {}
    for title, job, hand, orm, part in (
        ("compute_content_difficulty", difficulty_by_job, difficulty_by_hand, difficulty_by_orm, 1),
        ("compute_user_abilities", abilities_by_job, abilities_by_hand, abilities_by_orm, PART),
    ):
        began = time.perf_counter()
        theirs: Any = orm()
        slow = part * (time.perf_counter() - began)
        ours: Any = job()
        if part > 1:
            ours = {user: ours[user] for user in theirs}
        assert ours == theirs, f"{title}: the job and the ORM version differ"
        quick = alternate({"the job": job, "one statement by hand": hand}, rounds)
        seconds[title] = {**quick, "a plain ORM version": [slow] * rounds}
    return seconds


def main() -> None:
    """Measure, compare the answers, print."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        seconds = measured(int(sys.argv[1]), int(sys.argv[2]))
    print(json.dumps(seconds))
