"""Code that stands in for code that was never written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import ClassVar, Literal

from trueup.findings import Finding
from trueup.lint.project import File
from trueup.lint.rule import Index, Rule, is_test
from trueup.lint.source import Function, dotted, last

_WORDS = re.compile(
    r"\bTODO\b|\bFIXME\b|\bXXX\b|placeholder|\bstub\b|\bdummy\b|for now\b|not (?:yet )?implemented|"
    r"to be implemented|"
    r"(?:this|we|it|you|code)\W+would\b|^\W*would\b|would (?:normally|typically|actually|usually|come from)|"
    r"would be (?:calculated|computed|fetched|replaced|implemented|loaded|retrieved|done|determined|queried|set)|"
    r"in (?:a )?(?:real|production|actual)\b|implement (?:this|me|later|properly)|"
    r"simplified (?:version|implementation)|"
    r"hard-?coded|mock(?:ed)? (?:data|value|response)|temporary (?:value|implementation)|coming soon",
    re.IGNORECASE,
)
_MEANT = re.compile(
    r"subclass|must (?:be )?(?:implement|overrid|define|provide)|should (?:be )?(?:implement|overrid|define)|abstract|"
    r"not support|unsupported|does not|doesn't|cannot|can't|only|override|overridden|derived|inherit|interface|backend",
    re.IGNORECASE,
)
_ABSTRACT_NAME = re.compile(
    r"^_?(?:Base|Abstract|I[A-Z][a-z])|(?:Base|Mixin|Interface|Protocol|ABC|Abstract|Contract)$"
)
_SPARED = ("abstractmethod", "overload", "abstractproperty", "abstractclassmethod", "singledispatch")


class Placeholder(Rule):
    """A function that the program calls, and that only pretends to do its work.

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

    **What it leaves alone.** Abstract methods, protocols, overloads and tests; a hook that does nothing and says so;
    a method that refuses on purpose and names the reason; a class that is only inherited from.
    """

    name: ClassVar[str] = "placeholder"
    needles: ClassVar[tuple[bytes, ...]] = (b"pass", b"...", b"NotImplementedError", b"return")
    scope: ClassVar[Literal["file", "project"]] = "project"

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Functions whose whole body is nothing, or a constant that a comment makes excuses for."""
        if is_test(file):
            return
        for node, owner in file.module.functions():
            if not _short(node) or any(last(one) in _SPARED for one in node.decorator_list) or _typing_only(node, file):
                continue
            message = self._verdict(node, owner, file, index)
            if message:
                yield self.finding(file, node, message, "write it, or raise an error that says what is missing")

    def _verdict(self, node: Function, owner: ast.ClassDef | None, file: File, index: Index) -> str:
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        if not body or all(_nothing(statement) for statement in body):
            excuse = _excuse(node, file)
            if excuse and not _abstract(owner, index):
                return f"{node.name}() does nothing, under {excuse!r}"
            return ""
        if len(body) == 1 and isinstance(body[0], ast.Raise):
            return self._raises(node, body[0], owner, file, index)
        final = body[-1]
        if not isinstance(final, ast.Return) or not _constant(final.value):
            return ""
        told = f"{node.name}() returns {ast.unparse(final.value or ast.Constant(None))} whatever it is given"
        if len(body) == 1:
            excuse = _excuse(node, file)
            return f"{told}, under {excuse!r}" if excuse and not _abstract(owner, index) else ""
        above = _comment(file, final.lineno - 1) or _comment(file, final.lineno)
        inner = [one for one in file.module.survey.own[node] if one not in (node, final)]
        if above and not any(isinstance(one, ast.Call | ast.Assign | ast.Return | ast.For) for one in inner):
            return f"{told}, under {above!r}"
        return ""

    def _raises(self, node: Function, raised: ast.Raise, owner: ast.ClassDef | None, file: File, index: Index) -> str:
        """A body that only raises: a promise of a class that nobody inherits from, unless it is a refusal."""
        if not _not_implemented(raised) or node.decorator_list or node.name.startswith("__"):
            return ""
        text = ast.get_docstring(node) or ""
        if _MEANT.search(text + ast.unparse(raised)) or "NoReturn" in ast.unparse(node.returns or ast.Constant("")):
            return ""
        if owner is None:
            return f"{node.name}() only raises NotImplementedError"
        if _abstract(owner, index) or not _made_somewhere(owner, file, index, node.name):
            return ""
        return f"{owner.name} can be made, but {node.name}() only raises NotImplementedError"


def _short(node: Function) -> bool:
    """Whether a body may be that of a placeholder: cheap, and true for few."""
    final = node.body[-1]
    return isinstance(final, ast.Pass | ast.Raise | ast.Return) or (
        isinstance(final, ast.Expr) and isinstance(final.value, ast.Constant)
    )


def _made_somewhere(owner: ast.ClassDef, file: File, index: Index, method: str) -> bool:
    """Whether objects of a class are made; one with bases may refuse what its base can do."""
    if not owner.bases or all(dotted(base) == "object" for base in owner.bases):
        return True
    cls = next((one for one in file.classes.values() if one.facts.line == owner.lineno), None)
    for base in index.project.mro(cls)[1:] if cls is not None else ():
        if method in base.facts.methods:
            inherited = index.project.method(base, method)
            tree = index.project.function(inherited) if inherited is not None else None
            if tree is not None and not isinstance(tree.body[-1], ast.Raise | ast.Pass | ast.Expr):
                return False
    return owner.name.encode() in index.made


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


def _not_implemented(node: ast.Raise) -> bool:
    made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return dotted(made) == "NotImplementedError"


def _excuse(node: Function, file: File) -> str:
    """The comment or docstring in a function that says it is not the real thing."""
    text = ast.get_docstring(node) or ""
    for line in text.splitlines():
        if re.search(
            r"\bTODO\b|\bFIXME\b|placeholder|\bstub\b|not (?:yet )?implemented|in production", line, re.IGNORECASE
        ):
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
    around: ast.AST | None = file.module.parents.get(node)
    while around is not None:
        if isinstance(around, ast.If) and "TYPE_CHECKING" in ast.unparse(around.test):
            return True
        around = file.module.parents.get(around)
    return False


def _abstract(owner: ast.ClassDef | None, index: Index) -> bool:
    """Whether a class is there to be inherited from: it says so, or a class of the project does so."""
    if owner is None:
        return False
    if _ABSTRACT_NAME.search(owner.name) or any(keyword_.arg == "metaclass" for keyword_ in owner.keywords):
        return True
    if any(
        last(base) in ("ABC", "Protocol", "Generic", "NamedTuple", "TypedDict", "Interface") for base in owner.bases
    ):
        return True
    if any(
        last(decorator) in _SPARED
        for item in owner.body
        if isinstance(item, Function)
        for decorator in item.decorator_list
    ):
        return True
    text = ast.get_docstring(owner) or ""
    if re.search(r"abstract|base class|interface|subclass|mixin", text, re.IGNORECASE):
        return True
    return owner.name.encode() in index.bases
