"""What the names of one function stand for, told from its text alone: quick, and silent where it does not know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cached_property

from trueup.lint.index import Index
from trueup.lint.project import Class, File, Func
from trueup.lint.source import Function, dotted, last

_ONE = {
    "get",
    "first",
    "one",
    "one_or_none",
    "create",
    "get_object_or_404",
    "get_or_404",
    "first_or_404",
    "last",
    "latest",
}
#: How many calls of a chain are gone through.
_CHAIN = 40
_NOT_ROWS = {"count", "exists", "values", "values_list", "aggregate", "update", "delete", "bulk_create", "bulk_update"}


class FunctionNames:
    """The names of a function, a method of `owner`, or of a whole file."""

    def __init__(self, index: Index, file: File, node: ast.AST, owner: Class | None = None) -> None:
        self.index = index
        self.file = file
        self.node = node
        self.owner = owner

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """The nodes of the function, without those of functions inside it."""
        return self.file.module.survey.own.get(self.node, [])

    @cached_property
    def assigned(self) -> dict[str, list[ast.expr]]:
        """Name to the values it is given."""
        found: dict[str, list[ast.expr]] = {}
        for node in self.nodes:
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        if isinstance(target, ast.Name):
                            found.setdefault(target.id, []).append(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                    found.setdefault(name, []).append(value)
                case ast.NamedExpr(target=ast.Name(id=name), value=value):
                    found.setdefault(name, []).append(value)
                case _:
                    pass
        return found

    @cached_property
    def looped(self) -> dict[str, ast.expr]:
        """Name of a loop to what the loop goes through."""
        found: dict[str, ast.expr] = {}
        for node in self.nodes:
            if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension) and isinstance(node.target, ast.Name):
                found[node.target.id] = node.iter
        return found

    def model(self, node: ast.expr | None, depth: int = 0) -> Class | None:
        """The model that an expression is an object of."""
        if depth > 5 or node is None:
            return None
        match node:
            case ast.Await(value=value):
                return self.model(value, depth + 1)
            case ast.Name(id="self"):
                return self.owner
            case ast.Name(id=name):
                return self._named(name, depth)
            case ast.Call():
                return self._call(node, depth)
            case ast.Attribute(value=value, attr=attr):
                cls = self.model(value, depth + 1)
                relation = self.index.columns.relation(cls, attr) if cls is not None else None
                return self.index.columns.class_named(relation.target, relation.file) if relation else None
            case ast.Subscript(value=value):
                return self.rows(value, depth + 1)
        return None

    def _named(self, name: str, depth: int) -> Class | None:
        arguments = self.node.args if isinstance(self.node, Function) else None
        for arg in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs] if arguments else ():
            if arg.arg == name:
                return self._noted(arg.annotation)
        for value in self.assigned.get(name, ()):
            cls = self.model(value, depth + 1)
            if cls is not None:
                return cls
        if name in self.looped:
            return self.rows(self.looped[name], depth + 1)
        return None

    def _noted(self, note: ast.expr | None) -> Class | None:
        if note is None:
            return None
        for name in re.findall(r"[A-Za-z_][\w.]*", ast.unparse(note)):
            meaning = self.index.project.resolve(self.file, name)
            if isinstance(meaning, Class):
                return meaning if self.index.columns.is_model(meaning) else None
        return None

    def _call(self, node: ast.Call, depth: int) -> Class | None:
        meaning = self.index.project.resolve(self.file, dotted(node.func))
        if isinstance(meaning, Class):
            return meaning if self.index.columns.is_model(meaning) else None
        if isinstance(meaning, Func):
            return FunctionNames(self.index, meaning.file, ast.Module([], [])).noted(meaning.facts.returns)
        if last(node) in _ONE:
            if isinstance(node.func, ast.Attribute):
                cls = self.rows(node.func.value, depth + 1)
                if cls is not None:
                    return cls
            return self.mapped(node.args[0]) if node.args else None
        return None

    def noted(self, note: str) -> Class | None:
        """The model that an annotation names."""
        try:
            return self._noted(ast.parse(note, mode="eval").body) if note else None
        except SyntaxError:
            return None

    def mapped(self, node: ast.expr) -> Class | None:
        """The model that a name stands for as a class."""
        meaning = self.index.project.resolve(self.file, dotted(node)) if dotted(node) else None
        return meaning if isinstance(meaning, Class) and self.index.columns.is_model(meaning) else None

    def manager(self, cls: Class, attr: str) -> bool:
        """Whether an attribute of a model gives its rows: `objects`, `query`, or a manager by another name."""
        if attr in ("objects", "query", "_default_manager", "_base_manager"):
            return True
        declared = (one.facts.values.get(attr, "") for one in self.index.project.mro(cls))
        return any(re.search(r"Manager\b|as_manager\(|from_queryset\(", source) for source in declared)

    def rows(self, node: ast.expr | None, depth: int = 0) -> Class | None:
        """The model whose objects an expression gives when it is looped over: a query, a manager, a relation."""
        if depth > 8 or node is None:
            return None
        match node:
            case ast.Await(value=value):
                return self.rows(value, depth + 1)
            case ast.Attribute(value=value, attr=attr):
                cls = self.mapped(value)
                if cls is not None:
                    return cls if self.manager(cls, attr) else None
                cls = self.model(value, depth + 1)
                relation = self.index.columns.relation(cls, attr) if cls is not None else None
                return self.index.columns.class_named(relation.target, relation.file) if relation else None
            case ast.Call(func=func, args=args):
                return self._rows_of_call(func, args, depth)
            case ast.Name(id=name):
                for value in self.assigned.get(name, ()):
                    cls = self.rows(value, depth + 1)
                    if cls is not None:
                        return cls
            case ast.Subscript(value=value):
                return self.rows(value, depth + 1)
            case ast.ListComp(elt=elt, generators=generators):
                if isinstance(elt, ast.Name) and isinstance(generators[0].target, ast.Name):
                    return self.rows(generators[0].iter, depth + 1)
        return None

    def _rows_of_call(self, func: ast.expr, args: list[ast.expr], depth: int) -> Class | None:
        name = last(func)
        if name in ("query", "select", "scalars", "execute", "exec", "list", "enumerate", "sorted") and args:
            return self.mapped(args[0]) or self.rows(args[0], depth + 1)
        if name in _NOT_ROWS or name in _ONE or not isinstance(func, ast.Attribute):
            return None
        return self.rows(func.value, depth + 1)

    def queried(self, node: ast.expr) -> Class | None:
        """The model behind a query, also where its rows are dicts: after `values`, `annotate`."""
        depth = 0
        while depth < _CHAIN:
            depth += 1
            found = self.rows(node)
            if found is not None:
                return found
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                node = node.func.value
            elif isinstance(node, ast.Name) and self.assigned.get(node.id):
                node = self.assigned[node.id][0]
            else:
                break
        return None

    def stored(self) -> Iterator[tuple[Class, str, ast.expr, ast.AST]]:
        """Each value that is given to an attribute of a model: (model, attribute, value, node)."""
        for node in self.nodes:
            match node:
                case ast.Assign(targets=[ast.Attribute(value=value, attr=attr)], value=given):
                    cls = self.model(value)
                    if cls is not None and self.index.columns.is_model(cls):
                        yield cls, attr, given, node
                case ast.Call(func=func, keywords=keywords) if keywords:
                    cls = self.mapped(func) if dotted(func) else None
                    if cls is None and last(func) in ("create", "update", "get_or_create", "update_or_create"):
                        cls = self.rows(func.value) if isinstance(func, ast.Attribute) else None
                    if cls is None and last(func) == "values":
                        cls = self.statement(func)
                    if cls is not None:
                        for item in keywords:
                            if item.arg:
                                yield cls, item.arg, item.value, item.value
                case _:
                    pass

    def statement(self, node: ast.expr) -> Class | None:
        """The model of `update(Model)...values`, `insert(Model).values`."""
        while isinstance(node, ast.Attribute | ast.Call):
            if isinstance(node, ast.Call) and last(node) in ("update", "insert") and node.args:
                return self.mapped(node.args[0])
            node = node.func if isinstance(node, ast.Call) else node.value
        return None


def scopes(index: Index, file: File) -> list[FunctionNames]:
    """Each function of a file, and the file itself."""
    survey = file.module.survey
    kept: list[FunctionNames] | None = index.scopes.get(file.module.path)
    if kept is None or kept[0].node is not file.module.tree:
        classes = {cls.facts.line: cls for cls in file.classes.values()}
        kept = [FunctionNames(index, file, file.module.tree)]
        kept += [
            FunctionNames(index, file, node, classes.get(owner.lineno) if owner is not None else None)
            for node, owner in file.module.functions()
            if node in survey.own
        ]
        index.scopes.clear()  # one file at a time: the trees of thousands do not fit into memory
        index.scopes[file.module.path] = kept
    return kept


def scope_of(node: ast.AST, index: Index, file: File) -> FunctionNames:
    """The function around a node, or the file where there is none."""
    around: ast.AST | None = file.module.parents.get(node)
    while around is not None and not isinstance(around, Function):
        around = file.module.parents.get(around)
    every = scopes(index, file)
    return next((scope for scope in every if scope.node is around), every[0])
