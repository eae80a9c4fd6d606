"""The ways in which a piece of source is damaged, one at a time.

A mutant replaces one span of the text and leaves the rest as it stands, so that the
report can show it as ``before -> after`` on one line. Spans come from the syntax
tree. Messages of errors, docstrings, annotations and text are left alone: nothing
that is computed depends on them.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

OPERATORS: dict[type, str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.Pow: "*",
    ast.LShift: ">>",
    ast.RShift: "<<",
    ast.BitAnd: "|",
    ast.BitOr: "&",
    ast.BitXor: "|",
}
COMPARISONS: dict[type, str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
TWINS = {
    "min": "max",
    "minimum": "maximum",
    "amin": "amax",
    "argmin": "argmax",
    "floor": "ceil",
    "sin": "cos",
    "all": "any",
    "sum": "prod",
    "cumsum": "cumprod",
    "real": "imag",
    "zeros": "ones",
    "upper": "lower",
    "triu": "tril",
}
TWINS |= {b: a for a, b in TWINS.items()}
BUILTIN_TWINS = {"min", "max", "all", "any"}  # the others need a module before them
DROPPED = {"T", "mT"}  # transposes that may be forgotten
FIRST_OF_TWO = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.BitAnd, ast.BitOr, ast.Pow)


@dataclass(frozen=True)
class Mutant:
    """One damage: ``source[start:end]`` becomes ``after``.

    ``unit`` is the function (dotted) or ``""`` for the top level, ``line`` counts
    from one, and ``id`` stays the same when other lines of the file move.
    """

    id: str
    unit: str
    line: int
    kind: str
    statement: str
    start: int
    end: int
    before: str
    after: str

    def apply(self, source: str) -> str:
        """The damaged source."""
        return source[: self.start] + self.after + source[self.end :]


class Text:
    """A source and its syntax tree, with positions as offsets into the text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tree = ast.parse(source)
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        """The offset of a position as ``ast`` gives it: columns count bytes."""
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        prefix = text.encode()[:column].decode()
        return self._starts[line - 1] + len(prefix)

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends."""
        return (
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno, node.end_col_offset),
        )

    def of(self, node: ast.AST) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.source[start:end]

    def operand(self, node: ast.AST) -> str:
        """The text of a node, in brackets where its parts could come apart.

        The span of a node leaves out the brackets around it.
        """
        if isinstance(
            node,
            ast.BinOp
            | ast.BoolOp
            | ast.Compare
            | ast.IfExp
            | ast.UnaryOp
            | ast.Lambda
            | ast.NamedExpr
            | ast.Starred,
        ):
            return f"({self.of(node)})"
        return self.of(node)


Change = tuple[str, ast.AST, str]
"""Kind, the node that is replaced, and its replacement."""


def mutants(source: str, *, names: Iterable[str] | None = None) -> list[Mutant]:
    """Every mutant of a source, in the order of the text.

    Args:
        source: a module or a cell.
        names: only the functions and top-level names in this set.
    """
    text = Text(source)
    wanted = None if names is None else set(names)
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for unit, statement in statements(text.tree):
        if wanted is not None and unit.partition(".")[0] not in wanted:
            continue
        for kind, node, after in changes(text, statement):
            start, end = text.span(node)
            before = source[start:end]
            if after == before:
                continue
            head = " ".join(text.of(statement).split())
            name = "\0".join(
                (unit, head, before, after, str(start - text.span(statement)[0]))
            )
            seen[name] = seen.get(name, 0) + 1
            digest = hashlib.sha256(f"{name}\0{seen[name]}".encode()).hexdigest()
            mutant = Mutant(
                digest[:12], unit, node.lineno, kind, head, start, end, before, after
            )
            found.append(mutant)
    return list({m.id: m for m in found}.values())


def statements(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Every simple statement and every head of a compound one, with its function."""

    def inside(body: list[ast.stmt], unit: str) -> Iterator[tuple[str, ast.stmt]]:
        for statement in body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                name = f"{unit}.{statement.name}" if unit else statement.name
                yield from inside(statement.body, name)
                continue
            if isinstance(statement, ast.Import | ast.ImportFrom | ast.Raise):
                continue
            if is_text(statement) or is_type(statement):
                continue
            yield unit or target(statement), statement
            for block in ("body", "orelse", "finalbody"):
                yield from inside(getattr(statement, block, []), unit)
            for handler in getattr(statement, "handlers", []):
                yield from inside(handler.body, unit)

    yield from inside(tree.body, "")


def is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring or prints: nothing computed rests on it."""
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id == "print"
    return isinstance(value, ast.Constant)


def is_type(statement: ast.stmt) -> bool:
    """Whether a statement only names a type."""
    return isinstance(statement, ast.AnnAssign) and statement.value is None


def target(statement: ast.stmt) -> str:
    """The name that a statement at top level binds."""
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id
    return ""


def changes(text: Text, statement: ast.stmt) -> Iterator[Change]:
    """The damages to one statement, not to the statements inside it."""
    if isinstance(statement, ast.If) and all(
        isinstance(s, ast.Raise) for s in statement.body
    ):
        yield "guard", statement.test, "False"
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        yield "statement", statement, "pass"
    if isinstance(statement, ast.AugAssign):
        operator = OPERATORS.get(type(statement.op))
        if operator:
            left, right = text.of(statement.target), text.operand(statement.value)
            yield "operator", statement, f"{left} {operator}= {right}"
            yield "statement", statement, "pass"
    for node in expressions(statement):
        yield from expression_changes(text, node)


def expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions that belong to a statement itself."""
    waiting: list[ast.AST] = [
        child
        for name, child in fields(statement)
        if isinstance(child, ast.expr | ast.withitem) and name != "annotation"
    ]
    while waiting:
        node = waiting.pop(0)
        yield node
        if isinstance(node, ast.JoinedStr):
            continue
        waiting.extend(
            child
            for name, child in fields(node)
            if isinstance(child, ast.AST) and name not in {"annotation", "returns"}
        )


def fields(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The children of a node with the names of their fields."""
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield name, value
        elif isinstance(value, list):
            yield from ((name, item) for item in value if isinstance(item, ast.AST))


def expression_changes(text: Text, node: ast.AST) -> Iterator[Change]:
    """The damages to one expression, not to the expressions inside it."""
    if isinstance(node, ast.BinOp):
        left, right = text.operand(node.left), text.operand(node.right)
        if type(node.op) in OPERATORS and not is_words(node.left):
            yield "operator", node, f"({left} {OPERATORS[type(node.op)]} {right})"
        if isinstance(node.op, FIRST_OF_TWO) and not is_words(node.left):
            yield "term", node, f"({left})"
        if isinstance(node.op, ast.Add | ast.Mult) and not is_words(node.left):
            yield "term", node, f"({right})"
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            rest = [text.operand(v) for v in node.values if v is not value]
            word = " and " if isinstance(node.op, ast.And) else " or "
            yield "term", node, f"({word.join(rest)})"
    elif isinstance(node, ast.Compare):
        yield from comparison_changes(text, node)
    elif isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.USub | ast.Not | ast.Invert):
            yield "sign", node, f"({text.of(node.operand)})"
    elif isinstance(node, ast.Constant):
        yield from constant_changes(node)
    elif isinstance(node, ast.Slice):
        for bound in (node.lower, node.upper):
            if bound is not None and not is_number(bound):
                yield "off by one", bound, f"({text.of(bound)}) + 1"
    elif isinstance(node, ast.Attribute) and node.attr in DROPPED:
        yield "transpose", node, text.of(node.value)
    elif isinstance(node, ast.IfExp):
        body, other = text.of(node.body), text.of(node.orelse)
        yield "branch", node, f"({body})"
        yield "branch", node, f"({other})"
    elif isinstance(node, ast.Call):
        yield from call_changes(text, node)


def comparison_changes(text: Text, node: ast.Compare) -> Iterator[Change]:
    """Strict for weak, the contrary for an equality, one link at a time."""
    sides = [text.operand(side) for side in (node.left, *node.comparators)]
    words = [ast.unparse(ast.Compare(ast.Name("a"), [op], [ast.Name("b")]))[2:-2]
             for op in node.ops]  # fmt: skip
    for place, op in enumerate(node.ops):
        changed = list(words)
        changed[place] = COMPARISONS[type(op)]
        links = (f" {w} {s}" for w, s in zip(changed, sides[1:]))
        yield "comparison", node, f"({sides[0]}{''.join(links)})"


def constant_changes(node: ast.Constant) -> Iterator[Change]:
    """One more, twice as much, the other truth value."""
    value = node.value
    if isinstance(value, bool):
        yield "constant", node, str(not value)
    elif isinstance(value, int):
        yield "constant", node, str(value + 1)
    elif isinstance(value, float):
        yield "constant", node, repr(value * 2 if value else 1.0)


def call_changes(text: Text, node: ast.Call) -> Iterator[Change]:
    """The wrong twin, the first two arguments swapped, a range one short or long."""
    func, arguments = node.func, node.args
    name = func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")
    if name in TWINS and (isinstance(func, ast.Attribute) or name in BUILTIN_TWINS):
        start, end = text.span(func)
        whole = text.source[start:end]
        yield "twin", func, whole[: len(whole) - len(name)] + TWINS[name]
    if len(arguments) >= 2 and not any(
        isinstance(a, ast.Starred | ast.Constant | ast.JoinedStr) for a in arguments[:2]
    ):
        first, second = (text.of(a) for a in arguments[:2])
        if first != second:
            start, end = text.span(node)
            middle = text.source[
                text.span(arguments[0])[1] : text.span(arguments[1])[0]
            ]
            whole = (
                text.source[start : text.span(arguments[0])[0]]
                + second
                + middle
                + first
                + text.source[text.span(arguments[1])[1] : end]
            )
            yield "swap", node, whole
    if name == "range" and arguments:
        last = arguments[1 if len(arguments) > 1 else 0]
        if not is_number(last):
            yield "off by one", last, f"({text.of(last)}) - 1"


def is_number(node: ast.AST) -> bool:
    """Whether a node is a literal number, with or without a sign."""
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def is_words(node: ast.AST) -> bool:
    """Whether a node is text, where ``+`` and ``%`` mean something else."""
    if isinstance(node, ast.BinOp):
        return is_words(node.left)
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
