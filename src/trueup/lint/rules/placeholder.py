"""Code that stands in for code that was never written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import ClassVar, Literal

from trueup.findings import Finding
from trueup.lint.index import Index
from trueup.lint.project import File
from trueup.lint.rule import Rule, is_migration, is_test
from trueup.lint.source import Function, dotted, last

_WORDS = re.compile(
    r"\bTODO\b|\bFIXME\b|\bXXX\b|placeholder|\bstub\b|\bdummy\b|for now\b|not (?:yet )?implemented|"
    r"to be implemented|"
    r"(?:this|we|it|you|code)\W+would\b|^\W*would\b|would (?:normally|typically|actually|usually|come from)|"
    r"would be (?:calculated|computed|fetched|replaced|implemented|loaded|retrieved|done|determined|queried|set)|"
    r"in (?:a )?(?:real|production|actual)\b|implement (?:this|me|later|properly)|"
    r"simplified (?:version|implementation)|"
    r"hard-?coded|mock(?:ed)? (?:data|value|response|implementation|result)|coming soon|"
    r"temporary (?:value|implementation)|^\W*simulat(?:e|ed|ing)\b|for demo\b|demo purposes|will be implemented|"
    r"(?:real|actual) (?:implementation|logic) (?:would|will|goes|here)|implementation goes here|your code here|"
    r"replace (?:this )?with (?:an? |the )?(?:real|actual)",
    re.IGNORECASE,
)
_MEANT = re.compile(
    r"subclass|must (?:be )?(?:implement|overrid|define|provide)|should (?:be )?(?:implement|overrid|define)|abstract|"
    r"not support|unsupported|does not|doesn't|cannot|can't|only|override|overridden|derived|inherit|interface|backend",
    re.IGNORECASE,
)
#: What says that nothing is to be done here, and that this is meant.
_HOOK = re.compile(
    r"no-?op\b|does nothing|do nothing|nothing to do|intentional|deliberate|on purpose|not needed|no need|skip|ignore|"
    r"not required|not used|unused|by default|hook\b|compatib",
    re.IGNORECASE,
)
#: What the message of a refusal does not say.
_UNDONE = re.compile(r"implement|todo|coming|later|\byet\b|stub|placeholder|\bwip\b", re.IGNORECASE)
#: Work that is left to do, but on what is there.
_OTHER = re.compile(
    r"(?:TODO|FIXME|XXX)\W+(?:[\d.]+\W+)?(?:remove|delete|drop|rename|deprecat|move|refactor|clean|this is available)",
    re.IGNORECASE,
)
#: Calls that do no work: they tell, wait, or look at what was given.
_IDLE = {
    *("print", "debug", "info", "warning", "error", "log", "exception", "sleep", "get", "strip", "lower", "upper"),
    *("isinstance", "len", "str", "int", "float", "bool", "getattr", "now", "utcnow", "today", "uuid4", "isoformat"),
}
_LOGS = {"print", "debug", "info", "warning", "error", "log", "sleep"}
_ABSTRACT_NAME = re.compile(
    r"^_?(?:Base|Abstract|I[A-Z][a-z])|(?:Base|Mixin|Interface|Protocol|ABC|Abstract|Contract)$"
)
#: Bases that have none of the methods that a class of a project promises.
_PLAIN = re.compile(
    r"(^|\.)(object|ABC|Protocol|Generic|Model|Base|DeclarativeBase|SQLModel|TimeStampedModel|Enum|Exception|str|int|dict)$"
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
    a method that refuses on purpose and names the reason, or that overrides one of another distribution; a class that
    is only inherited from. It goes by the words of comments: a constant without an excuse passes for an answer.
    """

    name: ClassVar[str] = "placeholder"
    needles: ClassVar[tuple[bytes, ...]] = (b"def ",)
    scope: ClassVar[Literal["file", "project"]] = "project"

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Functions whose whole body is nothing, or a constant that a comment makes excuses for."""
        if is_test(file) or is_migration(file):
            return
        for node, owner in file.module.functions():
            if not _short(node) or any(last(one) in _SPARED for one in node.decorator_list) or _typing_only(node, file):
                continue
            message = self._verdict(node, owner, file, index)
            if message:
                yield self.finding(file, node, message, "write it, or raise an error that says what is missing")

    def _verdict(self, node: Function, owner: ast.ClassDef | None, file: File, index: Index) -> str:
        whole = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        body = [statement for statement in whole if not _only_tells(statement)]
        if not body or all(_nothing(statement) for statement in body):
            excuse = _excuse(node, file)
            if not excuse or _abstract(owner, index) or (len(body) == len(whole) and _meant(node, file)):
                return ""
            return f"{node.name}() {'does nothing' if len(body) == len(whole) else 'only says so'}, under {excuse!r}"
        if len(body) == 1 and isinstance(body[0], ast.Raise):
            return self._raises(node, body[0], owner, file, index)
        final = body[-1]
        if not isinstance(final, ast.Return) or not (_constant(final.value) or _echo(final.value)):
            return ""
        told = f"{node.name}() returns what it is given, and nothing is done"
        if _constant(final.value):
            told = f"{node.name}() returns {ast.unparse(final.value or ast.Constant(None))} whatever it is given"
        if len(body) == 1:
            excuse = _excuse(node, file)
            empty = final.value is None or ast.unparse(final.value) == "None"
            silent = not excuse or _abstract(owner, index) or (empty and _meant(node, file))
            return "" if silent else f"{told}, under {excuse!r}"
        above = _comment(file, final.lineno - 1) or _comment(file, final.lineno)
        return f"{told}, under {above!r}" if above and _idle(node, final, file) else ""

    def _raises(self, node: Function, raised: ast.Raise, owner: ast.ClassDef | None, file: File, index: Index) -> str:
        """A body that only raises: a promise of a class that nobody inherits from, unless it is a refusal."""
        if not _not_implemented(raised) or node.decorator_list or node.name.startswith("__"):
            return ""
        said = " ".join(
            one.value for one in ast.walk(raised) if isinstance(one, ast.Constant) and type(one.value) is str
        )
        reason = " ".join((said, *_comments(node, file)))
        if _MEANT.search(f"{ast.get_docstring(node)} {reason}"):
            return ""
        if (reason.strip() and not _UNDONE.search(reason)) or "NoReturn" in ast.unparse(node.returns or ast.Pass()):
            return ""  # it names another reason
        if owner is None:
            return f"{node.name}() only raises NotImplementedError"
        if _abstract(owner, index) or not _made_somewhere(owner, file, index, node.name):
            return ""
        return f"{owner.name} can be made, but {node.name}() only raises NotImplementedError"


def _short(node: Function) -> bool:
    """Whether a body may be that of a placeholder: cheap, and true for few."""
    final = node.body[-1]
    return isinstance(final, ast.Pass | ast.Raise | ast.Return) or (
        isinstance(final, ast.Expr) and (isinstance(final.value, ast.Constant) or _only_tells(final))
    )


def _only_tells(node: ast.stmt) -> bool:
    """A line of a log, or a pause."""
    value = node.value if isinstance(node, ast.Expr) else None
    value = value.value if isinstance(value, ast.Await) else value
    return isinstance(value, ast.Call) and last(value) in _LOGS


def _idle(node: Function, final: ast.Return, file: File) -> bool:
    """Whether what stands before the last `return` of a function only looks at what it was given."""
    inside = set(ast.walk(final))
    for one in file.module.survey.own[node]:
        if one in inside or one is node:
            continue
        if isinstance(one, ast.Call) and last(one) not in _IDLE:
            return False
        if isinstance(one, ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.AugAssign | ast.Yield):
            return False
        if isinstance(one, ast.Subscript | ast.Attribute) and isinstance(one.ctx, ast.Store):
            return False
        if isinstance(one, ast.Return) and not (_constant(one.value) or _echo(one.value)):
            return False
    return True


def _echo(node: ast.expr | None) -> bool:
    """A dict of constants, of what was given, and of the time: an answer that nothing was done for."""
    if not isinstance(node, ast.Dict):
        return False
    inner = list(ast.walk(node))
    calls = [one for one in inner if isinstance(one, ast.Call)]
    return not any(isinstance(one, ast.Await | ast.comprehension) for one in inner) and all(
        last(call) in _IDLE for call in calls
    )


def _comments(node: Function, file: File) -> list[str]:
    """The comments in a function."""
    found = []
    for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
        _, mark, comment = file.module.line(number).partition("#")
        if mark and comment.strip():
            found.append(comment.strip())
    return found


def _meant(node: Function, file: File) -> bool:
    """Whether a function says that it is to do nothing."""
    return _HOOK.search(" ".join((ast.get_docstring(node) or "", *_comments(node, file)))) is not None


def _made_somewhere(owner: ast.ClassDef, file: File, index: Index, method: str) -> bool:
    """Whether objects of a class are made; one with bases may refuse what its base can do."""
    cls = next((one for one in file.classes.values() if one.facts.line == owner.lineno), None)
    if cls is None or "__getattr__" in cls.facts.methods:
        return False
    if not owner.bases or all(dotted(base) == "object" for base in owner.bases):
        return True
    if not all(_PLAIN.search(base) for base in index.project.outside(cls)):
        return False  # a base that is not to be seen may well have the method, and this refuses it
    for base in index.project.mro(cls)[1:]:
        if method in base.facts.methods:
            inherited = index.project.method(base, method)
            tree = index.project.function(inherited) if inherited is not None else None
            if tree is not None and not isinstance(tree.body[-1], ast.Raise | ast.Pass | ast.Expr):
                return False
    return owner.name.encode() in index.made


def _promise(node: Function) -> bool:
    """Whether a method only raises NotImplementedError."""
    return isinstance(node.body[-1], ast.Raise) and len(node.body) < 3 and _not_implemented(node.body[-1])


def _docstring(node: Function) -> str:
    return ast.get_docstring(node) or ""


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
        case ast.Call(func=ast.Attribute(value=ast.Name(id="random")), args=args, keywords=[]):
            return all(_constant(arg) for arg in args)  # made up anew each time
        case ast.Call(func=ast.Name(id="round"), args=[ast.Call() as made, *_]):
            return _constant(made)
    return False


def _not_implemented(node: ast.Raise) -> bool:
    made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return dotted(made) == "NotImplementedError"


def _excuse(node: Function, file: File) -> str:
    """The comment or docstring in a function that says it is not the real thing."""
    text = ast.get_docstring(node) or ""
    for line in text.splitlines():
        if re.search(
            r"\bTODO\b|\bFIXME\b|placeholder|\bstub\b|not (?:yet )?implemented|in production|"
            r"\bmock(?:ed)? (?:data|value|response|implementation|result)|\bdummy (?:data|value|implementation)",
            line,
            re.IGNORECASE,
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
    return comment.strip()[:80] if _WORDS.search(comment) and not _OTHER.search(comment) else ""


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
    promised = [item for item in owner.body if isinstance(item, Function) and _promise(item)]
    if len(promised) > 1 and any(word in " ".join(map(_docstring, promised)).lower() for word in ("provide", "should")):
        return True  # what is asked of others is written down
    return owner.name.encode() in index.bases
