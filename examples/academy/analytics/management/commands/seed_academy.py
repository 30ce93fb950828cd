"""Makes learners, quizzes and healthy events, the same ones for the same seed."""

import random
from datetime import timedelta

from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management.base import BaseCommand
from django.utils import timezone

from analytics.models import ActivityEvent, EventType, Profile, Question, Quiz, Subject, Tag, UserPreference

QUIZZES, QUESTIONS, USERS = 29, 103, 40


class Command(BaseCommand):
    help = "Makes learners, quizzes and healthy events."

    def add_arguments(self, parser):
        parser.add_argument("--events", type=int, default=4000)
        parser.add_argument("--seed", type=int, default=3)

    def handle(self, *args, **options):
        chance = random.Random(options["seed"])
        subjects = Subject.objects.bulk_create([Subject(id=n, name=f"subject {n}") for n in range(1, 5)])
        tags = Tag.objects.bulk_create([Tag(id=n, name=f"tag {n}") for n in range(1, 9)])
        quizzes = Quiz.objects.bulk_create(
            [
                Quiz(id=n, title=f"quiz {n}", subject=chance.choice(subjects), language=chance.choice(["en", "de"]))
                for n in range(1, QUIZZES + 1)
            ]
        )
        links = Quiz.tags.through
        links.objects.bulk_create([links(quiz=quiz, tag=tag) for quiz in quizzes for tag in chance.sample(tags, 2)])
        questions = Question.objects.bulk_create(
            [Question(id=n, quiz=quizzes[n % QUIZZES], text=f"question {n}") for n in range(1, QUESTIONS + 1)]
        )
        users = User.objects.bulk_create(
            [User(id=n, username=f"learner{n}", password="!") for n in range(1, USERS + 1)]
        )
        Profile.objects.bulk_create([Profile(user=user) for user in users])
        wishes = UserPreference.objects.bulk_create(
            [UserPreference(user=user, languages_spoken=chance.sample(["en", "de", "fr"], 2)) for user in users]
        )
        for wish in wishes:
            if wish.pk is None:  # MySQL does not tell the keys of rows made in bulk
                wish.pk = UserPreference.objects.get(user=wish.user).pk
            wish.interested_subjects.add(*chance.sample(subjects, 2))
            wish.interested_tags.add(*chance.sample(tags, 3))
        content = ContentType.objects.get_for_model(Question)
        skill = {user.id: chance.uniform(0.3, 0.95) for user in users}
        now = timezone.now().replace(microsecond=0)
        events = []
        for number in range(1, options["events"] + 1):
            user, question = chance.choice(users), chance.choice(questions)
            at = now - timedelta(seconds=chance.randrange(60, 80 * 86400))
            if number % 4:
                right = chance.random() < skill[user.id]
                spent = chance.randrange(3000, 60000) if chance.random() < 0.95 else None
                metadata = {
                    "quiz_id": question.quiz_id,
                    "question_id": question.id,
                    "is_correct": right,
                    "time_spent_ms": spent,
                    "attempt_index": 1,
                    "hints_used": [],
                }
                kind = EventType.QUIZ_ANSWER_SUBMITTED
            else:
                kind = chance.choice([EventType.CONTENT_VIEWED, EventType.QUIZ_STARTED, EventType.QUIZ_COMPLETED])
                metadata = {"quiz_id": question.quiz_id} if chance.random() < 0.9 else None
            events.append(
                ActivityEvent(
                    id=number,
                    user=user,
                    event_type=kind,
                    content_type=content,
                    object_id=question.id,
                    timestamp=at,
                    metadata=metadata,
                )
            )
        ActivityEvent.objects.bulk_create(events, batch_size=500)
        self.stdout.write(
            f"{len(quizzes)} quizzes, {len(questions)} questions, {len(users)} learners, {len(events)} events"
        )
