"""Changes inside JSON values: what each does to the columns, and at which place it is to be reported."""

from __future__ import annotations

import ast
from itertools import pairwise

from trueup.lint.flow.context import Context
from trueup.lint.flow.frame import Change
from trueup.lint.flow.state import Slot, State
from trueup.lint.flow.values import Data, Inst, Token, Values


class Changes:
    """Writes down the changes."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def changed(self, values: Values, node: ast.AST, state: State, how: str) -> None:
        """Each of `values` was changed in place; a column that holds one is no longer what was loaded."""
        tokens = sorted((value.token for value in values if isinstance(value, Data)), key=repr)
        nested = any(token[0] == "in" for token in tokens)
        told = "item" if how == "same" else how
        state.change(tokens, how, lambda slot: self._report(slot, node, told, state, nested=nested))

    def _report(self, slot: Slot, node: ast.AST, how: str, state: State, *, nested: bool) -> Token:
        """Write down a change in the innermost function that has the object: it, or the call that leads there."""
        frames = self.context.frames
        depth = self._depth_of(slot[0], state)
        frame = frames[depth]
        shown = node if depth == len(frames) - 1 else frames[depth + 1].call
        assert shown is not None
        chain = tuple(
            (outer.file.module.path, call.call.lineno, call.call.col_offset)  # type: ignore[union-attr]
            for outer, call in pairwise(frames[: depth + 1])
        )
        place: Token = (frame.file.module.path, shown.lineno, shown.col_offset, chain)  # type: ignore[attr-defined]
        helper = frames[depth + 1].node if shown is not node else None
        self.context.changes.setdefault(
            place[:3],
            Change(
                file=frame.file,
                node=shown,
                function=frame.node,
                column=self.context.held[slot],
                field=slot[1],
                source=self._source(slot, depth, state),
                how=how,
                nested=nested,
                helper=getattr(helper, "name", "") if helper is not None else "",
            ),
        )
        if slot not in self.context.guessed:
            self.context.certain.add(place[:3])
        return place

    def _source(self, slot: Slot, depth: int, state: State) -> str:
        """How the function at `depth` calls the object of a column; empty when it has no lasting name for it."""
        source = self.context.sources.get((slot, self.context.frames[depth].node), "")
        if source and "(" not in source:
            return source
        names = self._names(depth, state)
        found = [
            name for name, values in names.items() if any(isinstance(v, Inst) and v.token == slot[0] for v in values)
        ]
        return found[0] if found else ""

    def _depth_of(self, token: Token, state: State) -> int:
        """The innermost frame that has the object: the one which could have flagged it."""
        for depth in range(len(self.context.frames) - 1, -1, -1):
            if any(_reaches(one, token) for values in self._names(depth, state).values() for one in values):
                return depth
        return 0

    def _names(self, depth: int, state: State) -> dict[str, Values]:
        """The variables of the function at `depth`."""
        return state.names if depth == len(self.context.frames) - 1 else self.context.frames[depth].names


def _reaches(value: object, token: Token) -> bool:
    """Whether `token` is an object in `value`, or an attribute of it at any distance."""
    if not isinstance(value, Inst):
        return False
    while token != value.token:
        if not token or token[0] not in ("at", "elem"):
            return False
        token = token[1]  # type: ignore[assignment]
    return True
