"""Which quizzes suit which learner: difficulty near ability, what they prefer, and what they have not just done."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.utils import timezone

from analytics.jobs.answers import answers
from analytics.jobs.progress import bar
from analytics.models import MatchScore, Quiz, UserAbilityProfile, UserPreference

EVER = datetime(1970, 1, 1, tzinfo=timezone.get_default_timezone())
BATCH = 1000


def zpd(gap: float) -> float:
    """How near a difficulty is to what a learner can just do, 0 to 1: `gap` is difficulty less ability."""
    if -50 <= gap <= 50:
        return 1 - abs(gap) / 50 * 0.2
    distance = abs(gap) - 50
    return max(0.3 if gap < 0 else 0.1, 0.8 - distance / 100)


def preference(*, subject: bool, tags: int, wanted_tags: int, language: bool) -> float:
    """How well a quiz fits what a learner chose, 0 to 1."""
    return 0.4 * subject + (0.3 * tags / wanted_tags if wanted_tags else 0.0) + 0.3 * language


def recency(days: float | None) -> float:
    """The penalty for a quiz done `days` ago: 1 today, 0 from day 7 on, and for one never done."""
    return 0.0 if days is None else max(0.0, 1 - days / 7)


def match(zpd_score: float, alignment: float, penalty: float) -> float:
    """0 to 100."""
    return 100 * (0.5 * zpd_score + 0.3 * alignment + 0.2 * (1 - penalty))


@dataclass(frozen=True)
class Wanted:
    """What one learner prefers."""

    subjects: frozenset[int]
    tags: frozenset[int]
    languages: frozenset[str]


def compute(top_n: int) -> int:
    """The best `top_n` quizzes of every rated learner, stored in place of the former; returns how many."""
    quizzes = list(Quiz.objects.values_list("id", "subject_id", "language", "computed_difficulty_score"))
    tags: dict[int, set[int]] = defaultdict(set)
    for quiz, tag in Quiz.tags.through.objects.values_list("quiz_id", "tag_id"):
        tags[quiz].add(tag)
    wanted, last = preferences(), last_done()
    content = ContentType.objects.get_for_model(Quiz)
    now = timezone.now()
    abilities = list(UserAbilityProfile.objects.values_list("user_id", "overall_ability_score"))
    stored = 0
    for user, ability in bar(abilities, len(abilities), "user"):
        mine = wanted.get(user, Wanted(frozenset(), frozenset(), frozenset()))
        scores = []
        for quiz, subject, language, difficulty in quizzes:
            gap = (400.0 if difficulty is None else difficulty) - ability
            common = len(mine.tags & tags[quiz])
            alignment = preference(
                subject=subject in mine.subjects,
                tags=common,
                wanted_tags=len(mine.tags),
                language=language in mine.languages,
            )
            done = last.get((user, quiz))
            penalty = recency(None if done is None else (now - done).total_seconds() / 86400)
            near = zpd(gap)
            why = [
                name
                for name, yes in (("near your level", near >= 0.8), ("your subject", subject in mine.subjects))
                if yes
            ]
            scores.append(
                MatchScore(
                    user_id=user, content_type=content, object_id=quiz, match_score=match(near, alignment, penalty),
                    difficulty_gap=gap, zpd_score=near, preference_alignment_score=alignment, recency_penalty=penalty,
                    metadata={"why_tags": why, "computed_at": now.isoformat()},
                )
            )  # fmt: skip
        best = sorted(scores, key=lambda one: (-one.match_score, one.object_id))[:top_n]
        with transaction.atomic():
            MatchScore.objects.filter(user_id=user, content_type=content).delete()
            MatchScore.objects.bulk_create(best, batch_size=BATCH)
        stored += len(best)
    return stored


def preferences() -> dict[int, Wanted]:
    """Every learner's preferences, in three statements."""
    subjects: dict[int, set[int]] = defaultdict(set)
    tags: dict[int, set[int]] = defaultdict(set)
    for one, subject in UserPreference.interested_subjects.through.objects.values_list(
        "userpreference_id", "subject_id"
    ):
        subjects[one].add(subject)
    for one, tag in UserPreference.interested_tags.through.objects.values_list("userpreference_id", "tag_id"):
        tags[one].add(tag)
    rows = UserPreference.objects.values_list("id", "user_id", "languages_spoken")
    return {
        user: Wanted(
            frozenset(subjects[one]),
            frozenset(tags[one]),
            frozenset(word for word in spoken if isinstance(word, str)) if isinstance(spoken, list) else frozenset(),
        )
        for one, user, spoken in rows
    }


def last_done() -> dict[tuple[int, int], datetime]:
    """When each learner last answered a question of each quiz."""
    statement = f"""
        SELECT w.user_id, w.quiz_id, MAX(w.happened) FROM ({answers()}) w
        WHERE w.user_id IS NOT NULL AND w.quiz_id IS NOT NULL GROUP BY w.user_id, w.quiz_id
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, [EVER])
        return {(int(user), int(quiz)): _moment(at) for user, quiz, at in cursor.fetchall()}


def _moment(value: datetime | str) -> datetime:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at if at.tzinfo else at.replace(tzinfo=timezone.get_default_timezone())
