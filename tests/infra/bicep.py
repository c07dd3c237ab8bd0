"""Reads Bicep files: what each declares and uses, and the values that its text alone determines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
FILES = sorted(str(path.relative_to(INFRA)) for path in INFRA.rglob("*.bicep"))

_DECLARATIONS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
}
_INTERPOLATION = re.compile(r"\$\{(\w+)\}")


@dataclass
class Declaration:
    """A parameter, variable, resource, module or output of a file."""

    kind: str
    name: str
    node: Node
    argument: str = ""
    """Type and version of a resource, path of a module."""
    has_default: bool = False


@dataclass
class Template:
    """One file."""

    path: str
    root: Node
    declared: dict[tuple[str, str], Declaration] = field(default_factory=dict)
    uses: set[str] = field(default_factory=set)
    """Names of parameters, variables, resources and modules that an expression refers to."""
    outputs_used: set[tuple[str, str]] = field(default_factory=set)
    """Module and output."""

    def of(self, *kinds: str) -> dict[str, Declaration]:
        """Return the declarations of these kinds by name."""
        return {name: one for (kind, name), one in self.declared.items() if kind in kinds}

    def texts(self, name: str) -> list[str]:
        """Return the texts in the value of a variable, with the variables in them resolved where these are texts."""
        node = self.of("var")[name].node
        found = [_content(text) for text in walk(node) if text.type == "string"]
        return [_INTERPOLATION.sub(lambda match: self._text_of(match[1]) or match[0], text) for text in found]

    def _text_of(self, name: str) -> str | None:
        declaration = self.of("var").get(name)
        value = declaration.node.named_children[-1] if declaration else None
        return _content(value) if value is not None and value.type == "string" else None

    def arrays(self, node: Node) -> list[str]:
        """Return the texts of ``concat(a, b)`` of variables, or of one variable."""
        return [
            text
            for one in walk(node)
            if one.type == "identifier" and one.text != b"concat"
            for text in self.texts(word(one))
        ]


@cache
def read(path: str) -> Template:
    """Read a file of ``infra/``."""
    return parse((INFRA / path).read_text(encoding="utf-8"), path)


def parse(text: str, path: str = "") -> Template:
    """Read the text of a file."""
    root = Parser(Language(tree_sitter_bicep.language())).parse(text.encode()).root_node
    template = Template(path, root)
    for node in walk(root):
        if node.type in _DECLARATIONS:
            _declare(template, node)
    _use(template, root, frozenset())
    return template


def walk(node: Node) -> Iterator[Node]:
    """Give a node and all below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def errors(template: Template) -> list[str]:
    """Return where the text is no Bicep."""
    return [f"line {node.start_point[0] + 1}" for node in walk(template.root) if node.is_error or node.is_missing]


def word(node: Node) -> str:
    """Return the text of a node."""
    return (node.text or b"").decode()


def property_of(node: Node, *names: str) -> Node | None:
    """Return the value of a property of an object (of an object of an object …); ``None`` if it is not there."""
    for name in names:
        for one in walk(node):
            if one.type == "object_property" and word(one.named_children[0]) == name:
                node = one.named_children[1]
                break
        else:
            return None
    return node


def _content(string: Node) -> str:
    return word(string).removeprefix("'").removesuffix("'")


def _declare(template: Template, node: Node) -> None:
    kind = _DECLARATIONS[node.type]
    name, *rest = node.named_children
    first = rest[0] if rest else None
    argument = _content(first) if first is not None and kind in {"resource", "module"} else ""
    has_default = kind == "param" and len(rest) > 1
    template.declared[kind, word(name)] = Declaration(kind, word(name), node, argument, has_default)


def _use(template: Template, node: Node, local: frozenset[str]) -> None:
    """Collect what expressions below ``node`` refer to. ``local``: names of the loops and lambdas around it."""
    children = node.named_children
    if node.type in {*_DECLARATIONS, "call_expression", "type"}:
        children = children[1:]  # its name is no use
    elif node.type == "object_property" and children and children[0].type == "identifier":
        children = children[1:]
    elif node.type == "for_statement":
        local |= {
            word(one) for one in walk(children[0]) if one.type in {"identifier", "loop_variable", "loop_enumerator"}
        }
        children = children[1:]
    elif node.type == "lambda_expression":
        local |= {word(one) for one in children[:-1] if one.type == "identifier"}
        children = children[-1:]
    elif node.type == "member_expression":
        inner = children[0]
        if inner.type == "member_expression" and word(inner.named_children[-1]) == "outputs":
            template.outputs_used.add((word(inner.named_children[0]).rstrip("!?"), word(children[-1])))
    elif node.type == "identifier" and word(node) not in local:
        template.uses.add(word(node))
    for child in children:
        _use(template, child, local)
