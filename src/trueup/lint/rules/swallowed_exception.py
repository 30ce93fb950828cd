"""Broad exception handlers that hide what went wrong."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import ClassVar

from trueup.findings import Finding
from trueup.lint.index import Index
from trueup.lint.project import File
from trueup.lint.rule import Rule, is_test
from trueup.lint.source import Function, dotted, keyword, last

_BROAD = {"Exception", "BaseException"}
_LOG = {"debug", "info", "warning", "warn", "error", "critical", "log", "trace"}
_PRINTS = {"print", "echo", "secho", "pprint"}
#: What the methods of `_LOG` are called on: the `error` of `messages` or of a parser tells the user, or ends the run.
_LOGGER = re.compile(r"(^|_)log(_|\d|$)|logger|logging|logbook|^warnings$", re.IGNORECASE)
#: Names that keep it that something failed.
_STATUS = re.compile(
    r"(^|_)(ok|okay|success|successful|succeeded|healthy|valid|alive|available|connected|reachable|up|works|working)$|"
    r"^(is|has|can)_"
)
_EMPTY_CALLS = {"dict", "list", "set", "tuple", "str", "int", "float", "frozenset", "defaultdict", "OrderedDict"}
_ANSWERS = {"jsonify", "JsonResponse", "Response", "JSONResponse", "HttpResponse"}
#: Where nothing can be told to anybody any more.
_LAST_BREATH = {"__del__", "__repr__", "__str__"}
#: Functions that ask whether something works: that it does not is the answer.
_ASKS = re.compile(
    r"^_?_?(is|has|can|could|supports?|sniff|probe|ping|looks_like|exists)(_|$)|"
    r"(^|_)(health|healthy|alive|available|reachable|connected|ping|sniff|healthcheck|exists)$|health_?check|^_?test_conn"
)
#: Methods that let go of something that may be gone already.
_LETS_GO = {
    *("close", "aclose", "rollback", "terminate", "kill", "disconnect", "shutdown", "cancel", "wait_closed", "quit"),
    *("unlink", "remove", "rmtree", "unsubscribe", "logout", "cleanup"),
}


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
    what it expects; an import that may fail; closing or deleting what may be gone already; `__del__` and its like;
    `return False` where that is the answer (`is_reachable()`, `has_table()`, a health check). A handler that does
    something else besides, such as counting the failure, is taken at its word; so are tests.
    """

    name: ClassVar[str] = "swallowed-exception"
    needles: ClassVar[tuple[bytes, ...]] = (
        *(b"except:", b"except Exception", b"except BaseException", b"except (", b"suppress("),
    )

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Handlers that are broad, and silent or nearly so."""
        if is_test(file):
            return
        hint = "catch what is expected here, or log with logger.exception() and let it pass"
        tries: list[ast.Try | ast.TryStar] = [*file.module.of(ast.Try), *file.module.of(ast.TryStar)]
        for node in tries:
            for handler in node.handlers:
                if (
                    _broad(handler.type)
                    and not _awaits_end(handler.type)
                    and not _imports(node)
                    and not _closes(node.body, handler.body)
                ):
                    function = _function(handler, file)
                    message = _verdict(handler, function)
                    if message and not (function is not None and function.name in _LAST_BREATH):
                        yield self.finding(file, handler, message, hint)
        blocks: list[ast.With | ast.AsyncWith] = [*file.module.of(ast.With), *file.module.of(ast.AsyncWith)]
        for block in blocks:
            for item in block.items:
                call = item.context_expr
                if not isinstance(call, ast.Call) or not any(_broad(arg) for arg in call.args):
                    continue
                if any(last(arg) == "CancelledError" for arg in call.args) or _succeeds(block.body[-1]):
                    continue
                if file.module.origin(call.func) == "contextlib.suppress" and not _closes(block.body, [ast.Pass()]):
                    yield self.finding(file, call, "every failure is dropped without a trace", hint)


def _succeeds(node: ast.stmt) -> bool:
    """Whether a block ends with the news that it went well, and its failure is the lack of it."""
    match node:
        case ast.Assign(targets=[target], value=ast.Constant(value=True)):
            return _STATUS.search(_name(target)) is not None
    return False


def _function(node: ast.AST, file: File) -> Function | None:
    around: ast.AST | None = node
    while around is not None and not isinstance(around, Function):
        around = file.module.parents.get(around)
    return around


def _broad(kind: ast.expr | None) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(one is None or dotted(one).rpartition(".")[2] in _BROAD for one in kinds)


def _awaits_end(kind: ast.expr | None) -> bool:
    """`except (CancelledError, Exception)`: a task is waited for that was told to end."""
    return isinstance(kind, ast.Tuple) and any(last(one) == "CancelledError" for one in kind.elts)


def _imports(node: ast.Try | ast.TryStar) -> bool:
    """An import that may fail in any way, and does not have to be there."""
    return any(isinstance(item, ast.Import | ast.ImportFrom) for item in node.body) and all(
        isinstance(item, ast.Import | ast.ImportFrom | ast.Assign) for item in node.body
    )


def _closes(body: list[ast.stmt], handler: list[ast.stmt]) -> bool:
    """Calls that let go of something, and nothing after them: there is nobody left to whom a failure matters."""
    if not all(isinstance(one, ast.Pass) or _tells(one) for one in handler):
        return False
    while len(body) == 1 and isinstance(body[0], ast.If) and not body[0].orelse:
        body = body[0].body
    done = [one for one in body if not _tells(one)]
    return bool(done) and all(isinstance(one, ast.Expr) and _lets_go(one.value) for one in done)


def _tells(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _logs(node.value)


def _lets_go(call: ast.expr) -> bool:
    call = call.value if isinstance(call, ast.Await) else call
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and last(call) in _LETS_GO


def _waits(call: ast.expr) -> bool:
    call = call.value if isinstance(call, ast.Await) else call
    return isinstance(call, ast.Call) and last(call) == "sleep"


def _verdict(handler: ast.ExceptHandler, function: Function | None) -> str:
    """What the handler does to the failure; empty when the failure is told to somebody."""
    kinds = [_kind(statement, function) for statement in handler.body]
    if "told" in kinds:
        return ""
    empties = [text for kind, _, text in (one.partition(":") for one in kinds) if kind == "empty"]
    logged = "logged" in kinds
    if not logged and function is not None and _ASKS.search(function.name) and empties[-1:] == ["return False"]:
        return ""
    if logged:
        return "every failure becomes a line without its traceback, and the program goes on"
    if empties:
        return f"every failure becomes {empties[-1]!r}: a bug, a bad row and a dead server look like nothing"
    return "every failure is dropped without a trace"


def _kind(node: ast.stmt, function: Function | None) -> str:
    """`nothing`, `logged`, `empty:` and the text of it, or `told`: anything that may pass the failure on."""
    match node:
        case ast.Pass() | ast.Continue() | ast.Break() | ast.Expr(value=ast.Constant()):
            return "nothing"
        case ast.Expr(value=ast.Call() as call) if _logs(call):
            return "told" if _has_traceback(call) else "logged"
        case ast.Expr(value=value) if _lets_go(value) or _waits(value):
            return "nothing"
        case ast.Return(value=None):
            return "empty:return"
        case ast.Return(value=ast.expr() as value) if _empty(value) or _began_empty(value, function):
            return f"empty:{ast.unparse(node)}"
        case ast.Assign(targets=[target], value=ast.Constant(value=False)) if _STATUS.search(_name(target)):
            return "told"
        case ast.Assign(value=value) if _empty(value):
            return f"empty:{ast.unparse(node)}"
        case ast.If(body=body, orelse=orelse):
            kinds = {_kind(one, function) for one in (*body, *orelse)}
            return next((kind for kind in ("told", "logged") if kind in kinds), min(kinds))
        case _:
            return "told"


def _name(node: ast.expr) -> str:
    """What a value is assigned to: a name, an attribute, or a key."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return last(node)


def _logs(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in _PRINTS
    name = last(call)
    if name in _PRINTS:
        return dotted(call.func).partition(".")[0] in ("click", "typer", "pprint", "rich", "console")
    if name not in _LOG or not isinstance(call.func, ast.Attribute):
        return False
    receiver = call.func.value
    return _LOGGER.search(last(receiver)) is not None or (
        isinstance(receiver, ast.Call) and last(receiver) in ("opt", "bind", "getLogger", "get_logger")
    )


def _began_empty(node: ast.expr, function: Function | None) -> bool:
    """Whether a name is returned that was given an empty value: what it was to become, it did not."""
    if not isinstance(node, ast.Name) or function is None:
        return False
    values = [
        inner.value
        for inner in ast.walk(function)
        if isinstance(inner, ast.Assign | ast.AnnAssign)
        and inner.value is not None
        and any(
            isinstance(target, ast.Name) and target.id == node.id
            for target in (inner.targets if isinstance(inner, ast.Assign) else [inner.target])
        )
    ]
    return any(_empty(value) for value in values)


def _has_traceback(call: ast.Call) -> bool:
    for name in ("exc_info", "stack_info"):
        value = keyword(call, name)
        if value is not None and not (isinstance(value, ast.Constant) and not value.value):
            return True
    return any(
        last(inner) in ("format_exc", "exc_info", "format_exception", "print_exc")
        or any(item.arg == "exception" for item in inner.keywords)
        for inner in ast.walk(call)
        if isinstance(inner, ast.Call)
    )


def _nil(node: ast.expr) -> bool:
    """An answer in which every value is empty: `{"animals": [], "count": 0}`."""
    return all(_empty(value) for value in node.values) if isinstance(node, ast.Dict) else _empty(node)


def _empty(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return value is None or value is False or value in ("", 0)
        case ast.Dict(keys=items) | ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            # `None, None` is as empty as nothing
            return all(isinstance(item, ast.expr) and _empty(item) for item in items)
        case ast.Call(func=ast.Name(id=name), args=[]):
            return name in _EMPTY_CALLS
        case ast.Call(func=func, args=[answer]) if last(func) in _ANSWERS:
            # without a status it says that all is well
            return keyword(node, "status") is None and keyword(node, "status_code") is None and _nil(answer)
        case ast.Call(func=ast.Attribute(attr="none")):
            return True
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)):
            return True
    return False
