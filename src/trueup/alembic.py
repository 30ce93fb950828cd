"""`op.trueup_guard` for Alembic: looks at what is stored before it adds a guard, and refuses while broken rows remain.

    import trueup.alembic  # adds the operations

    def upgrade() -> None:
        op.trueup_guard("wrong-json-type", table="events", column="metadata", expected="object")

    def downgrade() -> None:
        op.trueup_unguard("wrong-json-type", table="events", column="metadata", expected="object")

The options are those of the check in `trueup.yaml`; written here, the migration stays what it was when the
configuration changes. The guard is installed by sessions of its own, step by step, so what the same migration did
before is committed first: give a guard a migration of its own.
"""

from __future__ import annotations

from typing import Any

from alembic.operations import MigrateOperation, Operations

from trueup.check import Check
from trueup.config.config import Config, build_check
from trueup.errors import Refused, UsageError
from trueup.verbs.guard import guard
from trueup.verbs.scan import scan

#: Broken rows that a refusal names.
LISTED = 20
_STORE = "database"


class _GuardOperation(MigrateOperation):
    """What both operations are given."""

    def __init__(self, kind: str, options: dict[str, Any], *, transition: bool, window: bool) -> None:
        self.check = build_check(kind, options)
        self.kind = kind
        self.options = options
        self.transition = transition
        self.window = window


@Operations.register_operation("trueup_guard")
class GuardOperation(_GuardOperation):
    """Adds the guard of a check."""

    @classmethod
    def trueup_guard(
        cls, operations: Operations, kind: str, *, transition: bool = False, window: bool = False, **options: Any
    ) -> None:
        """Guard a table against what a check of this kind finds.

        Raises `Refused`, which names the rows, while broken rows remain; `transition` lets them be and refuses new
        ones. `window` allows locks that stop writers (MySQL, MariaDB).
        """
        operations.invoke(cls(kind, options, transition=transition, window=window))

    def reverse(self) -> MigrateOperation:
        """What takes it off."""
        return UnguardOperation(self.kind, self.options, transition=self.transition, window=self.window)


@Operations.register_operation("trueup_unguard")
class UnguardOperation(_GuardOperation):
    """Takes the guard of a check off."""

    @classmethod
    def trueup_unguard(
        cls, operations: Operations, kind: str, *, transition: bool = False, window: bool = False, **options: Any
    ) -> None:
        """Take off what `trueup_guard` with the same options added; it may be gone already."""
        operations.invoke(cls(kind, options, transition=transition, window=window))

    def reverse(self) -> MigrateOperation:
        """What puts it back."""
        return GuardOperation(self.kind, self.options, transition=self.transition, window=self.window)


@Operations.implementation_for(GuardOperation)
def _guard(operations: Operations, operation: GuardOperation) -> None:
    config = _config(operations, operation.check)
    with operations.get_context().autocommit_block():
        broken = [] if operation.transition else _broken(config)
        if broken:
            raise Refused(
                f"{operation.check.title} is not guarded, as rows break it; mend them before this migration, with "
                "'trueup plan' and 'trueup apply':\n" + "\n".join(f"  {line}" for line in broken)
            )
        guard(config, operation.check.title, act="apply", transition=operation.transition, window=operation.window)


@Operations.implementation_for(UnguardOperation)
def _unguard(operations: Operations, operation: UnguardOperation) -> None:
    config = _config(operations, operation.check)
    with operations.get_context().autocommit_block():
        guard(config, operation.check.title, act="remove", transition=operation.transition, window=operation.window)


def _config(operations: Operations, check: Check) -> Config:
    """The migration's own database, as a store of trueup's."""
    context = operations.get_context()
    if context.as_sql:
        raise UsageError("a guard looks at the stored rows first, so it cannot be written as SQL: leave --sql away")
    url = operations.get_bind().engine.url
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise UsageError("a guard is installed by a session of its own, which a database in memory does not have")
    # whoever runs a migration has been asked already whether this database is meant
    return Config(environment="migration", stores={_STORE: url.render_as_string(hide_password=False)}, checks=(check,))


def _broken(config: Config) -> list[str]:
    """A line for each broken row, by its key and without its values; the last says how many more there are."""
    (result,) = scan(config, samples=LISTED).results
    if result.status == "not checked":
        raise Refused(f"{result.title} could not be asked: {result.reason}")
    lines = [str(finding.where) for finding in result.samples]
    if result.findings > len(lines):
        lines.append(f"and {result.findings - len(lines):,} more")
    return lines
