"""A table to repair: broken rows, a copy of them to put back, trueup's verbs and the same repairs by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import trueup
from benchmarks._data import Events
from benchmarks._place import Place
from trueup import discovery
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.results import RunReport
from trueup.sql.dialect import Dialect

CHECK = WrongJsonType(table="events", column="metadata", expected=("object",), repair=("decode", "wrap", "nullify"))
DECODED = {
    "sqlite": "json_extract(metadata, '$')",
    "postgresql": "(metadata #>> '{}')::jsonb",
    "mysql": "CAST(json_unquote(metadata) AS json)",
    "mariadb": "json_unquote(metadata)",
}
WRAPPED = {
    "sqlite": "'{\"raw_value\": ' || metadata || '}'",
    "postgresql": "jsonb_build_object('raw_value', metadata)",
    "mysql": "json_object('raw_value', metadata)",
    "mariadb": "concat('{\"raw_value\": ', metadata, '}')",
}
BROKEN = {
    "sqlite": "metadata NOT GLOB '{*'",
    "postgresql": "jsonb_typeof(metadata) <> 'object'",
    "mysql": "json_type(metadata) <> _utf8mb4'OBJECT' COLLATE utf8mb4_bin",
    "mariadb": "metadata NOT LIKE '{%'",
}


#: The value as text, to tell the kinds of damage apart.
TEXT = {"sqlite": "metadata", "postgresql": "metadata::text", "mysql": "CAST(metadata AS char)", "mariadb": "metadata"}


class Bed:
    """A table with broken rows, and a copy of them to put back."""

    def __init__(self, place: Place, events: Events) -> None:
        self.place, self.events, self.name = place, events, events.name
        self.folder = Path(tempfile.mkdtemp(dir=place.folder))
        self.config = place.config(self.name, CHECK)
        self.dialect = type(discovery.load("engines", place.engine, Dialect, "dialect")())
        self.nice = self.dialect.nice
        place.do(
            self.name,
            "CREATE TABLE kept AS SELECT id, metadata FROM events WHERE " + BROKEN[place.engine],
            "CREATE UNIQUE INDEX kept_id ON kept (id)",
            "CREATE TABLE archive AS SELECT * FROM kept WHERE id < 0",
        )
        self.ids: dict[str, list[int]] = {"decode": [], "wrap": [], "nullify": []}
        for number, kind in sorted(events.planted.items()):
            self.ids[{"encoded twice": "decode", "JSON null": "nullify"}.get(kind, "wrap")].append(number)
        self.plans = 0
        #: The application writes at the same time: what it changed since the plan is left alone, and that is right.
        self.live = False
        self.path = ""

    def plan(self) -> None:
        """A fresh plan: one is used once."""
        self.plans += 1
        self.path = str(self.folder / f"{self.plans}.jsonl")
        summary = trueup.make_plan(self.config, self.path, because="benchmark").summary
        assert self.live or summary.count == len(self.events.planted), summary

    def apply(self, *, rests: bool) -> None:
        """The verb, from opening the plan to the settled run."""
        self.dialect.nice = self.nice if rests else 0.0
        report = trueup.apply(self.config, self.path, confirm="yes", because="benchmark")
        self._settled(report, "applied")

    def undo(self, *, rests: bool) -> None:
        """Take the newest run back."""
        self.dialect.nice = self.nice if rests else 0.0
        report = trueup.undo(self.config, "last", confirm="yes")
        self._settled(report, "undone")

    def _settled(self, report: RunReport, state: str) -> None:
        done, planned = report.states.get(state, 0), len(self.events.planted)
        if self.live:
            assert done > 0.9 * planned, (report.states, report.reason)
            assert sum(report.states.values()) == planned, (report.states, report.reason)
        else:
            assert report.states == {state: planned}, (report.states, report.reason)

    def by_hand(self, chunk: int) -> None:
        """Three kinds of UPDATE, `chunk` ids and one COMMIT each."""
        new = {"decode": DECODED[self.place.engine], "wrap": WRAPPED[self.place.engine], "nullify": "NULL"}
        with self._session() as cursor:
            for repair, ids in self.ids.items():
                for start in range(0, len(ids), chunk):
                    some = ", ".join(map(str, ids[start : start + chunk]))
                    cursor.execute(f"UPDATE events SET metadata = {new[repair]} WHERE id IN ({some})")
                    assert cursor.rowcount == len(ids[start : start + chunk])

    def one_update(self) -> None:
        """Find and mend in one statement and one transaction, by the condition."""
        with self._session() as cursor:
            cursor.execute(f"UPDATE events SET metadata = {self._new} WHERE {BROKEN[self.place.engine]}")
            assert cursor.rowcount == len(self.events.planted)

    def archiver(self, chunk: int) -> None:
        """As pt-archiver walks a table: the next `chunk` by key, copied aside, then written, one COMMIT each."""
        broken = BROKEN[self.place.engine]
        done, last = 0, 0
        with self._session() as cursor:
            while True:
                cursor.execute(f"SELECT id FROM events WHERE id > {last} AND ({broken}) ORDER BY id LIMIT {chunk}")
                ids = [row[0] for row in cursor.fetchall()]
                if not ids:
                    break
                these = f"id IN ({', '.join(map(str, ids))}) AND ({broken})"
                cursor.execute("BEGIN")
                cursor.execute(f"INSERT INTO archive SELECT id, metadata FROM events WHERE {these}")
                cursor.execute(f"UPDATE events SET metadata = {self._new} WHERE {these}")
                assert cursor.rowcount == len(ids)
                cursor.execute("COMMIT")
                last, done = ids[-1], done + len(ids)
        assert done == len(self.events.planted)

    @property
    def _new(self) -> str:
        text, engine = TEXT[self.place.engine], self.place.engine
        return (
            f"CASE WHEN {text} = 'null' THEN NULL WHEN {text} LIKE '\"{{%' THEN {DECODED[engine]} "
            f"ELSE {WRAPPED[engine]} END"
        )

    @contextmanager
    def _session(self) -> Iterator[Any]:
        with closing(self.place.connect(self.name)) as connection:
            if self.place.engine == "sqlite":
                connection.execute("PRAGMA synchronous = EXTRA")
            yield connection.cursor()

    def put_back(self) -> None:
        """The broken values as they were, and no leavings of the last contestant."""
        self.place.do(
            self.name,
            "UPDATE events SET metadata = (SELECT metadata FROM kept WHERE kept.id = events.id) "
            "WHERE id IN (SELECT id FROM kept)",
            "DELETE FROM archive",
        )
        self.tidy()

    def tidy(self) -> None:
        """Dead rows away, pages to the disk: each contestant finds the table alike."""
        if self.place.engine == "postgresql":
            self.place.do(self.name, "VACUUM events", "VACUUM archive", "CHECKPOINT")
