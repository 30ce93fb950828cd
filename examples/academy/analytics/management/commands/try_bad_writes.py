"""Tries a bad value on every path to the column; each must be refused."""

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, transaction

from analytics.models import ActivityEvent


class Command(BaseCommand):
    help = "Tries to write metadata that is no object, on five paths of Django's and by plain SQL."

    def handle(self, *args, **options):
        event = ActivityEvent.objects.filter(metadata__isnull=False).order_by("id").first()
        taken = [name for name, write in self.paths(event) if not self.refused(name, write)]
        if taken:
            raise CommandError(f"taken: {', '.join(taken)}")

    def paths(self, event):
        bad = ActivityEvent(event_type="quiz_started", metadata=42.5)
        changed = ActivityEvent.objects.get(pk=event.pk)
        changed.metadata = ["a", "list"]
        yield "save()", changed.save
        yield "create()", lambda: ActivityEvent.objects.create(event_type="quiz_started", metadata="text")
        yield "bulk_create()", lambda: ActivityEvent.objects.bulk_create([bad])
        yield "bulk_update()", lambda: ActivityEvent.objects.bulk_update([changed], ["metadata"])
        yield "update()", lambda: ActivityEvent.objects.filter(pk=event.pk).update(metadata=7)
        yield "plain SQL", lambda: self.plain(event.pk)

    def plain(self, key):
        cast = "CAST('42' AS jsonb)" if connection.vendor == "postgresql" else "'42'"
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE analytics_activityevent SET metadata = {cast} WHERE id = %s", [key])

    def refused(self, name, write):
        try:
            with transaction.atomic():
                write()
                transaction.set_rollback(True)
        except ValidationError as error:
            self.stdout.write(f"{name:14} refused by the field: {'; '.join(error.messages)}")
        except DatabaseError as error:
            self.stdout.write(f"{name:14} refused by the database: {str(error).splitlines()[0]}")
        else:
            self.stdout.write(f"{name:14} TAKEN")
            return False
        return True
