"""Whether a JSON document meets a schema, as conditions of the engine: what is wrong in it, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    Text,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
)
from sqlalchemy import literal_column as word

from trueup.checks._json_schema import CONDITIONS, Node, accepts
from trueup.sql.dialect import Dialect
from trueup.sql.short_circuit import ShortCircuit
from trueup.sql.tables import JSON_TYPES, Column, Storage

#: From here on every double is a whole number, and none of fewer characters is rounded.
_WHOLE, _EXACT = 2**53, 15


@dataclass(frozen=True, slots=True)
class At:
    """A place in a document. Below the root the document has passed the dialect's `json_readable_if`."""

    dialect: Dialect
    whole: ColumnElement[Any]
    storage: Storage
    path: tuple[str, ...] = ()

    def inside(self, path: tuple[str, ...]) -> At:
        """The place at `path` in the same document."""
        return At(self.dialect, self.whole, self.storage, path)

    @property
    def value(self) -> ColumnElement[Any]:
        """The JSON at this place; NULL where there is none."""
        return self.dialect.json_inside(self.whole, self.storage, self.path) if self.path else self.whole

    def is_not(self, types: Sequence[str]) -> ColumnElement[bool]:
        """Whether a value is there and has none of `types`."""
        if self.path:
            return self.dialect.json_path_is_not(self.whole, self.storage, self.path, types)
        return self.dialect.json_is_not(self.whole, self.storage, types)

    def lacks(self, types: Sequence[str]) -> ColumnElement[bool]:
        """Whether no value is there, or it has none of `types`."""
        if self.path:
            return self.dialect.json_path_lacks(self.whole, self.storage, self.path, types)
        return or_(self.whole.is_(None), self.dialect.json_is_not(self.whole, self.storage, types))

    def type(self) -> ColumnElement[str]:
        """The JSON type of the value; NULL where there is none."""
        if self.path:
            return self.dialect.json_path_type(self.whole, self.storage, self.path)
        return self.dialect.json_type(self.whole, self.storage)

    def when(self, types: Sequence[str], condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """`condition`, evaluated only for a value of `types`; false for others, never NULL."""
        return case((self.lacks(types), false()), else_=func.coalesce(condition, false()))

    def number(self) -> ColumnElement[Any]:
        """The value as a number."""
        return self.dialect.json_inside_number(self.whole, self.storage, self.path)

    def string(self) -> ColumnElement[str]:
        """The value of a string, without quotes."""
        return self.dialect.json_inside_string(self.whole, self.storage, self.path)


# -- one place --------------------------------------------------------------------------------------------------------
def wrong_type(node: Node, at: At, *, missing: bool) -> ColumnElement[bool]:
    """Whether the type is wrong or, with `missing`, there is no value. As in JSON Schema, `1.0` is an integer."""
    if not node.types:
        return at.value.is_(None) if missing else false()
    wrong = at.lacks(node.engine_types) if missing else at.is_not(node.engine_types)
    if "integer" not in node.types or "number" in node.types:
        return wrong
    number = at.number()
    whole = at.when(("double",), or_(func.abs(number) >= _WHOLE, number == func.round(number)))
    return case((wrong, not_(whole)), else_=false())


def breaks(node: Node, at: At, keyword: str) -> ColumnElement[bool]:
    """Whether the value violates a keyword; never NULL."""
    wanted = node.rules[keyword]
    if keyword in ("enum", "const"):
        return case((at.value.is_(None), false()), else_=not_(or_(*_equal(at, wanted))))
    about = tuple(part for kind in CONDITIONS[keyword] for part in _ENGINE.get(kind, (kind,)))
    return at.when(about, _condition(keyword, at, wanted))


_ENGINE = {"number": ("integer", "double")}


def _condition(keyword: str, at: At, wanted: Any) -> ColumnElement[bool]:
    dialect, storage = at.dialect, at.storage
    if isinstance(wanted, Decimal):
        number, bound = at.number(), _number(wanted)
        found: dict[str, ColumnElement[bool]] = {
            "minimum": number < bound,
            "maximum": number > bound,
            "exclusiveMinimum": number <= bound,
            "exclusiveMaximum": number >= bound,
        }
        return found[keyword]
    if keyword == "pattern":
        return not_(dialect.matches(at.string(), wanted))
    if keyword == "additionalProperties":
        return dialect.json_other_keys(at.value, storage, wanted)
    if keyword == "items":
        elements = dialect.json_elements(at.value, storage)
        inner = At(dialect, elements.value, elements.storage)
        return exists(select(literal(1)).select_from(elements.relation).where(broken(wanted, inner)))
    count = dialect.json_length(at.value, storage) if keyword.endswith("Items") else dialect.characters(at.string())
    found_few: ColumnElement[bool] = count < wanted
    return found_few if keyword.startswith("min") else count > wanted


def _equal(at: At, members: Sequence[Any]) -> Iterator[ColumnElement[bool]]:
    """For each type among `members`: whether the value equals one of them. Never NULL."""
    dialect = at.dialect
    texts = [member for member in members if isinstance(member, str)]
    numbers = [Decimal(m) for m in members if isinstance(m, int | Decimal) and not isinstance(m, bool)]
    booleans = [str(member).lower() for member in members if isinstance(member, bool)]
    yield false()
    if texts:
        yield at.when(("string",), dialect.json_inside_one_of(at.whole, at.storage, at.path, texts))
    if numbers:
        yield at.when(("integer", "double"), _one_of(at, numbers))
    if len(set(booleans)) == 2:
        yield not_(at.lacks(("boolean",)))
    elif booleans:
        yield at.when(("boolean",), dialect.json_text(at.value, at.storage) == booleans[0])
    if None in members:
        yield not_(at.lacks(("null",)))


def _one_of(at: At, numbers: Sequence[Decimal]) -> ColumnElement[bool]:
    return at.number().in_([_number(one) for one in numbers])


def _of_number(node: Node, at: At) -> Iterator[ColumnElement[bool]]:
    """For each keyword of a node: whether a value that is a number satisfies it. Never NULL."""
    yield true()
    for keyword, wanted in node.rules.items():
        if keyword in ("enum", "const"):
            members = [Decimal(one) for one in wanted if isinstance(one, int | Decimal) and not isinstance(one, bool)]
            yield func.coalesce(_one_of(at, members), false()) if members else false()
        elif "number" in CONDITIONS[keyword]:
            yield not_(func.coalesce(_condition(keyword, at, wanted), false()))


def _number(value: Decimal) -> ColumnElement[Any]:
    # word for word: drivers would make a double, or text, of a Decimal
    whole = value == value.to_integral_value() and abs(value) < _WHOLE
    return word(str(int(value)) if whole else str(value), Double())


# -- a document -------------------------------------------------------------------------------------------------------
def broken(root: Node, at: At, *, null_allowed: bool = False) -> ColumnElement[bool]:
    """Whether the document violates the schema `root`. SQL NULL is valid only with `null_allowed`. Never NULL."""
    inner = [condition for node in root.children for condition in _broken(node, at, root)]
    if set(root.types) <= {"object"} and set(root.rules) <= {"additionalProperties"}:
        inside = or_(false(), *inner, *(breaks(root, at, keyword) for keyword in root.rules))
        others = true() if root.types else _no_json(at)
        guard = at.dialect.json_readable_if(at.whole, at.storage)
        missing = false() if null_allowed else true()
        if guard is not None:
            return ShortCircuit(at.whole, guard, inside, case((at.whole.is_(None), missing), else_=others))
        wrong = at.is_not(("object",))
        return case((at.whole.is_(None), missing), (wrong, others), else_=inside)
    outer = [condition for _, _, condition in root_faults(root, at, null_allowed=null_allowed)]
    return or_(false(), *outer, within(at, or_(false(), *inner), false()))


def _no_json(at: At) -> ColumnElement[bool]:
    """Whether text is not valid JSON; never NULL."""
    return at.is_not(JSON_TYPES[:-1]) if at.storage == "text" else false()


def by_value(at: At, found: Sequence[tuple[ColumnElement[bool], ColumnElement[bool]]]) -> ColumnElement[bool]:
    """CASE over (condition, result): the first match wins, else false. A shared guard is evaluated once."""
    guards = [condition.guard for _, condition in found if isinstance(condition, ShortCircuit)]
    if len(guards) < len(found):
        return case(*found, else_=false())
    inside = [(meant, condition.inside) for meant, condition in found if isinstance(condition, ShortCircuit)]
    outside = [(meant, condition.outside) for meant, condition in found if isinstance(condition, ShortCircuit)]
    return ShortCircuit(at.whole, guards[0], case(*inside, else_=false()), case(*outside, else_=false()))


def _broken(node: Node, document: At, parent: Node, *, certain: bool = True) -> Iterator[ColumnElement[bool]]:
    """The conditions of `faults`. Keywords of a node are evaluated after its type, which is then evaluated once."""
    at, inner = document.inside(node.path), replace(node, children=())
    if not node.types and all(isinstance(member, str) for member in node.rules.get("enum", [None])):
        # what is no string is none of them, and quicker to tell
        inner = replace(inner, types=("string",))
    direct = [keyword for keyword in node.rules if _about(inner, keyword)]
    rules = {keyword: value for keyword, value in node.rules.items() if keyword not in direct}
    found = list(faults(replace(inner, rules=rules), document, parent, certain=certain))
    if direct:
        wrong = or_(*(condition for _, aspect, condition in found if aspect == "type"))
        broken_rules = or_(*(_direct(inner, at, keyword) for keyword in direct))
        yield case((wrong, true()), else_=func.coalesce(broken_rules, false()))
    yield from (condition for _, aspect, condition in found if not (direct and aspect == "type"))
    for child in node.children:
        yield from _broken(child, document, node, certain=_certain(parent, certain))


def _about(node: Node, keyword: str) -> bool:
    """Whether a keyword applies to every value of the node's types, so that it needs no test of the type."""
    if keyword in ("enum", "const"):
        return node.types == ("string",) and all(isinstance(member, str) for member in node.rules[keyword])
    about = {part for kind in CONDITIONS[keyword] for part in _ENGINE.get(kind, (kind,))}
    return bool(node.types) and set(node.engine_types) <= about


def _direct(node: Node, at: At, keyword: str) -> ColumnElement[bool]:
    """Whether a value of the node's types violates a keyword; NULL where there is none."""
    if keyword in ("enum", "const"):
        return not_(at.dialect.json_inside_one_of(at.whole, at.storage, at.path, node.rules[keyword]))
    return _condition(keyword, at, node.rules[keyword])


def _certain(parent: Node, certain: bool) -> bool:
    # the root is an object wherever this is asked
    return certain and (not parent.path or (parent.required and parent.types == ("object",)))


def within(at: At, inside: ColumnElement[Any], outside: ColumnElement[Any]) -> ColumnElement[Any]:
    """`inside` where the document is a valid JSON object, else `outside`."""
    guard = at.dialect.json_readable_if(at.whole, at.storage)
    if guard is not None:
        return case((guard, inside), else_=outside)
    return case((at.inside(()).lacks(("object",)), outside), else_=inside)


def root_faults(root: Node, at: At, *, null_allowed: bool) -> Iterator[tuple[Node, str, ColumnElement[bool]]]:
    """The faults of the root; a root of any type must still be valid JSON."""
    wrong = wrong_type(root, at, missing=not null_allowed)
    yield root, "type", wrong if root.types else or_(wrong, _no_json(at))
    for keyword in root.rules:
        yield root, keyword, breaks(root, at, keyword)


def faults(
    node: Node, document: At, parent: Node, *, certain: bool = True
) -> Iterator[tuple[Node, str, ColumnElement[bool]]]:
    """(node, aspect, condition) for what can be wrong at `node` and below it.

    With `certain` a place whose parent is no object counts as missing, which is quicker and makes no difference where
    the parent must be an object: it is then wrong itself.
    """
    certain = _certain(parent, certain)
    at = document.inside(node.path)
    if node.required and certain:
        yield node, "type", wrong_type(node, at, missing=True)
    elif node.required or node.types:
        wrong = wrong_type(node, at, missing=False)
        yield node, "type", or_(wrong, missing(node, document)) if node.required else wrong
    for keyword in node.rules:
        yield node, keyword, breaks(node, at, keyword)
    for child in node.children:
        yield from faults(child, document, node, certain=certain)


def missing(node: Node, document: At) -> ColumnElement[bool]:
    """Whether the parent is an object without this key; never NULL."""
    nothing = document.inside(node.path).value.is_(None)
    if len(node.path) == 1:
        return nothing
    return case((document.inside(node.path[:-1]).lacks(("object",)), false()), else_=nothing)


# -- mending ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Mending:
    """What a repair may do to a document: `fill` in defaults, `decode` text, `nullify` what may be null."""

    root: Node
    document: At
    column: Column
    decode: bool = False
    nullify: bool = False
    fill: bool = True

    def fits(self) -> ColumnElement[bool]:
        """Whether the repaired document satisfies the schema; never NULL."""
        at, dialect = self.document, self.document.dialect
        left = [self._left(node) for node in self.root.walk()]
        inside = not_(or_(*left))
        return within(at, case((dialect.json_rewritable(at.whole, self.column), inside), else_=false()), false())

    def made(self) -> ColumnElement[Any]:
        """The repaired document."""
        at, dialect = self.document, self.document.dialect
        ways = [(node.path, list(self._new(node))) for node in self.root.walk() if node.path]
        changes = [(path, case(*new, else_=null())) for path, new in ways if new]
        if not changes:
            return at.whole
        changed = dialect.json_change(at.whole, self.column, changes)
        rewritten = case((dialect.json_rewritable(at.whole, self.column), changed), else_=at.whole)
        return within(at, rewritten, at.whole)

    def decodes(self, node: Node) -> ColumnElement[bool]:
        """Whether the value is a string that decodes to a number or a boolean that the node allows; never NULL."""
        at = self.document.inside(node.path)
        dialect = at.dialect
        spelled: list[ColumnElement[bool]] = [false()]
        booleans = [text for text, value in (("true", True), ("false", False)) if accepts(node, value)]
        if "boolean" in node.types and booleans:
            spelled.append(dialect.json_inside_one_of(at.whole, at.storage, at.path, booleans))
        numbers = [kind for kind in node.engine_types if kind in ("integer", "double")]
        if numbers:
            text = at.string()
            parsed = At(dialect, dialect.json_parse(text, self.column), at.storage)
            fine = and_(*(condition for condition in _of_number(node, parsed)))
            exact = case((dialect.json_valid(text, numbers), fine), else_=false())
            spelled.append(case((dialect.characters(text) <= _EXACT, exact), else_=false()))
        return at.when(("string",), or_(*spelled))

    def _decodable(self, node: Node) -> bool:
        words = {"integer", "number", "boolean"} & set(node.types)
        return bool(self.decode and node.path and words and "string" not in node.types)

    def _parsed(self, at: At) -> ColumnElement[Any]:
        return at.dialect.json_parse(at.string(), self.column)

    def _own(self, node: Node) -> ColumnElement[bool]:
        """Whether the value itself violates the node, and a repair could replace it."""
        at = self.document.inside(node.path)
        rules = [breaks(node, at, keyword) for keyword in node.rules if keyword != "additionalProperties"]
        return or_(wrong_type(node, at, missing=False), *rules)

    def _left(self, node: Node) -> ColumnElement[bool]:
        """Whether the node itself stays invalid after the repair, apart from its children."""
        at = self.document.inside(node.path)
        left: list[ColumnElement[bool]] = [false()]
        if node.path and node.required and (node.default is None or not self.fill):
            left.append(missing(node, self.document))
        if "additionalProperties" in node.rules:
            left.append(breaks(node, at, "additionalProperties"))
        if not (self.nullify and node.path and node.nullable):
            own = self._own(node)
            left.append(and_(own, not_(self.decodes(node))) if self._decodable(node) else own)
        return or_(*left)

    def _new(self, node: Node) -> Iterator[tuple[ColumnElement[bool], ColumnElement[Any]]]:
        if self.fill and node.required and node.default is not None:
            yield missing(node, self.document), self._literal(node.default)
        if self._decodable(node):
            yield self.decodes(node), self._parsed(self.document.inside(node.path))
        if self.nullify and node.nullable:
            yield self._own(node), self._literal("null")

    def _literal(self, text: str) -> ColumnElement[Any]:
        return self.document.dialect.json_parse(literal(str(text), Text()), self.column)
