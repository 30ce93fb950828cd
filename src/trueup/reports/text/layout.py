"""The few shapes that all text reports are made of; no frames, so that what is shown can be copied and searched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trueup.reports._words import safe

#: A cell: what to show, and its style.
Cell = tuple[str, str]

BAD, GOOD, WARN, DIM, STRONG = "bold red", "green", "yellow", "dim", "bold"
SEVERITY = {"high": BAD, "medium": WARN, "low": DIM}


def line(*parts: str | Cell) -> Text:
    """One line of text made of plain and styled parts; every part is escaped."""
    text = Text()
    for part in parts:
        shown, style = part if isinstance(part, tuple) else (part, "")
        text.append(safe(shown), style)
    return text


def indented(*parts: RenderableType, by: int = 2) -> Padding:
    """Parts under each other, moved in."""
    return Padding(Group(*parts), (0, 0, 0, by))


def table(rows: Iterable[Sequence[str | Cell]], *, head: Sequence[str] = (), right: Sequence[int] = ()) -> Table:
    """Columns two blanks apart; the columns numbered in `right` are aligned to the right."""
    shape = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=bool(head), header_style=DIM)
    filled = [list(row) for row in rows]
    width = max((len(row) for row in filled), default=len(head))
    for index in range(width):
        label = line(head[index] if index < len(head) else "")
        shape.add_column(label, justify="right" if index in right else "left", overflow="fold")
    for row in filled:
        shape.add_row(*(line(cell) for cell in row))
    return shape


def blank() -> Text:
    """An empty line."""
    return Text()


def steps(commands: Iterable[tuple[str, str]]) -> Group:
    """What to do next: each command whole on one line, to be copied, and behind it what it does."""
    lines = [line((command, STRONG), "  ", (f"# {why}", DIM)) for command, why in commands]
    for one in lines:
        one.no_wrap, one.overflow = True, "ignore"
    return Group(*lines)
