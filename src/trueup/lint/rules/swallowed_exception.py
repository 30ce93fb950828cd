"""Broad exception handlers that hide what went wrong."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import ClassVar

from trueup.findings import Finding
from trueup.lint.project import File
from trueup.lint.rule import Index, Rule
from trueup.lint.source import Function, dotted, keyword, last

_BROAD = {"Exception", "BaseException"}
_LOG = {"debug", "info", "warning", "warn", "error", "critical", "log", "print", "echo", "secho"}
_EMPTY_CALLS = {"dict", "list", "set", "tuple", "str", "int", "float", "frozenset", "defaultdict", "OrderedDict"}
#: Where nothing can be told to anybody any more.
_LAST_BREATH = {"__del__", "__repr__", "__str__"}

#: Methods that let go of something that may be gone already.
_LETS_GO = {"close", "aclose", "rollback", "terminate", "kill", "disconnect", "shutdown", "cancel", "wait_closed"}


class SwallowedException(Rule):
    """A handler for every exception that turns the failure into an empty value, or into a line without its traceback.

    `except Exception` catches the typing mistake, the missing key and the database that is down alike. When the
    handler then returns an empty list, all of them look like "there is nothing": the job succeeds, the numbers are
    wrong, and what would have said why is gone.

    **Bad**

    ```python
    def recommendations(user):
        try:
            return rank(load_features(user))
        except Exception:
            return []
    ```

    **Bad**

    ```python
    import logging

    logger = logging.getLogger(__name__)

    def index_document(document):
        try:
            send(document)
        except Exception as error:
            logger.error("indexing failed: %s", error)
    ```

    **Good**: catch what you expect, and log the rest with its traceback or let it pass.

    ```python
    import logging

    logger = logging.getLogger(__name__)

    def recommendations(user):
        try:
            return rank(load_features(user))
        except FeaturesMissing:
            return []

    def index_document(document):
        try:
            send(document)
        except Exception:
            logger.exception("indexing failed: %s", document.id)
            raise
    ```

    **What it leaves alone.** A handler that raises, answers with an error, or hands the exception on; one that names
    what it expects; an import that may fail; closing what may be closed already; `__del__` and its like.
    """

    name: ClassVar[str] = "swallowed-exception"
    needles: ClassVar[tuple[bytes, ...]] = (b"except:", b"except Exception", b"except BaseException", b"except (")

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Handlers that are broad, and silent or nearly so."""
        tries: list[ast.Try | ast.TryStar] = [*file.module.of(ast.Try), *file.module.of(ast.TryStar)]
        for node in tries:
            for handler in node.handlers:
                if _broad(handler) and not _imports(node) and not _closes(node, handler):
                    message = _verdict(handler)
                    if message and not _last_breath(handler, file):
                        hint = "catch what is expected here, or log with logger.exception() and let it pass"
                        yield self.finding(file, handler, message, hint)


def _last_breath(node: ast.AST, file: File) -> bool:
    around: ast.AST | None = node
    while around is not None and not isinstance(around, Function):
        around = file.module.parents.get(around)
    return around is not None and around.name in _LAST_BREATH


def _broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or dotted(kind).rpartition(".")[2] in _BROAD for kind in kinds)


def _imports(node: ast.Try | ast.TryStar) -> bool:
    """An import that may fail in any way, and does not have to be there."""
    return all(isinstance(item, ast.Import | ast.ImportFrom) for item in node.body)


def _closes(node: ast.Try | ast.TryStar, handler: ast.ExceptHandler) -> bool:
    """One call that lets go of something, and nothing after it: there is nobody left to whom a failure matters."""
    if len(node.body) != 1 or not isinstance(node.body[0], ast.Expr) or not isinstance(handler.body[-1], ast.Pass):
        return False
    call = node.body[0].value
    call = call.value if isinstance(call, ast.Await) else call
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and last(call) in _LETS_GO


def _verdict(handler: ast.ExceptHandler) -> str:
    """What the handler does to the failure; empty when the failure is told to somebody."""
    logged = False
    empties = ""
    for statement in handler.body:
        match statement:
            case ast.Pass() | ast.Continue() | ast.Break() | ast.Expr(value=ast.Constant()):
                continue
            case ast.Expr(value=ast.Call() as call) if last(call) in _LOG:
                if _has_traceback(call):
                    return ""
                logged = True
            case ast.Return(value=value) if value is None or _empty(value):
                empties = f"return {ast.unparse(value)}" if value is not None else "return"
            case ast.Assign(value=value) if _empty(value):
                empties = ast.unparse(statement)
            case _:
                return ""
    if empties and not logged:
        return f"every failure becomes {empties!r}: a bug, a bad row and a dead server look like nothing"
    if logged:
        return "every failure becomes a line without its traceback, and the program goes on"
    return "every failure is dropped without a trace"


def _has_traceback(call: ast.Call) -> bool:
    for name in ("exc_info", "stack_info"):
        value = keyword(call, name)
        if value is not None and not (isinstance(value, ast.Constant) and not value.value):
            return True
    return any(
        last(inner) in ("format_exc", "exc_info", "format_exception", "print_exc")
        for inner in ast.walk(call)
        if isinstance(inner, ast.Call)
    )


def _empty(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return value is None or value is False or value in ("", 0)
        case ast.Dict(keys=items) | ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            # `None, None` is as empty as nothing
            return all(isinstance(item, ast.expr) and _empty(item) for item in items)
        case ast.Call(func=ast.Name(id=name), args=[]):
            return name in _EMPTY_CALLS
        case ast.Call(func=ast.Attribute(attr="none")):
            return True
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)):
            return True
    return False
