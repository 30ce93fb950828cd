"""Code that stands in for code that was never written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import ClassVar, Literal

from trueup.findings import Finding
from trueup.lint.project import File
from trueup.lint.rule import Index, Rule
from trueup.lint.source import Function, dotted, last

_WORDS = re.compile(
    r"\bTODO\b|\bFIXME\b|\bXXX\b|placeholder|\bstub\b|\bdummy\b|would (?:be|do|have|come|go|call|fetch|query|compute|"
    r"calculate|use|need|require|return|normally|typically|actually|involve|check|send|look|implement|integrate|get)|"
    r"for now\b|not (?:yet )?implemented|to be implemented|in (?:a )?(?:real|production|actual)\b|"
    r"implement (?:this|me|later|properly)|simplified (?:version|implementation)|hard-?coded|mock(?:ed)? (?:data|value|response)|"
    r"temporary (?:value|implementation)|coming soon",
    re.IGNORECASE,
)
_MEANT = re.compile(
    r"subclass|must (?:be )?(?:implement|overrid|define|provide)|should (?:be )?(?:implement|overrid|define)|abstract|"
    r"not support|unsupported|does not|doesn't|cannot|can't|only|override|overridden|derived|inherit|interface|backend",
    re.IGNORECASE,
)
_ABSTRACT_NAME = re.compile(r"^_?(?:Base|Abstract|I[A-Z][a-z])|(?:Base|Mixin|Interface|Protocol|ABC|Abstract|Contract)$")
_SPARED = ("abstractmethod", "overload", "abstractproperty", "abstractclassmethod", "singledispatch")


class Placeholder(Rule):
    """A function on a live path that only pretends to do its work.

    It returns a constant where a comment says that it *would* compute one, or nothing at all. Everything built on it
    works, looks plausible, and is wrong: scores that are all 0.5, a sync that syncs nothing.

    **Bad**

    ```python
    def provider_reputation(provider) -> float:
        # This would be calculated from open rates
        return 0.5

    def sync_counters():
        # TODO: read the counters from Redis
        pass

    class SearchIndex:
        def add(self, document):
            raise NotImplementedError
    ```

    **Good**

    ```python
    from abc import ABC, abstractmethod

    def provider_reputation(provider) -> float:
        return 0.4 * provider.open_rate + 0.4 * provider.click_rate

    class Index(ABC):
        @abstractmethod
        def add(self, document): ...

    class SearchIndex(Index):
        def add(self, document):
            self.documents.append(document)
    ```
    """

    name: ClassVar[str] = "placeholder"
    needles: ClassVar[tuple[bytes, ...]] = (b"pass", b"...", b"NotImplementedError", b"return")
    scope: ClassVar[Literal["file", "project"]] = "project"

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Functions whose whole body is nothing, or a constant that a comment makes excuses for."""
        if re.search(r"(^|[/\\])(tests?|testing|conftest\.py|test_[^/\\]*|migrations)([/\\]|$)", file.module.path):
            return
        for node, owner in file.module.functions():
            if any(last(one) in _SPARED for one in node.decorator_list) or _typing_only(node, file):
                continue
            message = self._verdict(node, owner, file, index)
            if message:
                yield self.finding(file, node, message, "write it, or raise an error that says what is missing")

    def _verdict(self, node: Function, owner: ast.ClassDef | None, file: File, index: Index) -> str:
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        excuse = _excuse(node, file)
        if not body or all(_nothing(statement) for statement in body):
            if excuse and not _abstract(owner, file, index):
                return f"{node.name}() does nothing, under {excuse!r}"
            return ""
        if len(body) == 1 and isinstance(body[0], ast.Raise) and _not_implemented(body[0]):
            text = ast.get_docstring(node) or ""
            if _MEANT.search(text + ast.unparse(body[0])) or _abstract(owner, file, index):
                return ""
            where = f"{owner.name} can be made, but {node.name}()" if owner else f"{node.name}()"
            return f"{where} only raises NotImplementedError"
        returns = [inner for inner in _returns(node) if inner.value is not None]
        if len(body) == 1 and len(returns) == 1 and isinstance(body[0], ast.Return) and _constant(body[0].value):
            if excuse and not _abstract(owner, file, index):
                return f"{node.name}() returns {ast.unparse(body[0].value or ast.Constant(None))} whatever it is given, under {excuse!r}"
            return ""
        final = body[-1]
        if isinstance(final, ast.Return) and _constant(final.value) and len(returns) == 1:
            above = _comment(file, final.lineno - 1) or _comment(file, final.lineno)
            if above and not any(isinstance(inner, ast.Call | ast.Assign) for inner in body[:-1]):
                return f"{node.name}() returns {ast.unparse(final.value or ast.Constant(None))} whatever it is given, under {above!r}"
        return ""


def _nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is Ellipsis
    )


def _constant(node: ast.expr | None) -> bool:
    match node:
        case None | ast.Constant():
            return True
        case ast.Dict(keys=keys, values=values):
            return all(_constant(item) for item in (*keys, *values))
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return all(_constant(item) for item in items)
        case ast.UnaryOp(operand=operand):
            return _constant(operand)
    return False


def _returns(node: Function) -> list[ast.Return]:
    return [inner for inner in ast.walk(node) if isinstance(inner, ast.Return)]


def _not_implemented(node: ast.Raise) -> bool:
    made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return dotted(made) == "NotImplementedError"


def _excuse(node: Function, file: File) -> str:
    """The comment or docstring in a function that says it is not the real thing."""
    text = ast.get_docstring(node) or ""
    for line in text.splitlines():
        if re.search(r"\bTODO\b|\bFIXME\b|placeholder|\bstub\b|not (?:yet )?implemented|in production", line, re.IGNORECASE):
            return line.strip()[:80]
    for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
        found = _comment(file, number)
        if found:
            return found
    return ""


def _comment(file: File, number: int) -> str:
    """The comment on a line, if it makes an excuse."""
    line = file.module.line(number)
    _, mark, comment = line.partition("#")
    # a mark inside a text is no comment: what stands before it has all its quotes closed
    if not mark or line[: len(line) - len(comment)].count('"') % 2 or line[: len(line) - len(comment)].count("'") % 2:
        return ""
    return comment.strip()[:80] if _WORDS.search(comment) else ""


def _typing_only(node: Function, file: File) -> bool:
    parent = file.module.parents.get(node)
    return isinstance(parent, ast.If) and "TYPE_CHECKING" in ast.unparse(parent.test)


def _abstract(owner: ast.ClassDef | None, file: File, index: Index) -> bool:
    """Whether a class is there to be inherited from: it says so, or a class of the project does so."""
    if owner is None:
        return False
    if _ABSTRACT_NAME.search(owner.name) or any(keyword_.arg == "metaclass" for keyword_ in owner.keywords):
        return True
    if any(last(base) in ("ABC", "Protocol", "Generic", "NamedTuple", "TypedDict", "Interface") for base in owner.bases):
        return True
    if any(last(decorator) in _SPARED for item in owner.body if isinstance(item, Function) for decorator in item.decorator_list):
        return True
    text = ast.get_docstring(owner) or ""
    if re.search(r"abstract|base class|interface|subclass|mixin", text, re.IGNORECASE):
        return True
    return _inherited(owner, file, index)


def _inherited(owner: ast.ClassDef, file: File, index: Index) -> bool:
    cls = next((one for one in file.classes.values() if one.facts.line == owner.lineno), None)
    return cls is not None and index.inheritors(cls)
