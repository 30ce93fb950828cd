"""Computes how difficult quizzes and questions are."""

import time

from django.core.management.base import BaseCommand

from analytics.jobs import difficulty


class Command(BaseCommand):
    help = "Computes how difficult quizzes and questions are, from the answers given to them."

    def add_arguments(self, parser):
        parser.add_argument("--min-attempts", type=int, default=3)
        parser.add_argument("--days", type=int, default=90)
        parser.add_argument("--content-type", choices=["quiz", "question", "all"], default="all")

    def handle(self, *args, **options):
        kinds = ["quiz", "question"] if options["content_type"] == "all" else [options["content_type"]]
        began = time.monotonic()
        computed = difficulty.compute(kinds, min_attempts=options["min_attempts"], days=options["days"])
        for kind, found in computed.items():
            mean = sum(one.score for one in found) / len(found) if found else 0
            self.stdout.write(f"{kind}: {len(found)} computed, mean difficulty {mean:.1f}")
        self.stdout.write(self.style.SUCCESS(f"done in {time.monotonic() - began:.2f} s"))
