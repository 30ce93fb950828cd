"""Finds what changed about a table since a plan or a run recorded it, and whether the change forbids writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from trueup.changes import Action
from trueup.codec import canonical, digest
from trueup.sql.tables import Table

#: Descriptions of aspects of `Table.facts`; the others are described by their own name.
WORDS = {
    "uniques": "unique keys",
    "references": "foreign keys",
    "referenced_by": "foreign keys of other tables",
    "indexes": "indexes",
    "checks": "checks",
    "triggers": "guards",
    "create": "definition",
}
#: The aspect that depends on other tables: the foreign keys that refer to this one.
_INWARD = "referenced_by"
#: Aspects that repeat others.
_TOLD = ("declared", "guards")
#: The labels of the types of a table's columns: a difference here is never harmless.
ENUMS = "enums"
#: For each of those types, by its oid: the labels with their numbers, which stay when a label is renamed.
LABELS = "labels"
#: For each composite type: the columns that use it, and its attributes by their numbers.
COMPOSITES = "composites"
#: The table's place among the others, where its engine has no lasting number for a table.
STANDING = "standing"
#: Aspects that identify the table itself (a copy has other numbers), or say only that something was altered.
_OWN = ("place", "identity", STANDING, "altered", LABELS, COMPOSITES)
#: Aspects whose differences are harmless, even between plan and apply.
_LOOSE = ("indexes",)


def schema_digest(table: Table) -> str:
    """Return a digest of all facts of a table that a repair depends on and that a copy of the table shares."""
    facts = dict(table.facts or {})
    columns = [list(entry[:-1]) for entry in facts.pop("columns", ())]
    return digest(
        canonical({**{name: facts[name] for name in facts if name not in (*_OWN, *_LOOSE)}, "columns": columns})
    )


def identity_digest(table: Table) -> str:
    """Return a digest of what distinguishes a table, and each column, from another one of the same name and shape."""
    facts = table.facts or {}
    return digest(canonical([facts.get("place"), facts.get("identity"), [e[-1] for e in facts.get("columns", ())]]))


def recorded(table: Table, standing: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the description of a table that the run's header stores, so that undo can recognise the table."""
    return {**(table.facts or {}), "key": list(table.key), STANDING: dict(standing or {})}


def recognised(table: Table, standing: Mapping[str, Any], *, still: bool) -> Table:
    """Return the table with the identity from its `standing`, or an empty one unless it is `still` that table."""
    return replace(table, facts={**(table.facts or {}), "identity": standing["identity"] if still else ""})


def as_recorded(kept: Mapping[str, Any], table: Table) -> Table:
    """Return the table with the key that a run recorded, and with those recorded columns that still exist."""
    columns = {name: table.columns[name] for name in _columns(kept) if name in table.columns}
    return replace(table, columns=columns, key=tuple(kept["key"]))


def forbids(table: Table, action: Action | Literal["insert"], touched: Sequence[str]) -> str:
    """Return why the table must not be written by `action`, as this account sees it now, or ''.

    `touched` are the columns that an update sets.
    """
    if table.obstacles:
        return f"{table.name} cannot be repaired: {'; '.join(table.obstacles)}"
    changed = set(touched) if action == "update" else set()
    for column in table.columns.values():
        if column.naming and (action == "delete" or column.name in changed):
            return (
                f"{table.name}.{column.name} names objects of the catalogue within its values, and nothing would tell "
                "them from others that take their names"
            )
    if bent := [why for why, columns in table.bent.items() if action != "update" or changed & columns]:
        return f"{table.name} cannot be repaired: {'; '.join(bent)}"
    if changed:  # the engine recomputes generated columns, and a foreign key may refer to them
        changed |= {column.name for column in table.columns.values() if column.generated}
    for reference in table.referenced_by:
        if action == "delete" and not reference.equality:
            return f"{reference.table} refers to rows of {table.name} by a rule that is not equality ({reference.name})"
        if changed & set(reference.parent_columns):
            return f"{reference.table} refers to what would be changed in {table.name}"
    # only indexed columns can be referred to
    keyed = {name for columns in (table.key, *table.uniques, *table.indexes) for name in columns}
    if table.unseen and (action == "delete" or changed & keyed):
        return f"{table.name} cannot be repaired: {'; '.join(table.unseen)}"
    return ""


def recorded_names(kept: Mapping[str, Any]) -> list[str]:
    """Return the names of the recorded columns that are not generated."""
    return [name for name, entry in _columns(kept).items() if not entry[2]]


def refuses_undo(
    kept: Mapping[str, Any], table: Table, action: Action, touched: Sequence[str], *, same: bool = False
) -> str:
    """Return why the rows that a run wrote must not be restored to the table as it is now, or ''.

    With `same` a person confirms that a table that was rebuilt is still the same one.
    """
    facts = table.facts or {}
    if kept.get("place") != facts.get("place"):
        return f"{table.name} is another table now: the run wrote {_spelled(kept.get('place'))}"
    if kept.get("identity") != facts.get("identity") and not same:
        return (
            f"{table.name} was rebuilt or replaced since the run, and nothing tells which; if it is still the same "
            f"table, say so with --same-table {table.name}"
        )
    # where columns have no identity, an alteration that nothing else shows may have made one anew; what other tables
    # came to refer to it is none of its own
    hidden = not facts.get("identity") or not harmless({**kept, _INWARD: facts.get(_INWARD)}, table)
    if kept.get("altered") != facts.get("altered") and hidden and not same:
        return (
            f"{table.name} was altered since the run, and nothing tells what became of its columns; if they are still "
            f"the same, say so with --same-table {table.name}"
        )
    key = tuple(kept["key"])
    wanted = list(_columns(kept)) if action == "delete" else [*key, *touched]
    # a table made anew, by a restored dump, numbers its columns anew, and has them in the same order
    anew = same and kept.get("identity") != facts.get("identity")
    if why := _lost(kept, table, wanted, same, anew):
        return why
    if key != table.key and key not in table.uniques:
        return f"{', '.join(key)} no longer tells the rows of {table.name} from one another"
    labels = {str(name): set(some) for name, some in facts.get(ENUMS, ())}
    for name, some in kept.get(ENUMS, ()):
        if lost := set(some) - labels.get(str(name), set()):
            return f"type {name} of {table.name} has lost {len(lost)} of its labels since the run, or they were renamed"
    if why := _exchanged(kept, table, wanted, anew):
        return why
    return forbids(table, "insert" if action == "delete" else action, touched)


def _lost(kept: Mapping[str, Any], table: Table, wanted: Sequence[str], same: bool, anew: bool) -> str:
    """Return which of the `wanted` columns was dropped or replaced since the run, or ''."""
    then, now = _columns(kept), _columns(table.facts or {})
    found = [name for name in now if name in then and name in wanted]
    if same and found != [name for name in then if name in found]:
        return f"{table.name} has its columns in another order than when the run wrote it"
    for name in wanted:
        if name not in now:
            return f"{table.name}.{name} is gone since the run"
        if name in then and _sort(then[name], kept, anew) != _sort(now[name], kept, anew):
            return f"{table.name}.{name} is another column now, or of another type, than when the run wrote it"
        # a remaining column never moves to a later place
        if kept.get(STANDING) and not anew and name in then and list(now).index(name) > list(then).index(name):
            return f"{table.name}.{name} is another column now than when the run wrote it"
    if kept.get(STANDING) and not same and _mixed(kept, table.facts or {}):
        return (
            f"columns of {table.name} were made or named anew since the run, and nothing tells which are still the "
            f"same; if those that it wrote are, say so with --same-table {table.name}"
        )
    return ""


def _mixed(kept: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether a column was replaced by another of the same name, where columns are known only by their order.

    A new column comes last; the remaining ones keep their order, their type, default, NULL and generated flags.
    """
    then, now = list(_columns(kept)), list(_columns(facts))
    left = [name for name in now if name in then]
    if left != [name for name in then if name in now] or any(now.index(one) > then.index(one) for one in left):
        return True
    return any(_words(kept, name) != _words(facts, name) for name in left)


def _words(facts: Mapping[str, Any], name: str) -> list[Any]:
    # its type and its default; whether it takes NULL and is generated
    declared = [list(entry) for entry in facts.get("declared", ()) if entry[0] == name]
    return [*declared, *_columns(facts)[name][1:3]]


def _exchanged(kept: Mapping[str, Any], table: Table, wanted: Sequence[str], anew: bool) -> str:
    """Return why a stored value would mean something else since the run, or ''.

    That happens where labels of an enum, or attributes of a composite type, were renamed or exchanged.
    """
    facts = table.facts or {}
    numbered = {str(number): dict(labels) for number, labels in facts.get(LABELS, ())}
    for number, labels in kept.get(LABELS, ()):
        now = numbered.get(str(number), {})
        if any(now.get(one, label) != label for one, label in labels):
            return f"a type of {table.name} has labels that were renamed since the run"
    attributes = {str(name): _attributes(some, anew) for name, _, some in facts.get(COMPOSITES, ())}
    for name, columns, some in kept.get(COMPOSITES, ()):
        if set(columns) & set(wanted) and attributes.get(str(name)) != _attributes(some, anew):
            return f"type {name} of {table.name} has other attributes since the run"
    return ""


def _attributes(listed: Sequence[str], anew: bool) -> list[str]:
    # number, name, type, in the order of the numbers
    return [one.partition(" ")[2] if anew else one for one in listed]


def harmless(kept: Mapping[str, Any], table: Table) -> tuple[str, ...]:
    """Return sentences on what else changed since a run, which undo need not refuse.

    Either the engine enforces the change, or the change does not affect the rows.
    """
    facts = table.facts or {}
    then, now = _columns(kept), _columns(facts)
    found = [f"column {name} was added" for name in now if name not in then]
    found += [f"column {name} was dropped" for name in then if name not in now]
    both = [name for name in then if name in now]
    if kept.get(STANDING):  # here the last entry of a column is its place
        found += [f"column {name} was changed" for name in both if _words(kept, name) != _words(facts, name)]
    else:
        found += [f"column {name} was changed" for name in both if then[name] != now[name]]
    skip = {"columns", "key", ENUMS, *_OWN, *_TOLD}
    found += [
        f"its {WORDS.get(aspect, aspect.replace('_', ' '))} changed"
        for aspect in sorted(set(kept) | set(facts))
        if aspect not in skip and kept.get(aspect) != facts.get(aspect)
    ]
    return tuple(found)


def _columns(facts: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the columns by name: type, whether NULL is allowed, whether generated, and the rest of `facts_of`."""
    return {str(entry[0]): list(entry[1:]) for entry in facts.get("columns", ())}


def _sort(entry: Sequence[Any], kept: Mapping[str, Any], anew: bool) -> tuple[Any, ...]:
    # type, generated, identity: what says that it is this column, and what it can hold
    identity = "" if anew else str(entry[-1])
    # the place, and the type behind it
    return entry[0], entry[2], identity.partition(" ")[2] if kept.get(STANDING) else identity


def _spelled(place: Any) -> str:
    return ".".join(str(part) for part in place if part) if place else "one that is not known"
