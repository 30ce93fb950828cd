"""Previews an undo row by row, without locks and without writing.

Each operation is judged as the undo will judge it: on its row after the operations that are undone before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, and_, select, union_all

from trueup.journal.journal import UNDOABLE, Journal
from trueup.results import OpRecord, Progress
from trueup.write.target import Target
from trueup.write.undo_chunk import UndoChunk

PAGE = 1000
LISTED = 1000

#: The operations of a run on one row, by their groups.
Together = Mapping[int, int]
Verdicts = Mapping[int, tuple[str, str]]


def previewed(
    journal: Journal, connection: Connection, run: Mapping[str, Any], bound: Mapping[int, Target], progress: Progress
) -> dict[str, Any]:
    """Return what an undo of the run would do, as fields of its report."""
    run_id = run["run_id"]
    chunks = {number: UndoChunk(journal, target) for number, target in bound.items()}
    places: dict[Any, dict[int, Target]] = {}
    for number, target in bound.items():
        places.setdefault(target.table.place, {})[number] = target
    alone = {number for some in places.values() if len(some) == 1 for number in some}
    spans = journal.intervals(connection, run_id, *UNDOABLE)
    progress.task("looking", sum(last - first + 1 for first, last, _ in spans))
    states: Counter[str] = Counter()
    listed: list[OpRecord] = []

    def enter(verdicts: Verdicts, groups: Mapping[int, int]) -> None:
        for seq, (state, reason) in verdicts.items():
            states[state] += 1
            if reason and len(listed) < LISTED:
                number = groups[seq]
                pk = chunks[number].key_text(connection, run_id, seq)
                listed.append(OpRecord(seq, bound[number].table.name, pk, state, reason))
        connection.rollback()
        progress.advance(len(verdicts))

    for first, last, group in spans:
        for start in range(first, last + 1, PAGE) if group in alone else ():
            seqs = range(start, min(start + PAGE - 1, last) + 1)
            enter(chunks[group].preview(connection, run_id, seqs), dict.fromkeys(seqs, group))
    for some in places.values():
        if len(some) > 1:
            with journal.store.connect() as second:
                rows = by_row(journal, second, run_id, some)
                while page := list(islice(rows, PAGE)):
                    groups = {seq: number for row in page for number, seq in row.items()}
                    enter(foreseen(connection, run_id, chunks, page), groups)
    return {"states": dict(states), "listed": tuple(sorted(listed, key=lambda one: one.seq))}


def by_row(journal: Journal, connection: Connection, run_id: str, targets: Mapping[int, Target]) -> Iterator[Together]:
    """Stream the operations that can be undone, one row of the table at a time, for several groups of one table."""
    op = journal.op
    parts = []
    for number, target in targets.items():
        image = target.image.c
        source = op.outerjoin(target.image, and_(image.run_id == op.c.run_id, image.seq == op.c.seq))
        mine = and_(op.c.run_id == run_id, op.c.grp == number, op.c.state.in_(UNDOABLE))
        parts.append(select(image.key_digest, op.c.grp, op.c.seq).select_from(source).where(mine))
    every = union_all(*parts).subquery("trueup_every")
    statement = select(every.c.key_digest, every.c.grp, every.c.seq).order_by(every.c.key_digest)
    result = connection.execute(statement, execution_options={"stream_results": True})
    found = (one for batch in result.partitions(PAGE) for one in batch)
    for key, some in groupby(found, key=itemgetter(0)):
        if key is None:  # the journal has lost their images, so their rows are unknown
            yield from ({int(number): int(seq)} for _, number, seq in some)
        else:
            yield {int(number): int(seq) for _, number, seq in some}


def foreseen(
    connection: Connection, run_id: str, chunks: Mapping[int, UndoChunk], page: Sequence[Together]
) -> dict[int, tuple[str, str]]:
    """Return the verdicts on all operations of these rows, newest first.

    A row is judged again for as long as undoing another of its operations changes what the row holds.
    """
    verdicts: dict[int, tuple[str, str]] = {}
    back: list[tuple[int, ...]] = [() for _ in page]
    asked: dict[int, tuple[int, ...]] = {}
    numbers = sorted({number for row in page for number in row}, reverse=True)
    more = True
    while more:
        more = False
        for number in numbers:
            left = [at for at, row in enumerate(page) if number in row and number not in back[at]]
            left = [at for at in left if asked.get(page[at][number]) != back[at]]
            for given, some in groupby(sorted(left, key=back.__getitem__), key=back.__getitem__):
                rows = list(some)
                others = [(chunks[other].target, [page[at][other] for at in rows]) for other in given]
                seqs = {page[at][number]: at for at in rows}
                found = chunks[number].preview(connection, run_id, sorted(seqs), others)
                verdicts |= found
                asked |= dict.fromkeys(seqs, given)
                for at in (seqs[seq] for seq, (state, _) in found.items() if state == "undone"):
                    back[at] = (*given, number)
                    more = True
    return verdicts
