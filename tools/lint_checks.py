"""Rules on the checks of a page, read from the syntax of its cells.

The guards of ``theorylab.verify`` see a running check; these see what only the
source shows: a check that was skipped, a branch on what a control damages, a float
inside code that calls itself exact.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from tools import notebooks
from tools.findings import Finding, Page

Bindings = dict[str, list[ast.AST]]
"""What names stand for: functions, classes, assigned values."""

BANNED_IN_CHECKS = frozenset(
    """
    default_rng RandomState seed manual_seed set_state Generator SeedSequence
    PCG64 PCG64DXSM MT19937 Philox SFC64
    """.split()  # noqa: SIM905
)
"""Names with which a check would choose its own random numbers."""
PRIVATE = frozenset({"issue", "_issued", "is_genuine", "guards"})
"""Names of ``theorylab.verify`` with which evidence could be made or unguarded."""
EXACT = {
    "exhausted.forall": {1: "sides"},
    "exhausted.decides": {1: "score", 2: "threshold", 3: "truth"},
    "exhausted.vectorised": {0: "sides"},
    "enclosed.at_most": {0: "lhs", 1: "rhs"},
    "enclosed.equal": {0: "a", 1: "b"},
    "proved.on_box": {0: "f", 2: "bound"},
}
"""The verifiers whose functions must compute without floats, and which those are.

What else they take is data, which they refuse themselves when it is no exact number:
an untrusted hint may come from floats, as long as it enters as data.
"""
FLOATING = frozenset({"np", "numpy", "math", "torch", "scipy", "cmath", "random"})
NUMPY = frozenset({"np", "numpy"})
FLOATING_NUMPY = frozenset(
    """
    float16 float32 float64 double exp expm1 log log1p log2 log10 sqrt cbrt sin cos tan
    tanh sinh cosh arctan mean average std var true_divide divide linalg linspace random
    pi e inf nan
    """.split()  # noqa: SIM905
)
"""What of NumPy is no integer arithmetic; the rest is allowed on integer arrays."""
EXACT_MATH = frozenset({"comb", "perm", "factorial", "gcd", "lcm", "isqrt", "prod"})
"""What of ``math`` gives integers for integers."""
ROUNDED = frozenset({"int", "round", "floor", "ceil", "trunc"})
"""What hides that a true division of integers gave a float."""
BALLS = frozenset({"max", "min", "sorted"})
"""What branches on the order of balls, where an undecided comparison is false."""
VERIFIERS = frozenset(
    {"proved", "exhausted", "enclosed", "attacked", "scaled", "sampled", "Theorem"}
)
INSIDE = frozenset(
    """
    __setattr__ __delattr__ __dict__ __globals__ __builtins__ __code__ __closure__
    __defaults__ __kwdefaults__ __subclasses__ __class__ __bases__
    """.split()  # noqa: SIM905
)
REACHING = frozenset(
    {"setattr", "delattr", "vars", "globals", "locals", "exec", "eval", "__import__"}
)
"""Ways past the names that the rules read; no chapter needs one."""
EXACT_NUMBERS = frozenset(
    {"Fraction", "fmpq", "fmpz", "Rational", "Integer", "rational", "int", "round"}
)
"""What makes an exact number of whatever it is given."""


@dataclass(frozen=True)
class Check:
    """One ``@thm.check``: where it stands and what it is."""

    cell: int
    slug: str
    name: str
    function: ast.FunctionDef
    decorator: ast.Call

    @property
    def id(self) -> str:
        """The permanent id of the claim."""
        return f"{self.slug}/{self.name}"

    @property
    def parameters(self) -> list[str]:
        """What a control may damage: every parameter but the generator."""
        a = self.function.args
        names = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
        return [name for name in names if name != "rng"]


@dataclass(frozen=True)
class Declared:
    """One ``Theorem(...)`` on a page."""

    cell: int
    slug: str
    variable: str
    specimen: bool


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((k.value for k in call.keywords if k.arg == name), None)


def _constant(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


@cache
def theorems(page: Page) -> list[Declared]:
    """Every theorem that the cells of a page declare by name."""
    found = []
    for number, tree in page.trees:
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
                continue
            call = node.value
            called = getattr(call.func, "id", getattr(call.func, "attr", ""))
            if called != "Theorem":
                continue
            slug = _constant(call.args[0] if call.args else _keyword(call, "slug"))
            specimen = _keyword(call, "specimen")
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.append(
                        Declared(
                            number,
                            str(slug),
                            target.id,
                            specimen is not None and _constant(specimen) is not False,
                        )
                    )
    return found


@cache
def checks(page: Page) -> list[Check]:
    """Every check that the cells of a page declare, in order."""
    slugs = {t.variable: t.slug for t in theorems(page)}
    found = []
    for number, tree in page.trees:
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            for decorator in node.decorator_list:
                if (
                    isinstance(decorator, ast.Call)
                    and isinstance(decorator.func, ast.Attribute)
                    and decorator.func.attr == "check"
                ):
                    owner = getattr(decorator.func.value, "id", "?")
                    first = decorator.args[0] if decorator.args else None
                    name = _constant(first or _keyword(decorator, "name"))
                    found.append(
                        Check(
                            number,
                            slugs.get(owner, "?"),
                            str(name or node.name.replace("_", "-")),
                            node,
                            decorator,
                        )
                    )
    return found


def _specimens(page: Page) -> set[str]:
    return {t.slug for t in theorems(page) if t.specimen}


# Rules on ids and counts


def out_of_sight(page: Page) -> list[Finding]:
    """Theorems and checks are declared in the one form that these rules can read."""
    stated, declared = theorems(page), checks(page)
    variables = {t.variable for t in stated}
    found = []
    for number, tree in page.trees:
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        made = sum(_word(call.func) == "Theorem" for call in calls)
        if made != sum(t.cell == number for t in stated):
            message = "expected every Theorem assigned to a plain name"
            found.append(page.finding("out of sight", message, number))
        run = sum(
            isinstance(call.func, ast.Attribute)
            and call.func.attr in {"check", "_run"}
            and getattr(call.func.value, "id", "") in variables
            for call in calls
        )
        if run > sum(c.cell == number for c in declared):
            message = "expected every check as a decorator of a function"
            found.append(page.finding("out of sight", message, number))
    return found


def two_checks_in_a_cell(page: Page) -> list[Finding]:
    """A raise stops the cell, so a second check there would go missing unseen."""
    counted = Counter(check.cell for check in checks(page))
    return [
        page.finding("one check a cell", f"{count} checks in one cell", cell)
        for cell, count in counted.items()
        if count > 1
    ]


def certificate_names(page: Page) -> dict[str, list[str]]:
    """The checks named in the stored certificates of a page, by slug."""
    found: dict[str, list[str]] = {}
    for _, cell in page.cells():
        if not notebooks.is_marked(cell):
            continue
        for output in cell.outputs:
            lines = "".join(output.get("text", "")).splitlines()
            if not lines or not lines[-1].endswith("checks hold"):
                continue
            names = [ln.split("  ")[2] for ln in lines[1:-1] if ln.count("  ") >= 3]
            found[lines[0].split("  ")[0]] = names
    return found


def certificate_complete(page: Page) -> list[Finding]:
    """Every declared check has its row in the stored certificate, in its place."""
    declared: dict[str, list[str]] = {}
    for check in checks(page):
        declared.setdefault(check.slug, []).append(check.name)
    shown = certificate_names(page)
    found = []
    for theorem in theorems(page):
        if theorem.specimen:
            continue
        names = declared.get(theorem.slug, [])
        rows = shown.get(theorem.slug)
        if rows is None:
            message = f"no stored certificate of {theorem.slug}"
            found.append(page.finding("certificate", message))
        elif sorted(rows) != sorted(names):
            left_out = sorted(set(names) - set(rows))
            unknown = sorted(set(rows) - set(names))
            message = (
                f"{theorem.slug}: {len(names)} checks declared, {len(rows)} in the "
                f"stored certificate; missing {left_out}, unknown {unknown}"
            )
            found.append(page.finding("certificate", message))
        elif rows != names:
            first = next(i for i, (a, b) in enumerate(zip(rows, names)) if a != b)
            message = (
                f"{theorem.slug}: {rows[first]} has the row of {names[first]}; the "
                "checks were run in another order than they stand: run all cells"
            )
            found.append(page.finding("certificate", message))
    return found


def repeated_ids(pages: Iterable[Page]) -> list[Finding]:
    """A slug or a claim id is used once in the whole book, specimens included."""
    seen: dict[str, str] = {}
    found = []
    for page in pages:
        ids = [(t.cell, t.slug) for t in theorems(page)]
        ids += [(check.cell, check.id) for check in checks(page)]
        for cell, name in ids:
            here = f"{page.path}, cell {cell}"
            if name in seen:
                message = f"{name} is used at {seen[name]} already"
                found.append(page.finding("id used twice", message, cell))
            seen.setdefault(name, here)
    return found


def missing_targets(pages: Sequence[Page]) -> list[Finding]:
    """What a check rests on is a claim of the book."""
    known = {check.id for page in pages for check in checks(page)}
    found = []
    for page in pages:
        for check in checks(page):
            rests_on = _keyword(check.decorator, "rests_on")
            for node in ast.walk(rests_on) if rests_on is not None else ():
                target = _constant(node) if isinstance(node, ast.Constant) else None
                if isinstance(target, str) and target not in known:
                    message = f"{check.id} rests on {target}, which is no claim"
                    found.append(page.finding("rests_on", message, check.cell))
    return found


def specimen_outside_foundations(page: Page) -> list[Finding]:
    """Only the part on how to read the book shows claims that fail on purpose."""
    return [
        page.finding("specimen", f"{t.slug} is a specimen outside foundations", t.cell)
        for t in theorems(page)
        if t.specimen and not page.is_foundation
    ]


# Rules on what a check may do


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _aliases(function: ast.AST, names: Iterable[str]) -> set[str]:
    """The names given, and those that are plain copies of them."""
    known = set(names)
    while True:
        copies = {
            target.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Name)
            and node.value.id in known
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        if copies <= known:
            return known
        known |= copies


def _decisions(node: ast.AST, known: set[str]) -> Iterator[tuple[str, ast.expr]]:
    """The expressions by which ``node`` chooses what happens next."""
    if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
        yield type(node).__name__.lower(), node.test
    elif isinstance(node, ast.Match):
        yield "match", node.subject
    elif isinstance(node, ast.comprehension):
        yield from (("comprehension", test) for test in node.ifs)
    elif isinstance(node, ast.BoolOp):
        yield "and/or", node
    elif isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
        yield "look-up", node.slice
    elif isinstance(node, ast.Compare) and _names(node) <= known:
        yield "comparison", node
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"get", "__getitem__", "index", "setdefault", "pop"}
    ):
        yield from (("look-up", argument) for argument in node.args)


def branch_on_parameter(page: Page) -> list[Finding]:
    """A check treats claim and control alike: it decides nothing by a parameter."""
    found = []
    for check in checks(page):
        known = _aliases(check.function, check.parameters)
        for statement in check.function.body:
            for node in ast.walk(statement):
                for how, expression in _decisions(node, known):
                    met = sorted(_names(expression) & known)
                    if met:
                        message = f"{check.id}: {how} on {', '.join(met)}"
                        found.append(page.finding("branch", message, check.cell))
    return sorted(set(found))


@cache
def _functions(page: Page) -> Bindings:
    """What the names of a page's cells stand for: functions and assigned values."""
    found: Bindings = {}
    for _, tree in page.trees:
        for node in tree.body:
            _bind(node, found)
    return found


def _bind(node: ast.AST, found: Bindings) -> None:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        found.setdefault(node.name, []).append(node)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name):
                    found.setdefault(name.id, []).append(node.value)
    elif (
        isinstance(node, ast.AnnAssign | ast.NamedExpr)
        and isinstance(node.target, ast.Name)
        and node.value is not None
    ):
        found.setdefault(node.target.id, []).append(node.value)


@cache
def _free_names(node: ast.AST) -> set[str]:
    """The names a node takes from outside: not its parameters, not its own values."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        a = node.args
        own = {p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)}
        own |= {p.arg for p in (a.vararg, a.kwarg) if p is not None}
        body = node.body if isinstance(node.body, list) else [node.body]
        own |= {
            n.id
            for part in body
            for n in ast.walk(part)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        inner = set().union(*(_free_names(part) for part in body))
        values = [*a.defaults, *(d for d in a.kw_defaults if d is not None)]
        return (inner - own).union(*(_free_names(value) for value in values))
    if isinstance(node, ast.Name):
        return {node.id}
    parts = [_free_names(child) for child in ast.iter_child_nodes(node)]
    own = {
        n.id
        for generator in getattr(node, "generators", ())
        for n in ast.walk(generator.target)
        if isinstance(n, ast.Name)
    }
    return set().union(*parts) - own


def _reached(
    start: Iterable[ast.AST],
    bound: Bindings,
    names: Callable[[ast.AST], set[str]] = _free_names,
) -> list[ast.AST]:
    """``start`` and all that the names it uses stand for, transitively."""
    found: list[ast.AST] = []
    waiting = list(start)
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        found.append(node)
        for name in names(node):
            waiting.extend(bound.get(name, ()))
    return found


def _word(node: ast.AST) -> str:
    return getattr(node, "id", "") or getattr(node, "attr", "")


def banned_names(page: Page) -> list[Finding]:
    """No check makes its own generator; no cell makes evidence by itself."""
    found = []
    bound = _functions(page)
    for check in checks(page):
        reached = _reached([check.function], bound)
        words = {_word(n) for top in reached for n in ast.walk(top)}
        for word in sorted(words & BANNED_IN_CHECKS):
            message = f"{check.id} uses {word}: randomness is injected as rng"
            found.append(page.finding("banned name", message, check.cell))
    for number, tree in page.trees:
        for node in ast.walk(tree):
            found += [
                page.finding("banned name", message, number)
                for message in _private_uses(node)
            ]
    return sorted(set(found))


def _private_uses(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
        "theorylab.verify"
    ):
        for alias in node.names:
            if alias.name.startswith("_") or alias.name in PRIVATE:
                yield f"imports {alias.name} from {node.module}"
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.startswith("theorylab.verify."):
                yield f"imports {alias.name}: take what theorylab.verify offers"
    elif isinstance(node, ast.Attribute) and node.attr in {"issue", "_issued"}:
        yield f"uses .{node.attr}: only a verifier makes evidence"
    elif isinstance(node, ast.Name) and node.id in {"issue", "_issued"}:
        yield f"uses {node.id}: only a verifier makes evidence"


# Floats in exact code


def _exact_arguments(function: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The verifier and the argument, for each function that must be exact."""
    for node in ast.walk(function):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        verifier = f"{getattr(node.func.value, 'id', '')}.{node.func.attr}"
        for position, word in EXACT.get(verifier, {}).items():
            if position < len(node.args):
                yield verifier, node.args[position]
            elif (value := _keyword(node, word)) is not None:
                yield verifier, value


def _damages(check: Check) -> Bindings:
    """What each parameter of a check may stand for: its value, its damages."""
    found: Bindings = {}
    a = check.function.args
    positional = [*a.posonlyargs, *a.args]
    late = positional[len(positional) - len(a.defaults) :]
    for parameter, value in zip(late, a.defaults, strict=True):
        found.setdefault(parameter.arg, []).append(value)
    for parameter, value in zip(a.kwonlyargs, a.kw_defaults, strict=True):
        if value is not None:
            found.setdefault(parameter.arg, []).append(value)
    controls = _keyword(check.decorator, "controls")
    for node in ast.walk(controls) if controls is not None else ():
        if isinstance(node, ast.Call) and _word(node.func) == "dict":
            for word in node.keywords:
                if word.arg:
                    found.setdefault(word.arg, []).append(word.value)
        elif isinstance(node, ast.Dict):
            for k, value in zip(node.keys, node.values, strict=True):
                if isinstance(_constant(k), str):
                    found.setdefault(str(k.value), []).append(value)
    return found


def _is_code(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda)


@cache
def _makes_code(node: ast.AST) -> bool:
    return any(_is_code(part) for part in ast.walk(node) if part is not node)


def _used_by(node: ast.AST, bound: Bindings) -> set[str]:
    """The names that matter when exact code runs.

    All free names of code. Of a value, computed before the check and only read by
    it, not the functions that computed it, unless they make functions.
    """
    names = _free_names(node)
    if _is_code(node):
        return names
    called = {
        part.func.id
        for part in ast.walk(node)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)
    }
    makers = {n for n in called if any(_makes_code(t) for t in bound.get(n, ()))}
    return names - (called - makers)


def _exact_code(argument: ast.AST, bound: Bindings) -> list[ast.AST]:
    """What runs, or is read, when a verifier calls ``argument``."""
    return _reached([argument], bound, lambda node: _used_by(node, bound))


def _floats(node: ast.AST, verifier: str) -> Iterator[str]:
    """The floats in a piece of exact code, in words."""
    arrays = verifier == "exhausted.vectorised"
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, float):
            yield f"the float {part.value!r}"
        elif isinstance(part, ast.Call) and _word(part.func) in {"float", "complex"}:
            yield f"a call of {_word(part.func)}"
        elif isinstance(part, ast.Call) and _word(part.func) in ROUNDED:
            if any(_divides(n) for a in part.args for n in ast.walk(a)):
                yield f"a true division inside {_word(part.func)}"
        elif _divides(part) and _whole(part.left) and _whole(part.right):
            yield f"{ast.unparse(part)}, a division of plain integers"
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            integers = arrays and part.attr not in FLOATING_NUMPY
            if part.value.id in FLOATING - (NUMPY if integers else set()):
                yield f"{part.value.id}.{part.attr}"
        elif arrays and _divides(part):
            yield "a true division of arrays"


def _divides(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)


def _whole(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int


def _fixed_widths(node: ast.AST) -> Iterator[str]:
    """Casts to a type that is not the rows' own: there the re-run would wrap too.

    An index may be cast, since the re-run in Python integers cannot index.
    """
    indices = {
        id(part)
        for n in ast.walk(node)
        if isinstance(n, ast.Subscript)
        for part in ast.walk(n.slice)
    }
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and _word(part.func) == "astype":
            kinds = [*part.args, *(k.value for k in part.keywords if k.arg == "dtype")]
            own = kinds and all(getattr(k, "attr", "") == "dtype" for k in kinds[:1])
            if not own and id(part) not in indices:
                yield f"{ast.unparse(part)[:40]}: expected .astype(rows.dtype)"


def _branches_on_order(node: ast.AST) -> Iterator[str]:
    """Decisions by an order: of balls, an undecided one counts as false."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and getattr(part.func, "id", "") in BALLS:
            yield f"{part.func.id}: expected balls.maximum or balls.minimum"
        elif isinstance(part, ast.If | ast.IfExp | ast.While | ast.Assert | ast.BoolOp):
            test = part if isinstance(part, ast.BoolOp) else part.test
            yield from _orders(test)
        elif isinstance(part, ast.comprehension):
            for test in part.ifs:
                yield from _orders(test)


def _orders(test: ast.AST) -> Iterator[str]:
    for n in ast.walk(test):
        if isinstance(n, ast.Compare) and any(
            isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for op in n.ops
        ):
            yield f"a branch on {ast.unparse(n)[:40]}"


def _floats_in_value(node: ast.AST) -> Iterator[str]:
    """The floats that a value may be; made exact by a constructor, it is none."""
    if isinstance(node, ast.Call) and _word(node.func) in EXACT_NUMBERS:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield f"the float {node.value!r}"
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        floating = node.value.id in FLOATING - NUMPY or node.attr in FLOATING_NUMPY
        if node.value.id in FLOATING and floating:
            yield f"{node.value.id}.{node.attr}"
    for child in ast.iter_child_nodes(node):
        yield from _floats_in_value(child)


def _exact_pieces(page: Page) -> Iterator[tuple[Check, str, ast.AST]]:
    """Check, verifier and every piece of code or value that must be exact there.

    Followed by name: the functions and values of the page, what the check defines
    inside, and whatever stands for its parameters as stated and in every control.
    """
    for check in checks(page):
        inside: Bindings = {}
        for node in ast.walk(check.function):
            if node is not check.function:
                _bind(node, inside)
        for name, nodes in _damages(check).items():
            inside.setdefault(name, []).extend(nodes)
        bound = {**_functions(page), **inside}
        for verifier, argument in _exact_arguments(check.function):
            for node in _exact_code(argument, bound):
                yield check, verifier, node


def _imported_floats(page: Page) -> dict[str, str]:
    """Names that a page gives to floating modules and functions, and what they are."""
    found = {}
    for _, tree in page.trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.partition(".")[0] in FLOATING:
                        found[alias.asname or alias.name] = alias.name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                module = node.module or ""
                for alias in node.names:
                    exact = module == "math" and alias.name in EXACT_MATH
                    if module.partition(".")[0] in FLOATING and not exact:
                        found[alias.asname or alias.name] = f"{module}.{alias.name}"
    return found


def _floats_by_import(node: ast.AST, known: dict[str, str]) -> Iterator[str]:
    """What a piece of exact code takes from a floating module by another name."""
    for name in sorted(_free_names(node) & set(known) - FLOATING):
        yield known[name] if known[name] == name else f"{name} ({known[name]})"


def floats_in_exact_code(page: Page) -> list[Finding]:
    """What is passed to an exact verifier computes without floats."""
    found = []
    imported = _imported_floats(page)
    for check, verifier, node in _exact_pieces(page):
        floats = list(_floats_in_value(node))
        if _is_code(node):
            floats = [*_floats(node, verifier), *_floats_by_import(node, imported)]
        for what in floats:
            message = f"{check.id}: {what} reaches {verifier}"
            found.append(page.finding("float", message, check.cell))
    return sorted(set(found))


def fixed_width_in_exact_code(page: Page) -> list[Finding]:
    """A vectorised side follows the type of its rows, else its re-run wraps as well."""
    return sorted(
        {
            page.finding("fixed width", f"{check.id}: {what}", check.cell)
            for check, verifier, node in _exact_pieces(page)
            if verifier == "exhausted.vectorised"
            for what in _fixed_widths(node)
        }
    )


def branch_on_balls(page: Page) -> list[Finding]:
    """A function of balls encloses: it decides nothing by the order of balls."""
    return sorted(
        {
            page.finding("branch on balls", f"{check.id}: {what}", check.cell)
            for check, verifier, node in _exact_pieces(page)
            if verifier == "proved.on_box" and _is_code(node)
            for what in _branches_on_order(node)
        }
    )


# Past the interface


def reaches_inside(page: Page) -> list[Finding]:
    """A chapter uses the library and changes nothing in it."""
    library = {t.variable for t in theorems(page)}
    for _, tree in page.trees:
        for node in ast.walk(tree):
            if _from_library(node):
                library |= {alias.asname or alias.name for alias in node.names}
    return sorted(
        {
            page.finding("reaches inside", message, number)
            for number, tree in page.trees
            for node in ast.walk(tree)
            for message in _reaches(node, library)
        }
    )


def _from_library(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
        "theorylab"
    )


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return getattr(node, "id", "")


def _reaches(node: ast.AST, library: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        own = _root(node) in {"self", "cls"}
        private = node.attr.startswith("_") and not node.attr.startswith("__")
        if (private and not own) or node.attr in INSIDE:
            yield f"uses .{node.attr}"
        elif node.attr in PRIVATE and _root(node) in library:
            yield f"uses {ast.unparse(node)}"
        elif node.attr in {"environ", "putenv"} or ast.unparse(node) == "sys.modules":
            yield f"uses {ast.unparse(node)}: a check chooses no seed and no order"
        elif isinstance(node.ctx, ast.Store | ast.Del) and _root(node) in library:
            yield f"changes {ast.unparse(node)}"
    elif isinstance(node, ast.Name) and node.id in REACHING:
        yield f"uses {node.id}"
    elif isinstance(node, ast.Call) and _word(node.func) == "getattr":
        name = _constant(node.args[1]) if len(node.args) > 1 else None
        if not isinstance(name, str) or name.startswith("_") or name in PRIVATE:
            yield f"{ast.unparse(node)[:40]}: expected a plain public name"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        if "vnd.theorylab" in node.value:
            yield "writes a record by hand: only Theorem.figures() makes one"
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from _imports(node)
    taken = VERIFIERS & set(_binds(node))
    if taken:
        yield f"gives {', '.join(sorted(taken))} another meaning"


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    module = getattr(node, "module", "") or ""
    names = {module, *(alias.name for alias in node.names)}
    for word in sorted(names & {"importlib", "environ", "builtins", "gc", "ctypes"}):
        yield f"imports {word}"


def _binds(node: ast.AST) -> Iterator[str]:
    """The names that a node gives a meaning, other than by importing the library."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Import | ast.ImportFrom):
        ours = _from_library(node)
        for alias in node.names:
            if not ours or (alias.asname or alias.name) != alias.name:
                yield alias.asname or alias.name


RULES = (
    out_of_sight,
    two_checks_in_a_cell,
    certificate_complete,
    specimen_outside_foundations,
    branch_on_parameter,
    banned_names,
    floats_in_exact_code,
    fixed_width_in_exact_code,
    branch_on_balls,
    reaches_inside,
)
BOOK_RULES = (repeated_ids, missing_targets)
