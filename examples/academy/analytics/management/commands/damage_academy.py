"""Damages events as the real ones were: by statements that pass by Django, in one hour, by one importer."""

import random
from datetime import UTC, datetime, timedelta

from django.contrib.contenttypes.models import ContentType
from django.core.management.base import BaseCommand
from django.db import connection
from django.utils import timezone

from analytics.models import Question

#: What stood in the column: JSON of every type but an object, and objects encoded twice.
SCALARS = ("42", "0.5", '"text"', "[1, 2]", "true", "null", '"{\\"quiz_id\\": 3, \\"is_correct\\": true}"')


class Command(BaseCommand):
    help = "Writes JSON that is no object into the metadata of events."

    def add_arguments(self, parser):
        parser.add_argument("--rows", type=int, default=120)
        parser.add_argument("--seed", type=int, default=7)

    def handle(self, *args, **options):
        chance = random.Random(options["seed"])
        content = ContentType.objects.get_for_model(Question)
        hour = (timezone.now() - timedelta(days=3)).replace(hour=3, minute=0, second=0, microsecond=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT MAX(id) FROM analytics_activityevent")
            last = cursor.fetchone()[0] or 0
            cast = "CAST(%s AS jsonb)" if connection.vendor == "postgresql" else "%s"
            for number in range(1, options["rows"] + 1):
                at = hour + timedelta(seconds=chance.randrange(1200))
                at = at if connection.vendor == "postgresql" else at.astimezone(UTC).replace(tzinfo=None)
                cursor.execute(
                    "INSERT INTO analytics_activityevent "
                    "(id, user_id, event_type, content_type_id, object_id, timestamp, metadata) "
                    f"VALUES (%s, %s, 'quiz_answer_submitted', %s, %s, %s, {cast})",
                    [
                        last + number,
                        chance.randrange(1, 4),
                        content.id,
                        chance.randrange(1, 104),
                        _spelled(at),
                        SCALARS[number % len(SCALARS)],
                    ],
                )
            if connection.vendor == "postgresql":
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence('analytics_activityevent', 'id'), %s)",
                    [last + options["rows"]],
                )
        self.stdout.write(f"{options['rows']} events damaged, all of {hour:%Y-%m-%d} between 03:00 and 03:20")


def _spelled(at: datetime) -> str:
    return at.isoformat(sep=" ")
