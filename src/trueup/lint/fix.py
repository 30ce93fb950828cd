"""Mends lost JSON changes in the source: text is inserted, nothing that stands there is written anew."""

from __future__ import annotations

import ast
import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trueup.findings import Finding, Source
from trueup.lint.source import Function, Module, dotted, last, own_nodes, parse

RULE = "lost-json-change"
_FLAG = ("sqlalchemy.orm.attributes", "flag_modified")
_MUTABLE = "sqlalchemy.ext.mutable"
#: What writes: the flag must stand before it.
_WRITES = {"commit", "flush"}
#: An object that can be called by its name again without doing anything: `user`, `self.user`, `users[key]`.
_NAMED = re.compile(r"\w+(?:\.\w+|\[(?:[\w.]+|\"\w*\"|'\w*')\])*")


@dataclass
class Edit:
    """New lines of one file: text by the number of the line that it follows, and text to append to a line."""

    after: dict[int, list[str]] = field(default_factory=dict)
    append: dict[int, str] = field(default_factory=dict)
    replace: dict[int, tuple[int, int, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fixed:
    """One file before and after, and how many findings that mends."""

    path: str
    before: bytes
    after: bytes
    mended: int

    def diff(self) -> str:
        """The change as a unified diff."""
        old, new = (text.decode("utf-8", "replace").splitlines(keepends=True) for text in (self.before, self.after))
        return "".join(difflib.unified_diff(old, new, f"a/{self.path}", f"b/{self.path}"))


def fixes(findings: Iterable[Finding], read: dict[str, bytes] | None = None) -> list[Fixed]:
    """What `flag_modified` calls, with their imports, would mend the findings; nothing is written.

    `read` are the contents of files by path; those that are not given are read from disk. A finding whose object has
    no name to call it by is left.
    """
    by_path: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.check == RULE and isinstance(finding.where, Source):
            by_path.setdefault(finding.where.path, []).append(finding)
    found = []
    for path, group in by_path.items():
        data = (read or {}).get(path) or Path(path).read_bytes()
        fixed = _flagged(path, data, group)
        if fixed is not None:
            found.append(fixed)
    return found


def _flagged(path: str, data: bytes, findings: Sequence[Finding]) -> Fixed | None:
    module = Module(path, data)
    edit, targets = Edit(), []
    name = _imported(module) or "flag_modified"
    for finding in findings:
        obj, column = str(finding.evidence.get("object", "")), str(finding.evidence.get("field", ""))
        assert isinstance(finding.where, Source)
        statement = _statement(module, finding.where)
        if obj and column and statement is not None and _NAMED.fullmatch(obj):
            target = _place(module, statement, obj, column, findings)
            targets.append((target, f"{name}({obj}, {_field(module, statement, obj, column)})"))
    mended = len(targets)
    for target, text in dict.fromkeys(targets):
        if any(text == other and _covers(module, later, target) for later, other in targets):
            continue
        line = target.end_lineno or target.lineno
        indent = re.match(r"[ \t]*", module.line(target.lineno))
        if indent is not None and target.col_offset == len(indent[0]) and not _shared(module, target):
            edit.after.setdefault(line, []).append(f"{indent[0]}{text}")
        else:
            edit.append[line] = f"{edit.append.get(line, '')}; {text}"
    if not mended:
        return None
    if _imported(module) is None:
        _import(module, edit, *_FLAG)
    return Fixed(path, data, _applied(data, edit), mended)


def _field(module: Module, statement: ast.stmt, obj: str, column: str) -> str:
    """How to write the name of the column: as the variable that a generic helper has for it."""
    around: ast.AST | None = statement
    while around is not None and not isinstance(around, Function):
        around = module.parents.get(around)
    for node in ast.walk(around) if around is not None else ():
        if not isinstance(node, ast.Call) or last(node) not in ("getattr", "setattr") or len(node.args) < 2:
            continue
        if dotted(node.args[0]) == obj and isinstance(node.args[1], ast.Name):
            return node.args[1].id
    return f'"{column}"'


def _covers(module: Module, later: ast.stmt, target: ast.stmt) -> bool:
    """Whether every way from `target` leads past `later`: it stands in a branch before it that is not left early."""
    if later is target:
        return False
    block = _block(module, later)
    around: ast.AST | None = module.parents.get(target)
    while around is not None and around not in block:
        around = module.parents.get(around)
    if not isinstance(around, ast.If | ast.For | ast.With) or block.index(around) > block.index(later):
        return False
    between = block[block.index(around) : block.index(later)]
    return not any(
        isinstance(node, ast.Return | ast.Raise | ast.Continue | ast.Break)
        or (isinstance(node, ast.Call) and last(node) in _WRITES)
        for one in between
        for node in ast.walk(one)
    )


def _statement(module: Module, where: Source) -> ast.stmt | None:
    """The innermost statement at a place."""
    found: ast.stmt | None = None
    for node in _statements(module.tree):
        if node.lineno <= where.line <= (node.end_lineno or node.lineno) and (
            found is None or node.lineno >= found.lineno
        ):
            found = node
    return found


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            yield node


def _place(module: Module, statement: ast.stmt, obj: str, column: str, findings: Sequence[Finding]) -> ast.stmt:
    """The statement after which to flag: the last that has to do with it, after a loop over the same object."""
    target = statement
    while True:
        target = _last_related(module, target, obj, column, findings)
        around = module.parents.get(target)
        if not isinstance(around, ast.For | ast.AsyncFor | ast.While) or not _same_object(around, obj):
            return target
        target = around


def _last_related(module: Module, statement: ast.stmt, obj: str, column: str, findings: Sequence[Finding]) -> ast.stmt:
    block = _block(module, statement)
    found = statement
    for other in block[block.index(statement) + 1 :]:
        calls = {last(node) for node in ast.walk(other) if isinstance(node, ast.Call)}
        if calls & _WRITES or isinstance(other, ast.Return | ast.Raise | ast.Break | ast.Continue):
            break
        if _assigns(other, obj, column) or _found_in(other, obj, column, findings):
            found = other
    return found


def _block(module: Module, statement: ast.stmt) -> list[ast.stmt]:
    parent = module.parents.get(statement)
    for name in ("body", "orelse", "finalbody", "handlers"):
        block = getattr(parent, name, None)
        if isinstance(block, list) and statement in block:
            return block
    return [statement]


def _assigns(node: ast.stmt, obj: str, column: str) -> bool:
    """`obj.column = ...` itself, at the level of the block."""
    return isinstance(node, ast.Assign) and any(dotted(target) == f"{obj}.{column}" for target in node.targets)


def _found_in(node: ast.stmt, obj: str, column: str, findings: Sequence[Finding]) -> bool:
    """Whether a simple statement, or a loop over the same object, holds another finding of the same column."""
    if isinstance(node, ast.If | ast.Try | ast.With | ast.Match | Function):
        return False
    return any(
        isinstance(finding.where, Source)
        and node.lineno <= finding.where.line <= (node.end_lineno or node.lineno)
        and (finding.evidence.get("object"), finding.evidence.get("field")) == (obj, column)
        for finding in findings
    ) and (not isinstance(node, ast.For | ast.While) or _same_object(node, obj))


def _same_object(loop: ast.For | ast.AsyncFor | ast.While, obj: str) -> bool:
    """Whether a loop leaves the name of the object alone, and is not left early or written in the middle."""
    # `players` and `number` of `players[number]`
    roots = set(re.findall(r"(?<![\w.\"'])[A-Za-z_]\w*", obj))
    for node in own_nodes(loop):
        if isinstance(node, ast.Name) and node.id in roots and isinstance(node.ctx, ast.Store):
            return False
        if isinstance(node, ast.Return | ast.Yield | ast.Await) or (
            isinstance(node, ast.Call) and last(node) in _WRITES
        ):
            return False
    return True


def _shared(module: Module, node: ast.stmt) -> bool:
    """Whether another statement follows on the last line."""
    line = module.lines[(node.end_lineno or node.lineno) - 1]
    rest = line[node.end_col_offset or 0 :].strip()
    return bool(rest) and not rest.startswith(b"#")


def _imported(module: Module) -> str | None:
    """The name that the file itself has for `flag_modified`; one imported inside a function does not count."""
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            for alias in node.names:
                if alias.name == "flag_modified":
                    return alias.asname or alias.name
    return None


def _import(module: Module, edit: Edit, origin: str, *names: str) -> None:
    """Import from `origin`, among the imports, where a sorted list has it."""
    line = f"from {origin} import {', '.join(names)}"
    place, after = 0, ""
    beside = False  # whether the place is among imports of the same distribution
    own = set(Path(module.path).parts[:-1])
    for node in module.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            text = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            top = (text or (node.names[0].name if isinstance(node, ast.Import) else "")).partition(".")[0]
            standard = top in sys.stdlib_module_names
            related = top == origin.partition(".")[0]
            if place and ((related and text > origin) or top in own):
                break
            if related or (not beside and (standard or not _later_group(node, origin) or not place)):
                place, after = node.end_lineno or node.lineno, top
            beside |= related
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and not place:
            place = node.end_lineno or node.lineno
        elif place:
            break
    # the standard library's imports are a group of their own
    edit.after.setdefault(place, []).extend(["", line] if after in sys.stdlib_module_names else [line])


def _later_group(node: ast.Import | ast.ImportFrom, origin: str) -> bool:
    """Whether an import stands below those of other distributions: relative ones do."""
    return isinstance(node, ast.ImportFrom) and (node.level > 0 or (node.module or "") > origin)


def _applied(data: bytes, edit: Edit) -> bytes:
    """The text with the edits; line ends and the last line stay as they are. Raises `Unreadable` if it is broken."""
    end = b"\r\n" if b"\r\n" in data else b"\n"
    lines = data.split(end)
    result: list[bytes] = [text.encode() for text in edit.after.get(0, ())]
    for number, line in enumerate(lines, 1):
        text = line
        if number in edit.replace:
            start, stop, new = edit.replace[number]
            text = text[:start] + new.encode() + text[stop:]
        if number in edit.append:
            code, mark, comment = text.partition(b"  #")
            text = code.rstrip() + edit.append[number].encode() + mark + comment
        result.append(text)
        result.extend(new.encode() for new in edit.after.get(number, ()))
    after = end.join(result)
    parse(after)
    return after


def mutable(findings: Iterable[Finding], read: dict[str, bytes] | None = None) -> list[Fixed]:
    """What makes the columns Mutable, where all that is lost in a column is changed at its top level."""
    columns: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.check == RULE:
            columns.setdefault(
                f"{finding.evidence.get('declared', '')}:{finding.evidence.get('field', '')}", []
            ).append(finding)
    edits: dict[str, tuple[Module, Edit, set[str], int]] = {}
    for declared, group in columns.items():
        path, number, _ = declared.rsplit(":", 2)
        if any(finding.evidence.get("nested") for finding in group) or not number.isdigit():
            continue
        if path not in edits:
            edits[path] = (Module(path, (read or {}).get(path) or Path(path).read_bytes()), Edit(), set(), 0)
        module, edit, names, mended = edits[path]
        kind = _kind({str(finding.evidence.get("change", "")) for finding in group})
        if kind and _wrap(module, edit, int(number), kind):
            edits[path] = (module, edit, names | {kind}, mended + len(group))
    found = []
    for path, (module, edit, names, mended) in edits.items():
        if mended:
            missing = sorted(name for name in names if name not in module.imports)
            if missing:
                _import(module, edit, _MUTABLE, *missing)
            found.append(Fixed(path, module.data, _applied(module.data, edit), mended))
    return found


def _kind(changes: set[str]) -> str:
    """MutableDict or MutableList, from what is done to the value; empty when that does not tell."""
    lists = {"append", "extend", "insert", "remove", "sort", "reverse", "+="}
    dicts = {"update", "setdefault", "popitem", "|="}
    if changes & lists and not changes & dicts:
        return "MutableList"
    return "MutableDict" if not changes & lists else ""


def _wrap(module: Module, edit: Edit, number: int, kind: str) -> bool:
    """Put the type of the column on a line into `kind.as_mutable(...)`."""
    for node in _statements(module.tree):
        if node.lineno == number and isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            call = next(
                (
                    one
                    for one in ast.walk(node.value)
                    if isinstance(one, ast.Call) and last(one) in ("Column", "mapped_column")
                ),
                None,
            )
            for arg in call.args[:2] if call is not None else ():
                if "JSON" in ast.unparse(arg) and "as_mutable" not in ast.unparse(arg) and arg.lineno == arg.end_lineno:
                    text = module.segment(arg)
                    edit.replace[arg.lineno] = (arg.col_offset, arg.end_col_offset or 0, f"{kind}.as_mutable({text})")
                    return True
    return False
