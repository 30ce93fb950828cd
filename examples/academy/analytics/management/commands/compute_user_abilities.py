"""Computes how able learners are."""

import time

from django.core.management.base import BaseCommand

from analytics.jobs import abilities


class Command(BaseCommand):
    help = "Computes how able learners are, from their answers in the order of time."

    def add_arguments(self, parser):
        parser.add_argument("--min-attempts", type=int, default=5)
        parser.add_argument("--days", type=int, default=90)
        parser.add_argument("--user-id", type=int)

    def handle(self, *args, **options):
        began = time.monotonic()
        made = abilities.compute(min_attempts=options["min_attempts"], days=options["days"], user_id=options["user_id"])
        mean = sum(one.overall_ability_score for one in made) / len(made) if made else 0
        self.stdout.write(f"{len(made)} learners rated, mean ability {mean:.1f}")
        self.stdout.write(self.style.SUCCESS(f"done in {time.monotonic() - began:.2f} s"))
