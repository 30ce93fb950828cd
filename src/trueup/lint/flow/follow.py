"""Statements: where paths part and meet, and what a function does to the columns it is given."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from trueup.lint.columns import Columns
from trueup.lint.flow.context import Context
from trueup.lint.flow.evaluate import Evaluator, entered
from trueup.lint.flow.frame import Body, Frame
from trueup.lint.flow.state import LOST, OPEN, State, either
from trueup.lint.flow.values import NOTHING, Data, Inst, Local, Tup, Values, join, only
from trueup.lint.project import Class, File, Project
from trueup.lint.source import Function

#: Statements of other functions that are followed from one.
_BUDGET = 1500


class Follower:
    """Follows one function at a time, and the functions of the project it calls, as far as they matter."""

    def __init__(self, project: Project, columns: Columns) -> None:
        self.context = Context(project, columns)
        evaluator = Evaluator(self.context, self.inlined)
        self.evaluate = evaluator.evaluate
        self.assign = evaluator.assign
        self.changes = evaluator.changes
        self.objects = evaluator.objects
        self.names = evaluator.calls.names

    def root(self, file: File, node: ast.AST, owner: Class | None, body: Sequence[ast.stmt]) -> State:
        """Follow a function from its start, its parameters as annotated; returns the state where it ends."""
        self.context.budget = _BUDGET
        self.context.frames = [Frame(file=file, node=node, owner=owner)]
        state = State()
        if isinstance(node, Function):
            self.names.parameters(file, node, owner, state)
        frame = self.context.frames[0]
        self._block(body, state)
        return self._ended(frame, state)

    @staticmethod
    def _ended(frame: Frame, state: State) -> State:
        """What is known where a function ends, however it ends; by an exception only when there is no other way."""
        if not state.dead:
            frame.exits.append(state)
        ends = frame.exits or frame.raised
        if not ends:
            return state
        final = ends[0].copy()
        final.dead = False
        for other in ends[1:]:
            final.meet(other)
        for other in frame.raised:
            # what was committed before the exception is lost all the same
            for change, fate in other.fates.items():
                if fate == LOST:
                    final.fates[change] = either(final.fates.get(change, fate), fate)
        return final

    def _block(self, body: Sequence[ast.stmt], state: State) -> None:
        """Follow statements until one leaves."""
        for statement in body:
            if state.dead:
                return
            self.context.budget -= 1
            if self.context.budget < 0 and len(self.context.frames) > 1:
                return  # the function itself is followed to its end, whatever became of those it calls
            self._statement(statement, state)

    def _statement(self, node: ast.stmt, state: State) -> None:
        """Follow one statement."""
        match node:
            case ast.Expr(value=value) | ast.Assert(test=value):
                self.evaluate(value, state)
            case ast.If(test=test, body=body, orelse=orelse):
                self.evaluate(test, state)
                other = state.copy()
                if isinstance(test, ast.Attribute | ast.Name):
                    self._absent(test, other)
                else:
                    self._absent(_without(test), state)
                self._block(body, state)
                self._block(orelse, other)
                state.meet(other)
            case ast.For() | ast.AsyncFor() | ast.While():
                self._loop(node, state)
            case ast.With() | ast.AsyncWith():
                self._with(node, state)
            case ast.Try() | ast.TryStar():
                self._try(node, state)
            case ast.Match(subject=subject, cases=cases):
                self._match(subject, cases, state)
            case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
                self._leave(node, state)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.context.within_frame[node] = self.context.frames[-1]
                state.names[node.name] = only(Local(self.context.file, node))
            case _:
                self._assignment(node, state)

    def _assignment(self, node: ast.stmt, state: State) -> None:
        """Follow a statement that sets or deletes something."""
        match node:
            case ast.Assign(targets=targets, value=value):
                given = self.evaluate(value, state)
                for target in targets:
                    self.assign(target, given, state, value)
            case ast.AnnAssign(target=target, value=value, annotation=note) if value is not None:
                given = self.evaluate(value, state)
                noted = self.names.annotated(self.context.file, note, self.context.place(node, "note"))
                if any(isinstance(one, Inst) and one.cls for one in noted) and not any(
                    isinstance(one, Inst) and one.cls for one in given
                ):
                    given = noted
                self.assign(target, given, state, value)
            case ast.AugAssign():
                self._augmented(node, state)
            case ast.Delete(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Subscript):
                        self.changes.changed(self.evaluate(target.value, state), target, state, "del")
            case _:
                pass

    def _leave(self, node: ast.Return | ast.Raise | ast.Break | ast.Continue, state: State) -> None:
        """The path ends here, and goes on where the function, or the loop, is left."""
        frame = self.context.frames[-1]
        match node:
            case ast.Return(value=value):
                if value is not None:
                    frame.values = join(frame.values, self.evaluate(value, state))
                frame.exits.append(state.copy())
            case ast.Raise():
                frame.raised.append(state.copy())
            case _:
                waiting = frame.breaks if isinstance(node, ast.Break) else frame.nexts
                if waiting:
                    waiting[-1].append(state.copy())
        state.dead = True

    def _absent(self, node: ast.expr | None, state: State) -> None:
        """On this path there is no value in a column: what was changed in one before is told by the other path."""
        if node is None:
            return
        tokens = {value.token for value in self.evaluate(node, state) if isinstance(value, Data)}
        slots = {slot for slot, pairs in state.slots.items() if any(now in tokens for _, now in pairs)}
        if slots:
            state.fates = {
                change: fate for change, fate in state.fates.items() if change[1] not in slots or fate != OPEN
            }

    def _augmented(self, node: ast.AugAssign, state: State) -> None:
        """`x += y`: in place for lists, dicts and sets, and then an assignment of the same object."""
        right = self.evaluate(node.value, state)
        target = node.target
        if isinstance(target, ast.Subscript):
            self.changes.changed(self.evaluate(target.value, state), target, state, "item")
            # `d["tags"] += [x]` has said all there is to say
            return
        in_place = isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub) or (
            isinstance(node.op, ast.Add) and _is_list(node.value, right)
        )
        held = self.evaluate(target, state)
        if not any(isinstance(value, Data) for value in held):
            return
        if in_place:
            self.changes.changed(held, node, state, "|=" if isinstance(node.op, ast.BitOr) else "+=")
        elif isinstance(node.value, ast.Constant):
            self.assign(target, NOTHING, state, node.value)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, state: State) -> None:
        """Twice through the body: what the first time leaves behind meets the second."""
        frame = self.context.frames[-1]
        source = self.evaluate(node.iter, state) if not isinstance(node, ast.While) else NOTHING
        frame.breaks.append([])
        for _ in range(2):
            before = state.copy()
            frame.nexts.append([])
            if isinstance(node, ast.While):
                self.evaluate(node.test, state)
            else:
                element = self.objects.elements(source, node.iter, state)
                self._fresh(element, state)
                self.assign(node.target, element, state, node.iter)
            self._block(node.body, state)
            for other in frame.nexts.pop():
                state.meet(other)
            # a loop is taken to run: what it did to copies and new lists is done
            diverged, rebuilt = state.diverged, {**state.rebuilt}
            state.meet(before)
            state.diverged |= diverged
            state.rebuilt |= {token: base for token, base in rebuilt.items() if token not in before.rebuilt}
        self._block(node.orelse, state)
        for other in frame.breaks.pop():
            state.meet(other)

    def _fresh(self, element: Values, state: State) -> None:
        """Each turn of a loop has another object: what is known of the last one's columns does not hold."""
        for value in element:
            for inner in value.items if isinstance(value, Tup) else (only(value),):
                tokens = {one.token for one in inner if isinstance(one, Inst)}
                state.slots = {slot: pairs for slot, pairs in state.slots.items() if slot[0] not in tokens}
                state.attributes = {key: kept for key, kept in state.attributes.items() if key[0] not in tokens}

    def _with(self, node: ast.With | ast.AsyncWith, state: State) -> None:
        """A block with a context: a transaction commits at its end, the objects of a session are detached."""
        commits, sessions = False, []
        for item in node.items:
            value = self.evaluate(item.context_expr, state)
            text = ast.unparse(item.context_expr)
            commits |= ".begin(" in text or text.endswith("begin()")
            if item.optional_vars is not None:
                self.assign(item.optional_vars, entered(value), state, item.context_expr)
                if isinstance(item.optional_vars, ast.Name) and "ession" in text:
                    sessions.append(item.optional_vars.id)
        self._block(node.body, state)
        if commits and not state.dead:
            state.flush(commit=False)
        for token, name in state.sessions.items():
            if name in sessions:
                state.sessions[token] = "closed"

    def _try(self, node: ast.Try | ast.TryStar, state: State) -> None:
        """A handler may start after any statement of the body."""
        frame = self.context.frames[-1]
        before, left, raised = state.copy(), len(frame.exits), len(frame.raised)
        for statement in node.body:
            if state.dead:
                break
            self._block([statement], state)
            # after the last one nothing can fail any more, but it may have failed in the middle
            before.meet(state)
        ends = []
        for handler in node.handlers:
            start = before.copy()
            self._block(handler.body, start)
            ends.append(start)
        self._block(node.orelse, state)
        for end in ends:
            state.meet(end)
        if node.finalbody:
            was_dead, state.dead = state.dead, False
            self._block(node.finalbody, state)
            state.dead = state.dead or was_dead
            # a return, or an exception, inside the `try` runs the `finally` on its way out
            for end in (*frame.exits[left:], *frame.raised[raised:]):
                self._block(node.finalbody, end)

    def _match(self, subject: ast.expr, cases: list[ast.match_case], state: State) -> None:
        """Each case is a path; none may fit."""
        held = self.evaluate(subject, state)
        start = state.copy()
        for case in cases:
            path = start.copy()
            for pattern in ast.walk(case.pattern):
                if isinstance(pattern, ast.MatchAs) and pattern.name:
                    path.names[pattern.name] = held if pattern is case.pattern else NOTHING
            self._block(case.body, path)
            state.meet(path)

    def inlined(
        self,
        file: File,
        node: Body,
        owner: Class | None,
        names: dict[str, Values],
        call: ast.AST,
        state: State,
    ) -> Values:
        """Follow a function with these arguments from where it is called; returns what it returns."""
        frame = Frame(file=file, node=node, owner=owner, call=call)
        mine = state.names
        self.context.frames[-1].names = mine
        self.context.frames.append(frame)
        state.names = names
        frame.names = names
        if isinstance(node, ast.Lambda):
            frame.values = self.evaluate(node.body, state)
        else:
            self._block(node.body, state)
            # an exception leaves the caller too, unless it is caught there; then nothing is known of it
            final = self._ended(frame, state)
            state.take(final)
        self.context.frames.pop()
        state.names = mine
        return only(Tup((frame.values,))) if frame.yields else frame.values


def _without(test: ast.expr) -> ast.expr | None:
    """The attribute or variable that has no value where the test is true: `not x.d`, `x.d is None`."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call(func=ast.Name(id="isinstance"), args=[node, _])):
            return node
        case ast.UnaryOp(op=ast.Not(), operand=ast.Attribute() | ast.Name() as node):
            return node
        case ast.Compare(left=node, ops=[ast.Is()], comparators=[ast.Constant(value=None)]):
            return node
    return None


def _is_list(node: ast.expr, values: Values) -> bool:
    if isinstance(node, ast.List | ast.ListComp):
        return True
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("list", "sorted")
    ) or any(isinstance(value, Data) for value in values)
