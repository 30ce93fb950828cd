"""What all parts of the analysis share: the functions that are being followed, and what was found in them so far."""

from __future__ import annotations

import ast

from trueup.lint.columns import Column, Columns
from trueup.lint.flow.frame import Change, Frame
from trueup.lint.flow.state import Slot
from trueup.lint.flow.values import Token
from trueup.lint.project import File, Project


class Context:
    """The shared state of one analysis."""

    def __init__(self, project: Project, columns: Columns) -> None:
        self.project = project
        self.columns = columns
        #: The function that is followed from its start, and those that it calls, innermost last.
        self.frames: list[Frame] = []
        #: Statements that may still be followed in the functions it calls.
        self.budget = 0
        #: How often something was done that columns, objects or sessions may show.
        self.effects = 0
        #: The function that an inner function or a lambda sees the variables of.
        self.within_frame: dict[ast.AST, Frame] = {}
        #: The columns that were read.
        self.held: dict[Slot, Column] = {}
        #: Columns whose object is known by its name only, which is not enough.
        self.guessed: set[Slot] = set()
        #: How a function (its tree) calls the object of a column.
        self.sources: dict[tuple[Slot, ast.AST], str] = {}
        #: What is reported, by its place.
        self.changes: dict[Token, Change] = {}
        #: Places where the object is known to be a row, not only by its name.
        self.certain: set[Token] = set()

    @property
    def file(self) -> File:
        """The file of the function that is followed."""
        return self.frames[-1].file

    def place(self, node: ast.AST, *more: object) -> Token:
        """A place in the code, with the calls that led there."""
        calls = tuple(
            (frame.file.module.path, getattr(frame.call, "lineno", 0), getattr(frame.call, "col_offset", 0))
            for frame in self.frames[1:]
        )
        return (self.file.module.path, getattr(node, "lineno", 0), getattr(node, "col_offset", 0), calls, *more)
