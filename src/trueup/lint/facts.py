"""What the rest of a project needs to know of one file, small enough to keep on disk."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from trueup.lint.source import Function, Module, dotted, last, statements


@dataclass
class FunctionFacts:
    """A function or a method. Annotations and what it returns are source text, empty when there is none."""

    name: str
    line: int
    decorators: list[str] = field(default_factory=list)
    returns: str = ""
    returned: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class ClassFacts:
    """A class: `values` and `notes` are the sources of assigned values and of annotations by attribute.

    `made` are the attributes that `__init__` gives, by the source of their type as far as that is told.
    """

    name: str
    line: int
    bases: list[str] = field(default_factory=list)
    keywords: dict[str, str] = field(default_factory=dict)
    decorators: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    methods: dict[str, FunctionFacts] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    encodes: bool = False
    inner: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Facts:
    """A file's classes, functions, simple assignments, imports, and calls made while it is imported."""

    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    classes: dict[str, ClassFacts] = field(default_factory=dict)
    functions: dict[str, FunctionFacts] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        classes = {
            name: {**vars(one), "methods": {key: vars(method) for key, method in one.methods.items()}}
            for name, one in self.classes.items()
        }
        functions = {name: vars(one) for name, one in self.functions.items()}
        return {**vars(self), "classes": classes, "functions": functions}

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> Facts:
        """From `plain`."""
        classes = {
            name: ClassFacts(
                **{**kept, "methods": {key: FunctionFacts(**made) for key, made in kept["methods"].items()}}
            )
            for name, kept in data["classes"].items()
        }
        functions = {name: FunctionFacts(**kept) for name, kept in data["functions"].items()}
        return cls(**{**data, "classes": classes, "functions": functions})


def facts_of(module: Module) -> Facts:
    """Read the facts off a file. Raises `Unreadable`."""
    facts = Facts(imports=module.imports, stars=list(module.stars))
    _body(module, module.tree.body, facts)
    return facts


def _body(module: Module, body: list[ast.stmt], facts: Facts) -> None:
    for node in body:
        match node:
            case ast.ClassDef():
                _class(module, node, facts, "")
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                facts.functions[node.name] = _function(module, node)
                for inner in statements(node.body, inner=False):
                    if isinstance(inner, ast.ClassDef):
                        _class(module, inner, facts, "")
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not isinstance(value, ast.Constant):
                facts.values[name] = module.segment(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=value, annotation=note):
                facts.notes[name] = module.segment(note)
                if value is not None and not isinstance(value, ast.Constant):
                    facts.values[name] = module.segment(value)
            case ast.Expr(value=ast.Call(func=ast.Attribute() | ast.Name()) as call):
                facts.statements.append(module.segment(call))
            case ast.If() | ast.Try() | ast.With():
                for inner_body in _bodies(node):
                    _body(module, inner_body, facts)
            case _:
                pass


def _bodies(node: ast.If | ast.Try | ast.With) -> list[list[ast.stmt]]:
    if isinstance(node, ast.With):
        return [node.body]
    handlers = [handler.body for handler in node.handlers] if isinstance(node, ast.Try) else []
    # what is first in the file wins where both branches define a name
    return [*([node.orelse] if isinstance(node, ast.If) else []), *handlers, node.body]


def _function(module: Module, node: Function) -> FunctionFacts:
    returned: list[str] = []
    for inner in statements(node.body, inner=False):
        if isinstance(inner, ast.Return) and inner.value is not None and len(returned) < 4:
            returned.append(module.segment(inner.value))
    return FunctionFacts(
        name=node.name,
        line=node.lineno,
        decorators=[module.segment(decorator) for decorator in node.decorator_list],
        returns=module.segment(node.returns) if node.returns else "",
        returned=returned,
    )


def _class(module: Module, node: ast.ClassDef, facts: Facts, prefix: str) -> None:
    found = ClassFacts(
        name=prefix + node.name,
        line=node.lineno,
        bases=[module.segment(base) for base in node.bases],
        keywords={item.arg: module.segment(item.value) for item in node.keywords if item.arg},
        decorators=[module.segment(decorator) for decorator in node.decorator_list],
    )
    for item in node.body:
        match item:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.values[name] = module.segment(value)
                found.lines[name] = item.lineno
            case ast.AnnAssign(target=ast.Name(id=name), annotation=note, value=value):
                found.notes[name] = module.segment(note)
                found.lines[name] = item.lineno
                if value is not None:
                    found.values[name] = module.segment(value)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found.methods.setdefault(item.name, _function(module, item))
                if item.name == "__init__":
                    found.made = _made(module, item)
                elif item.name in ("process_bind_param", "bind_processor"):
                    calls = (inner for inner in ast.walk(item) if isinstance(inner, ast.Call))
                    found.encodes |= any(last(call) in ("dumps", "encode") for call in calls)
            case ast.ClassDef():
                if item.name == "Meta":
                    found.inner[item.name] = module.segment(item)
                _class(module, item, facts, f"{prefix}{node.name}.")
            case _:
                pass
    facts.classes[found.name] = found


def _made(module: Module, init: Function) -> dict[str, str]:
    """`self.x = x` of an annotated parameter, `self.x: T = ...`, `self.x = T(...)`: attribute to source; else to ""."""
    every = [*init.args.posonlyargs, *init.args.args, *init.args.kwonlyargs]
    notes = {arg.arg: module.segment(arg.annotation) for arg in every if arg.annotation}
    found: dict[str, str] = {}
    for node in statements(init.body, inner=False):
        match node:
            case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=name), annotation=note):
                found[name] = module.segment(note)
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=ast.Name(id=given)):
                found[name] = notes.get(given, "")
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=ast.Call(func=func)
            ) if dotted(func):
                found.setdefault(name, module.segment(func))
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)]):
                found.setdefault(name, "")
            case _:
                pass
    return found
