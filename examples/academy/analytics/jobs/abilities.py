"""How able each learner is: Elo ratings against the difficulty of what they answered (Elo 1978, K = 32)."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.utils import timezone

from analytics.jobs.answers import answers
from analytics.jobs.progress import bar
from analytics.models import Profile, Quiz, UserAbilityProfile

START, K = 400.0, 32.0
BATCH = 1000


@dataclass
class Rating:
    """A rating that moves with every answer."""

    value: float = START

    def answer(self, correct: int, difficulty: float) -> None:
        """One answer to a question of `difficulty`."""
        expected = 1 / (1 + 10 ** ((difficulty - self.value) / 400))
        self.value += K * (correct - expected)

    @property
    def score(self) -> float:
        """0 to 1000."""
        return max(0.0, min(1000.0, self.value))


@dataclass
class Ability:
    """One learner."""

    user_id: int
    rating: Rating = field(default_factory=Rating)
    subjects: dict[int, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    outcomes: list[int] = field(default_factory=list)
    quizzes: set[int] = field(default_factory=set)

    @property
    def by_subject(self) -> dict[str, float]:
        """A rating for each subject with at least three answers."""
        found = {}
        for subject, seen in self.subjects.items():
            if len(seen) >= 3:
                rating = Rating()
                for correct, difficulty in seen:
                    rating.answer(correct, difficulty)
                found[str(subject)] = round(rating.score, 2)
        return found

    @property
    def trend(self) -> float | None:
        """How many percent better the last answers went than all; None below ten answers."""
        count = len(self.outcomes)
        if count < 10:
            return None
        last = self.outcomes[-max(3, int(count * 0.3)) :]
        return 100 * sum(last) / len(last) - 100 * sum(self.outcomes) / count


def rated(*, min_attempts: int, days: int, user_id: int | None = None) -> Iterator[Ability]:
    """Every learner with enough answers. One statement, read in the order of time; no query for an answer."""
    quiz = ContentType.objects.get_for_model(Quiz).id
    statement = f"""
        SELECT w.user_id, w.correct, w.quiz_id, q.subject_id,
               COALESCE(p.computed_difficulty_score, q.computed_difficulty_score, 400)
        FROM ({answers()}) w
        LEFT JOIN analytics_quiz q ON q.id = w.quiz_id
        LEFT JOIN analytics_contentdifficultyprofile p ON p.content_type_id = %s AND p.object_id = w.quiz_id
        WHERE w.correct IS NOT NULL AND w.user_id IS NOT NULL {"AND w.user_id = %s" if user_id else ""}
        ORDER BY w.user_id, w.happened, w.id
    """
    parameters = [timezone.now() - timedelta(days=days), quiz, *([user_id] if user_id else [])]
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        for user, mine in groupby(_streamed(cursor), key=itemgetter(0)):
            ability = Ability(int(user))
            for _, correct, quiz_id, subject, difficulty in mine:
                ability.rating.answer(int(correct), float(difficulty))
                ability.outcomes.append(int(correct))
                if quiz_id is not None:
                    ability.quizzes.add(int(quiz_id))
                if subject is not None:
                    ability.subjects[int(subject)].append((int(correct), float(difficulty)))
            if len(ability.outcomes) >= min_attempts:
                yield ability


def _streamed(cursor: Any) -> Iterator[tuple[Any, ...]]:
    # drivers end with an empty list or an empty tuple
    while batch := cursor.fetchmany(10_000):
        yield from batch


def compute(*, min_attempts: int, days: int, user_id: int | None = None) -> list[UserAbilityProfile]:
    """Rate, rank and store, with a bar."""
    found = list(rated(min_attempts=min_attempts, days=days, user_id=user_id))
    now = timezone.now()
    known = dict(UserAbilityProfile.objects.values_list("user_id", "id"))
    made = [
        UserAbilityProfile(
            id=known.get(one.user_id), user_id=one.user_id, overall_ability_score=one.rating.score,
            ability_by_subject=one.by_subject, total_quizzes_attempted=len(one.quizzes),
            total_correct_answers=sum(one.outcomes), recent_performance_trend=one.trend, last_computed_at=now,
        )
        for one in bar(found, len(found), "user")
    ]  # fmt: skip
    if user_id is None:
        rank(made)
    fields = ["overall_ability_score", "ability_by_subject", "total_quizzes_attempted", "total_correct_answers"]
    fields += ["recent_performance_trend", "last_computed_at", *([] if user_id else ["global_rank", "percentile"])]
    UserAbilityProfile.objects.bulk_update([one for one in made if one.id], fields, batch_size=BATCH)
    UserAbilityProfile.objects.bulk_create([one for one in made if not one.id], batch_size=BATCH)
    profiles = {
        profile.user_id: profile for profile in Profile.objects.filter(user_id__in=[one.user_id for one in made])
    }
    for one in made:
        if one.user_id in profiles:
            profiles[one.user_id].overall_ability_score = one.overall_ability_score
    Profile.objects.bulk_update(profiles.values(), ["overall_ability_score"], batch_size=BATCH)
    return made


def rank(made: list[UserAbilityProfile]) -> None:
    """Rank 1 is the most able; the percentile is the share of learners ranked below."""
    count = len(made)
    for place, one in enumerate(sorted(made, key=lambda one: (-one.overall_ability_score, one.user_id)), 1):
        one.global_rank = place
        one.percentile = (count - place) / count * 100
