"""Claims whose negation has no model, by z3 and, beside it, cvc5."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import cvc5
import z3

from theorylab import inputs

from .. import guards
from ..evidence import Evidence, Verdict, issue

# Work a solver may do for each second granted, in its own deterministic units, so
# that a verdict does not depend on the machine; the clock is only a backstop.
Z3_UNITS, CVC5_UNITS, BACKSTOP = 5_000_000, 150_000, 3


def unsat(
    hypotheses: Sequence[z3.BoolRef],
    claim: z3.BoolRef,
    *,
    timeout: float = 20.0,
    second: bool = True,
) -> Evidence:
    """The hypotheses imply the claim: their conjunction with its negation has no model.

    Asked beside it, so that nothing holds for want of a case: the hypotheses have a
    model; each variable can take a second value under them; the claim needs them.
    A model of the negation refutes the claim and is re-checked by substitution.
    *Unknown* is undecided. Sorts are printed: over ``Int`` ``x*x >= x`` holds, over
    ``Real`` it does not.

    Args:
        hypotheses: z3 formulas, possibly none.
        claim: a z3 formula.
        timeout: seconds for each question, granted as a deterministic amount of
            work per second.
        second: ask cvc5 too where it knows the theory.

    Raises:
        Refused: truth values for formulas, contradictory or idle hypotheses, a
            variable with one value only, a premise or an idle alternative inside the
            claim, solvers that contradict each other.

    >>> x, y = z3.Reals("x y")
    >>> unsat([x > 0, y > 0], (x + y) * (x + y) >= 4 * x * y - x).detail
    'z3 and cvc5'
    >>> unsat([], x * x >= x).witness
    'x = 1/2'
    """
    hypotheses = inputs.listed("hypotheses", hypotheses, "a list of z3 formulas")
    for h in hypotheses:
        guards.formula("hypotheses", h)
    guards.formula("claim", claim)
    inputs.positive("timeout", timeout)
    guards.premise_among_hypotheses(z3.is_implies(claim))
    guards.not_literally_true(z3.is_true(z3.simplify(claim)), bool(hypotheses))
    variables = _variables([*hypotheses, claim])
    domain = _domain(variables, hypotheses)

    def finding(verdict: Verdict, detail: str, witness: str | None = None) -> Evidence:
        return issue(
            "proved",
            verdict,
            observed="exact",
            bound="exact",
            domain=domain,
            detail=detail,
            witness=witness,
        )

    solver = _solver(hypotheses, timeout)
    answer = solver.check()
    guards.hypotheses_have_a_model(answer == z3.unsat)
    if answer == z3.unknown:
        return finding(
            Verdict.UNDECIDED,
            f"z3 cannot tell whether the hypotheses have a model "
            f"({solver.reason_unknown()})",
        )
    if answer == z3.sat:
        _second_values(hypotheses, variables, solver.model(), timeout)

    solver = _solver([*hypotheses, z3.Not(claim)], timeout)
    answer = solver.check()
    if answer == z3.unknown:
        return finding(Verdict.UNDECIDED, f"z3: unknown ({solver.reason_unknown()})")
    if answer == z3.sat:
        model = solver.model()
        if not _re_checked([*hypotheses, z3.Not(claim)], model):
            return finding(Verdict.UNDECIDED, "the model of z3 could not be re-checked")
        witness = ", ".join(f"{v} = {_exactly(model, v)}" for v in variables)
        return finding(Verdict.FAILS, "a model of the negation", witness)

    guards.alternatives_needed(_idle_part(hypotheses, claim, timeout))
    if hypotheses:
        alone = _solver([z3.Not(claim)], timeout).check()
        guards.hypotheses_needed(alone == z3.unsat)
    if not second:
        return finding(Verdict.HOLDS, "z3")
    other = _ask_cvc5(solver, timeout)
    guards.solvers_agree(other)
    return finding(
        Verdict.HOLDS, "z3 and cvc5" if other == "unsat" else f"z3 only (cvc5: {other})"
    )


def _solver(formulas: Iterable[z3.BoolRef], timeout: float) -> z3.Solver:
    solver = z3.Solver()
    solver.set("rlimit", int(timeout * Z3_UNITS))
    solver.set("timeout", int(1000 * BACKSTOP * timeout))
    solver.add(*formulas)
    return solver


def _walk(formulas: Iterable[z3.ExprRef]) -> Iterable[z3.ExprRef]:
    """Every sub-expression once."""
    waiting, seen = list(formulas), set()
    while waiting:
        e = waiting.pop()
        if e.get_id() in seen:
            continue
        seen.add(e.get_id())
        yield e
        waiting.extend([e.body()] if z3.is_quantifier(e) else e.children())


def _variables(formulas: Iterable[z3.ExprRef]) -> list[z3.ExprRef]:
    found = [
        e
        for e in _walk(formulas)
        if z3.is_const(e) and e.decl().kind() == z3.Z3_OP_UNINTERPRETED
    ]
    return sorted(found, key=str)


def _domain(variables: list[z3.ExprRef], hypotheses: list[z3.BoolRef]) -> str:
    by_sort = itertools.groupby(
        sorted(variables, key=lambda v: (str(v.sort()), str(v))),
        key=lambda v: str(v.sort()),
    )
    parts = [f"{', '.join(map(str, group))} {sort}" for sort, group in by_sort]
    parts += [" ".join(str(h).split()) for h in hypotheses]
    return "; ".join(parts) or "no variables"


def _second_values(
    hypotheses: list[z3.BoolRef],
    variables: list[z3.ExprRef],
    model: z3.ModelRef,
    timeout: float,
) -> None:
    for v in variables:
        only = model.eval(v, model_completion=True)
        if z3.is_array(v):
            continue
        answer = _solver([*hypotheses, v != only], timeout).check()
        guards.second_value(str(v), str(only), answer == z3.unsat)


def _clauses(claim: z3.BoolRef) -> list[list[z3.BoolRef]]:
    """A claim as *all of (one of ...)*: what each of its conjuncts is a choice of.

    Read through *for all*, *and*, *or*, *not*, *implies* and *if*, so that no way of
    writing a premise hides it; *if and only if* is left whole.
    """
    while z3.is_quantifier(claim) and claim.is_forall():
        names = [claim.var_name(i) for i in range(claim.num_vars())]
        fresh = [z3.FreshConst(claim.var_sort(i), n) for i, n in enumerate(names)]
        claim = z3.substitute_vars(claim.body(), *reversed(fresh))
    if z3.is_not(claim):
        inner = claim.arg(0)
        if z3.is_not(inner):
            return _clauses(inner.arg(0))
        if z3.is_and(inner):
            return _clauses(z3.Or(*map(z3.Not, inner.children())))
        if z3.is_or(inner):
            return _clauses(z3.And(*map(z3.Not, inner.children())))
        if z3.is_implies(inner):
            return _clauses(z3.And(inner.arg(0), z3.Not(inner.arg(1))))
    if z3.is_and(claim):
        return [c for part in claim.children() for c in _clauses(part)]
    if z3.is_implies(claim):
        return _clauses(z3.Or(z3.Not(claim.arg(0)), claim.arg(1)))
    if z3.is_app_of(claim, z3.Z3_OP_ITE):
        test, yes, no = claim.children()
        return [*_clauses(z3.Or(z3.Not(test), yes)), *_clauses(z3.Or(test, no))]
    if z3.is_or(claim):
        inside = [_clauses(part) for part in claim.children()]
        # A conjunction among the alternatives is one alternative.
        return [[p for c, e in zip(inside, claim.children()) for p in _only(c, e)]]
    return [[claim]]


def _only(clauses: list[list[z3.BoolRef]], whole: z3.BoolRef) -> list[z3.BoolRef]:
    return clauses[0] if len(clauses) == 1 else [whole]


def _idle_part(
    hypotheses: list[z3.BoolRef], claim: z3.BoolRef, timeout: float
) -> str | None:
    """A part of the claim without which it holds as well."""
    for parts in _clauses(claim):
        if any(map(z3.is_true, parts)):
            continue
        for i, part in enumerate(parts[:-1] and parts):
            others = parts[:i] + parts[i + 1 :]
            left = _solver([*hypotheses, *map(z3.Not, others)], timeout).check()
            if left == z3.unsat:
                return " ".join(str(part).split())
    return None


def _exactly(model: z3.ModelRef, variable: z3.ExprRef) -> str:
    found = model.eval(variable, model_completion=True)
    # An algebraic number prints as cut decimals; its polynomial is exact.
    return found.sexpr() if z3.is_algebraic_value(found) else str(found)


def _re_checked(formulas: list[z3.BoolRef], model: z3.ModelRef) -> bool:
    return all(
        z3.is_true(z3.simplify(model.eval(f, model_completion=True))) for f in formulas
    )


def _ask_cvc5(solver: z3.Solver, timeout: float) -> str:
    """``sat``, ``unsat`` or why there is no answer, for the same formulas."""
    formulas = [_without_powers(f) for f in solver.assertions()]
    plain = z3.Solver()
    plain.add(*formulas)
    text = f"(set-logic {_logic(formulas)})\n{plain.to_smt2()}"
    manager = cvc5.TermManager()
    other = cvc5.Solver(manager)
    other.setOption("rlimit", str(int(timeout * CVC5_UNITS)))
    other.setOption("tlimit", str(int(1000 * BACKSTOP * timeout)))
    symbols = cvc5.SymbolManager(manager)
    parser = cvc5.InputParser(other, symbols)
    answer = ""
    try:
        parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "claim")
        while not (command := parser.nextCommand()).isNull():
            answer = str(command.invoke(other, symbols)).strip() or answer
    except Exception as problem:
        return f"does not read it ({str(problem).splitlines()[0][:80]})"
    if answer in ("sat", "unsat"):
        return answer
    return "unknown" if answer.startswith("unknown") else "no answer"


def _without_powers(e: Any) -> Any:
    """Powers by small whole numbers as products: cvc5's real logics have no ``^``."""
    if not z3.is_app(e) or not e.children():
        return e
    args = [_without_powers(a) for a in e.children()]
    if e.decl().kind() == z3.Z3_OP_POWER and (
        z3.is_int_value(args[1]) or z3.is_rational_value(args[1])
    ):
        n = (
            args[1].as_fraction()
            if z3.is_rational_value(args[1])
            else args[1].as_long()
        )
        if n == int(n) and 1 <= n <= 64:
            return z3.Product(*[args[0]] * int(n)) if n > 1 else args[0]
    if z3.is_and(e) or z3.is_or(e) or z3.is_add(e) or z3.is_mul(e):
        rebuild = {z3.is_and: z3.And, z3.is_or: z3.Or, z3.is_add: z3.Sum}
        make = next((m for test, m in rebuild.items() if test(e)), z3.Product)
        return make(*args)
    return e.decl()(*args)


def _logic(formulas: list[z3.BoolRef]) -> str:
    """The smallest logic that fits: under ``ALL`` cvc5 leaves its best methods off."""
    sorts, functions, quantified = set(), False, False
    for e in _walk(formulas):
        quantified = quantified or z3.is_quantifier(e)
        if z3.is_expr(e) and not z3.is_quantifier(e):
            sorts.add(str(e.sort()))
            uninterpreted = z3.is_app(e) and (e.decl().kind() == z3.Z3_OP_UNINTERPRETED)
            functions = functions or (uninterpreted and e.decl().arity() > 0)
    letters = {
        frozenset({"Real"}): "NRA",
        frozenset({"Int"}): "NIA",
        frozenset({"Int", "Real"}): "NIRA",
    }.get(frozenset(sorts - {"Bool"}))
    if letters is None:
        return "ALL"
    return ("" if quantified else "QF_") + ("UF" if functions else "") + letters
