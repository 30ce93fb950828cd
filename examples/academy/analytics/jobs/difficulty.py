"""How difficult each quiz and question is, from how its answers went."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.utils import timezone

from analytics.jobs.answers import counted
from analytics.jobs.progress import bar
from analytics.models import ContentDifficultyProfile, Question, Quiz

MODELS = {"quiz": Quiz, "question": Question}
BATCH = 1000


@dataclass(frozen=True)
class Difficulty:
    """One quiz or question: answers whose outcome is known, the share that was right, and the mean time in seconds."""

    object_id: int
    attempts: int
    success: float
    seconds: float | None

    @property
    def score(self) -> float:
        """0 to 1000; few attempts pull it to the middle, 400."""
        # no time is 15 seconds; a time of 0 is a time
        spent = 15.0 if self.seconds is None else self.seconds
        raw = 400 + (100 - self.success) * 5 + ((min(spent, 60) - 10) * 5) * 0.3
        confidence = min(self.attempts / 30, 1)
        return max(0.0, min(1000.0, raw * confidence + 400 * (1 - confidence)))


def measured(*, min_attempts: int, days: int) -> dict[str, list[Difficulty]]:
    """Of both kinds of content, in one statement: it counts by quiz and question, which are then added up."""
    tallies: dict[str, dict[int, list[int]]] = {"quiz": {}, "question": {}}
    with connection.cursor() as cursor:
        cursor.execute(counted(), [timezone.now() - timedelta(days=days)])
        for quiz, question, *counts in cursor.fetchall():
            for kind, key in (("quiz", quiz), ("question", question)):
                if key is not None:
                    tally = tallies[kind].setdefault(int(key), [0, 0, 0, 0])
                    tallies[kind][int(key)] = [a + int(b or 0) for a, b in zip(tally, counts, strict=True)]
    return {kind: _difficulties(kind, found, min_attempts) for kind, found in tallies.items()}


def _difficulties(kind: str, tallies: dict[int, list[int]], min_attempts: int) -> list[Difficulty]:
    """Of contents that are still there and were answered often enough."""
    known = MODELS[kind].objects.filter(pk__in=tallies).order_by("pk").values_list("pk", flat=True)
    found = ((key, *tallies[key]) for key in known)
    return [
        Difficulty(key, count, 100 * right / count, spent / timed / 1000 if timed else None)
        for key, count, right, spent, timed in found
        if count >= min_attempts
    ]


def store(kind: str, found: list[Difficulty]) -> Iterator[Difficulty]:
    """Write profiles and the copies on the contents, in batches; yields each as it is done."""
    content = ContentType.objects.get_for_model(MODELS[kind])
    for start in range(0, len(found), BATCH):
        batch = found[start : start + BATCH]
        profiles = [
            ContentDifficultyProfile(
                content_type=content, object_id=one.object_id, computed_difficulty_score=one.score,
                avg_time_spent_seconds=one.seconds, success_rate=one.success, attempt_count=one.attempts,
            )
            for one in batch
        ]  # fmt: skip
        fields = ["computed_difficulty_score", "avg_time_spent_seconds", "success_rate", "attempt_count"]
        with transaction.atomic():
            _upsert(content, profiles, fields)
            if kind == "quiz":
                copies = [
                    Quiz(
                        id=d.object_id, computed_difficulty_score=d.score,
                        overall_success_rate=d.success, attempt_count=d.attempts,
                    )
                    for d in batch
                ]  # fmt: skip
                Quiz.objects.bulk_update(copies, ["computed_difficulty_score", "overall_success_rate", "attempt_count"])
            else:
                asked = [
                    Question(id=d.object_id, computed_difficulty_score=d.score, success_rate=d.success) for d in batch
                ]
                Question.objects.bulk_update(asked, ["computed_difficulty_score", "success_rate"])
        yield from batch


def _upsert(content: ContentType, profiles: list[ContentDifficultyProfile], fields: list[str]) -> None:
    ids = [one.object_id for one in profiles]
    rows = ContentDifficultyProfile.objects.filter(content_type=content, object_id__in=ids)
    known = dict(rows.values_list("object_id", "id"))
    for one in profiles:
        one.id = known.get(one.object_id)
    ContentDifficultyProfile.objects.bulk_create([one for one in profiles if one.id is None])
    ContentDifficultyProfile.objects.bulk_update([one for one in profiles if one.id is not None], fields)


def compute(kinds: Sequence[str], *, min_attempts: int, days: int) -> dict[str, list[Difficulty]]:
    """Measure, and store these kinds of content, each with a bar."""
    found = measured(min_attempts=min_attempts, days=days)
    return {kind: list(bar(store(kind, found[kind]), len(found[kind]), kind)) for kind in kinds}
