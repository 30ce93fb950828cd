"""Required values that are absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, case, literal, null, or_

from trueup.check import ALL, Facts, Repair, Row, RowCheck
from trueup.repairs import quarantine, sql_bool


@dataclass(frozen=True, kw_only=True)
class Missing(RowCheck):
    """A value that every row must have is NULL, or blank.

    **Why it is bad.** What the code takes for granted is not there: it fails, or treats the row as something it
    is not (an order without a customer, a user whose address is `''`).

    **How it happens.** The column was added later and never filled, an import left it out, a form sent an empty
    field, a clean-up set it to NULL.

    **Options.** `column` (or `columns`: each must be there). A column may be a path inside JSON
    (`settings.language`): a missing key and JSON null are missing values. `blank: true` counts text of nothing but
    white space as missing too. `fill` is the value for the repair of that name.

    **Repairs.** `fill` (lossy, only when asked for by name: it invents a value) with the value of the option, for one
    plain column.
    `quarantine` (destructive) moves the row out of the table.

    **Example.**

    ```sql
    CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);
    INSERT INTO users (id, email) VALUES (1, 'ann@example.org'), (2, NULL), (3, '  '), (4, 'bob@example.org');
    ```

    ```yaml
    checks:
      - kind: missing
        table: users
        column: email
        blank: true
    ```

    Finds 2.
    """

    kind: ClassVar[str] = "missing"
    message_covers: ClassVar[tuple[str, ...]] = ALL

    column: str = ""
    columns: tuple[str, ...] = ()
    blank: bool = False
    fill: str | None = None

    def __post_init__(self) -> None:
        if self.column and self.columns not in ((), (self.column,)):
            raise ValueError(f"{self.kind} takes 'column' or 'columns', not both")
        object.__setattr__(self, "columns", self.columns or ((self.column,) if self.column else ()))
        if not self.columns:
            raise ValueError(f"{self.kind} needs 'column'")
        if self.fill is not None and len(self.columns) > 1:
            raise ValueError(f"{self.kind} can fill one column, not {len(self.columns)}")

    def holds(self, row: Row) -> ColumnElement[bool]:
        """At least one of the columns holds nothing."""
        return or_(*(test for name in self.columns for test in self._tests(row, name).values()))

    def evidence(self, row: Row) -> Facts:
        """For each column `NULL`, `blank`, or nothing when its value is there."""
        states = {
            f"state_{number}": case(
                *((test, literal(word)) for word, test in self._tests(row, name).items()), else_=literal("")
            )
            for number, name in enumerate(self.columns)
        }
        return Facts(plain=states)

    def message(self, evidence: Mapping[str, Any]) -> str:
        """`users.email is NULL`; of several columns those that are missing, with a comma between them."""
        states = [str(evidence.get(f"state_{number}") or "") for number in range(len(self.columns))]
        clauses = [f"{self.table}.{name} is {state}" for name, state in zip(self.columns, states, strict=True) if state]
        return ", ".join(clauses) or f"{self.table}.{self.columns[0]} is missing"

    def repairs(self) -> Sequence[Repair]:
        """`fill` where the option says with what, `quarantine`."""
        fill = Repair(name="fill", effect="lossy", fits=self._fillable, sets=self._filled, made_up=True)
        return [*([] if self.fill is None else [fill]), quarantine()]

    def breaking_values(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        """NULL; nothing but a blank where the column takes no NULL."""
        name, path = row.place(self.columns[0])
        column = row.column(name)
        if path:
            return {name: row.dialect.json_set_null(row[name], column, path)}
        if column.nullable:
            return {name: null()}
        return {name: literal(" ")} if self.blank else {}

    def _tests(self, row: Row, name: str) -> Mapping[str, ColumnElement[bool]]:
        """What can be wrong with a value, each never NULL."""
        column, path = row.place(name)
        value = row.json(name).text() if path else row[name]
        tests: dict[str, ColumnElement[bool]] = {"NULL": value.is_(None)}
        if self.blank and (path or row.column(column).family == "text"):
            tests["blank"] = row.dialect.is_blank(value)
        return tests

    def _fillable(self, row: Row) -> ColumnElement[bool]:
        return sql_bool(not row.place(self.columns[0])[1])

    def _filled(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        name, path = row.place(self.columns[0])
        return {name: row[name] if path else row.dialect.cast(literal(self.fill), row.column(name))}
