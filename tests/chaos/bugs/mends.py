"""Mends taken back, one by one: what `worlds` must see again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from tests.chaos.bugs.planting import Bug, everywhere, replace_in, swap, uncounted
from tests.engines import ENGINES
from trueup import output
from trueup.engines import _catalogue as catalogue
from trueup.engines._innodb import catalogue as _innodb_catalogue
from trueup.engines.postgresql import journal, session
from trueup.engines.postgresql.dialect import Postgresql
from trueup.engines.sqlite.dialect import Sqlite
from trueup.plan import drift
from trueup.stores.sql import SqlStore
from trueup.verbs import apply as _apply
from trueup.verbs import undo as _undo
from trueup.write import apply_chunk, execution, undo_chunk, verdict, verify
from trueup.write.apply_chunk import Chunk
from trueup.write.runner import Runner
from trueup.write.undo_chunk import UndoChunk

SERVERS = ("postgresql", "mysql", "mariadb")
PLAYS = 8


def nothing(*_: Any, **__: Any) -> str:
    """Whatever is asked, there is nothing against it."""
    return ""


def sqlite_or_abort_dropped() -> None:
    """A conflict clause of the schema decides what our writes do to other rows."""
    uncounted()
    swap(Sqlite, "exact", lambda _, statement: statement)


def parent_collation_ignored() -> None:
    """Children are looked for by the child's own collation."""
    uncounted()
    swap(Sqlite, "refers", lambda _, child, parent: child == parent)


def undo_without_preflight() -> None:
    """Undo asks neither what the table is now nor what would fire."""
    replace_in(execution, "refuses_undo", nothing)


def first_chunk_is_the_measure() -> None:
    """What changed between the first look and the first chunk is taken for what was planned."""
    uncounted()
    plain = execution.applying

    def applying(*given: Any, **how: Any) -> Any:
        kept = {name: vars(execution)[name] for name in ("changed", "forbids")}
        vars(execution).update(dict.fromkeys(kept, nothing))
        try:
            return plain(*given, **how)
        finally:
            vars(execution).update(kept)

    replace_in(execution, "applying", applying)


def identity_ignored() -> None:
    """A table of the same name and shape is taken for the one that was planned."""
    replace_in(execution, "identity_digest", _planned)
    plain = drift.refuses_undo

    def refuses(kept: Any, table: Any, *rest: Any, **how: Any) -> str:
        facts = table.facts or {}
        now = {str(entry[0]): entry[-1] for entry in facts.get("columns", ())}
        columns = [[*entry[:-1], now.get(str(entry[0]), entry[-1])] for entry in kept["columns"]]
        alike = {**kept, "columns": columns, "identity": facts.get("identity"), "place": facts.get("place")}
        return plain(alike, table, *rest, **how)

    replace_in(execution, "refuses_undo", refuses)


class _Planned(str):
    """Equal to whatever was planned."""

    def __eq__(self, _: object) -> bool:
        return True

    def __ne__(self, _: object) -> bool:
        return False

    __hash__ = str.__hash__


def _planned(_: Any) -> str:
    return _Planned()


def bare_table_names() -> None:
    """The search path of the moment says which table is meant, and nobody looks whether it is the one."""
    swap(Postgresql, "name_by", lambda *_: None)
    replace_in(execution, "changed", nothing)
    replace_in(execution, "refuses_undo", nothing)


def premise_not_locked() -> None:
    """What a finding rests on is looked at once, and may change until the commit."""
    swap(Chunk, "hold", nothing)


def children_not_locked() -> None:
    """A row that will go is locked so that a child can still be inserted."""
    plain = Postgresql.locked
    swap(Postgresql, "locked", lambda self, statement, row, **_: plain(self, statement, row))
    swap(Chunk, "hold", nothing)


def rest_digest_ignored() -> None:
    """A row is given back though its other columns say that it may be another one."""
    plain = verdict.of_undo
    replace_in(undo_chunk, "of_undo", lambda action, shown, **_: plain(action, shown, edited=True))


def references_skipped_with_keys_off() -> None:
    """Where a key is not checked for the row that broke it, no other one is looked at either."""
    swap(UndoChunk, "prove_parents", nothing)


def not_valid_not_rehearsed() -> None:
    """Apply promises to take back what the engine will refuse."""
    swap(UndoChunk, "rehearse", nothing)


def verdicts_differ() -> None:
    """The dry run has an opinion of its own."""
    replace_in(verify, "judged", lambda _, __, ops: [verdict.Verdict(op, "applied", "", None) for op in ops])


def _believed(word: str) -> Callable[[], None]:
    """Obstacles of a table that speak of `word` are none."""

    def plant() -> None:
        uncounted()
        plain = catalogue.table_of

        def table_of(*given: Any, **how: Any) -> Any:
            kept = [clause for clause in how.get("obstacles", ()) if word not in clause]
            return plain(*given, **{**how, "obstacles": kept})

        everywhere(plain, table_of)

    return plant


def image_types_of_the_application() -> None:
    """The journal hangs on types that a migration may drop."""
    replace_in(journal, "own", lambda _: False)


def published_journal() -> None:
    """Nobody asks whether what is written to the journal leaves the database."""
    swap(Postgresql, "unfit", nothing)


def names_of_one_session() -> None:
    """A name alone means what the search path of the moment says, but for the session that was told."""
    swap(SqlStore, "name_by", lambda self, connection, schema: self.dialect.name_by(connection, schema))


def dry_run_asks_no_rights() -> None:
    """The dry run foresees an apply that will be refused."""
    for module in (_apply, _undo):
        replace_in(module, "obstacle", nothing)


def stale_stamp() -> None:
    """What changes between two chunks is not seen."""
    uncounted()
    swap(Runner, "_same_schema", nothing)


def writes_of_rules_uncounted() -> None:
    """What a function that a rule calls writes to other tables is nobody's business."""
    for module in (undo_chunk, apply_chunk):
        replace_in(module, "no_others", lambda *_: nullcontext())


def exchanged_names_ignored() -> None:
    """An enum whose labels were exchanged since the run is the same type."""
    replace_in(drift, "_exchanged", nothing)


def computed_columns_believed() -> None:
    """A generated column comes out as it was when a row is put back."""
    swap(UndoChunk, "computed", lambda *_: [])


def time_zone_ignored() -> None:
    """A generated column depends on nothing of the session."""
    replace_in(_innodb_catalogue, "zoned", lambda *_, **__: [])
    replace_in(_innodb_catalogue, "bent", lambda *_, **__: {})
    computed_columns_believed()


def settings_left_on_session() -> None:
    """What is set stays with the session, which a pooler hands to the application."""
    plain = session._local
    replace_in(session, "_local", lambda settings: plain(settings).replace("SET LOCAL", "SET"))


def readable_plan() -> None:
    """Others may read what holds values of the data."""
    replace_in(output, "PRIVATE", 0o644)


def _seen(plant: Callable[[], None], engines: tuple[str, ...], sign: str, *focus: str) -> Bug:
    return Bug(plant, "worlds", engines, PLAYS, focus=focus, sign=sign)


PREMISES = ("the missing parents", "the twins go")
SWAPPED = ("swap the table", "make the touched column anew")
OTHERS = "no plan names|not planned|without a delete"
LITE, POSTGRES = ("sqlite",), ("postgresql",)
BUGS = {
    "sqlite_or_abort_dropped": _seen(sqlite_or_abort_dropped, LITE, OTHERS, "conflict clause"),
    "parent_collation_ignored": _seen(parent_collation_ignored, LITE, OTHERS, "NOCASE key"),
    "undo_without_preflight": _seen(
        undo_without_preflight,
        LITE + POSTGRES,
        "undo (changed|wrote|left)",
        "UPDATE at applied",
        "swap the table at applied",
    ),
    "first_chunk_is_the_measure": _seen(
        first_chunk_is_the_measure,
        LITE + POSTGRES,
        "apply changed",
        "UPDATE at apply/starting",
        "DELETE at apply/starting",
    ),
    "identity_ignored": _seen(identity_ignored, LITE + POSTGRES, "no plan names|made anew", *SWAPPED),
    "bare_table_names": _seen(bare_table_names, POSTGRES, "no plan names", "tenants"),
    "premise_not_locked": _seen(premise_not_locked, POSTGRES, "not broken any more", "the twins go"),
    "children_not_locked": _seen(
        children_not_locked, POSTGRES, "no plan names|declared key|not planned", "a child comes late"
    ),
    "rest_digest_ignored": _seen(
        rest_digest_ignored, ENGINES, "another row that has the key", "reuse a key", "replace a row"
    ),
    "references_skipped_with_keys_off": _seen(
        references_skipped_with_keys_off, SERVERS, "declared key is broken", "the second parent goes"
    ),
    "not_valid_not_rehearsed": _seen(not_valid_not_rehearsed, POSTGRES, "not taken back", "loaded dangling"),
    "verdicts_differ": _seen(
        verdicts_differ, ENGINES, "dry run foresaw", "the touched column at planned", "delete a row at planned"
    ),
    "stale_stamp": _seen(
        stale_stamp, LITE + POSTGRES, "changed", "UPDATE at apply/committed", "UPDATE at undo/committed"
    ),
    "triggers_believed": _seen(_believed("trigger"), ENGINES, OTHERS, "trigger from the start"),
    "rules_believed": _seen(_believed("rule"), POSTGRES, OTHERS, "rule"),
    "image_types_of_the_application": _seen(
        image_types_of_the_application, POSTGRES, "not PostgreSQL", "enum key", "domain key"
    ),
    "published_journal": _seen(published_journal, POSTGRES, "publishes the journal", "publication for all tables"),
    "names_of_one_session": _seen(names_of_one_session, POSTGRES, "foresaw|remain of", "tenants"),
    "dry_run_asks_no_rights": _seen(dry_run_asks_no_rights, POSTGRES, "but then", "publication for all tables"),
    "writes_of_rules_uncounted": _seen(writes_of_rules_uncounted, POSTGRES, OTHERS, "function in a rule"),
    "exchanged_names_ignored": _seen(exchanged_names_ignored, POSTGRES, "undo (left|changed)", "names exchanged"),
    "computed_columns_believed": _seen(computed_columns_believed, POSTGRES, "undo left", "summer time"),
    "time_zone_ignored": _seen(time_zone_ignored, ("mysql", "mariadb"), "undo left|apply changed", "summer time"),
    "settings_left_on_session": Bug(settings_left_on_session, "pooler", POSTGRES, rounds=2),
    "readable_plan": _seen(readable_plan, LITE, "readable by others"),
}
