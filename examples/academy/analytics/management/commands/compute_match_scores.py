"""Computes which quizzes suit which learner."""

import time

from django.core.management.base import BaseCommand

from analytics.jobs import matches


class Command(BaseCommand):
    help = "Computes which quizzes suit which learner."

    def add_arguments(self, parser):
        parser.add_argument("--top-n", type=int, default=100)

    def handle(self, *args, **options):
        began = time.monotonic()
        stored = matches.compute(options["top_n"])
        self.stdout.write(f"{stored} scores stored")
        self.stdout.write(self.style.SUCCESS(f"done in {time.monotonic() - began:.2f} s"))
