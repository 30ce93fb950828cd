"""The base of an application's own clean-up command, for people who know `manage.py` and not trueup."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from trueup.checks.wrong_json_type import WrongJsonType
from trueup.config.strategy import confirmation_word
from trueup.django.databases import config_of
from trueup.errors import TrueupError
from trueup.results import CheckResult


class CleanupCommand(BaseCommand):
    """Finds JSON of the wrong type in one column, shows it, and sets it to NULL once somebody types `yes`.

    The rows are kept. trueup does the work: each change is journaled and can be taken back, and a row that the
    application changes meanwhile is left alone. A subclass names `table` and `column`; `decode` among the `repairs`
    recovers objects that were encoded twice before the rest is set to NULL.
    """

    help = "Finds JSON of the wrong type, and sets it to NULL once confirmed."
    requires_system_checks: ClassVar[list[str]] = []

    table: ClassVar[str]
    column: ClassVar[str]
    expected: ClassVar[tuple[str, ...]] = ("object",)
    group_by: ClassVar[str] = ""
    critical: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    repairs: ClassVar[tuple[str, ...]] = ("nullify",)

    def add_arguments(self, parser: CommandParser) -> None:
        """`--dry-run`, `--limit`, `--database`."""
        parser.add_argument("--dry-run", action="store_true", help="Show what is broken and change nothing.")
        parser.add_argument("--limit", type=int, default=100, help="How many broken rows to show (100).")
        parser.add_argument("--database", default="default", help="Which database of the settings.")
        parser.add_argument("--because", default="", help="The cause, kept with the run.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Scan, show, ask, plan, apply, scan again."""
        try:
            self._work(options)
        except TrueupError as error:
            raise CommandError(str(error)) from None

    def _work(self, options: Mapping[str, Any]) -> None:
        from trueup.verbs.apply import apply
        from trueup.verbs.plan import make_plan
        from trueup.verbs.scan import scan

        check = WrongJsonType(
            table=self.table,
            column=self.column,
            expected=self.expected,
            group_by=self.group_by,
            critical=self.critical,
            repair=self.repairs,
            name=f"{self.table}-{self.column}",
        )
        config = replace(config_of(options["database"]), checks=(check,))
        (result,) = scan(config, samples=options["limit"]).results
        if result.status == "not checked":
            raise CommandError(result.reason)
        self._show(result)
        if not result.findings:
            self.stdout.write(self.style.SUCCESS("Every row is healthy; there is nothing to clean up."))
            return
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was changed.")
            return
        typed = input(f"Set {result.findings:,} values to NULL, or what the repair says? Type yes to go on: ")
        if typed.strip() != "yes":
            self.stdout.write("Nothing was changed.")
            return
        because = options["because"] or f"manage.py {self.__module__.rpartition('.')[2]}"
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "plan.jsonl")
            plan = make_plan(config, path, because=because)
            word = confirmation_word(config.environment, plan.summary.count, plan.summary.digest)
            report = apply(config, path, confirm=word, because=because)
        done = report.states.get("applied", 0)
        self.stdout.write(self.style.SUCCESS(f"{done:,} values cleaned up, as run {report.run_id}."))
        left = sum(report.states.values()) - done + sum(one.count for one in plan.summary.left)
        if left:
            self.stdout.write(f"{left:,} rows were left alone; manage.py trueup status {report.run_id} lists them.")
        self.stdout.write(f"To take it back: manage.py trueup undo {report.run_id}")

    def _show(self, result: CheckResult) -> None:
        self.stdout.write(f"{self.table}.{self.column}: {result.findings:,} of {result.rows:,} rows are broken")
        self.stdout.write("Types:")
        for word, healthy, count in result.distribution:
            self.stdout.write(f"  {word.upper():12} {count:>10,} {'' if healthy else 'broken'}".rstrip())
        if result.groups:
            self.stdout.write(f"By {self.group_by}, critical ones first:")
            for group in result.groups:
                self.stdout.write(f"  {group.severity:8} {group.group:30} {group.word:10} {group.count:>8,}")
        if result.samples:
            self.stdout.write(f"The first {len(result.samples)}:")
            for finding in result.samples:
                self.stdout.write(f"  {finding.where}: {finding.message}")
