"""Every guard against an unearned verdict, one small function each.

The verifiers call them through this module (``guards.name(...)``), so that
``tests/verify/test_frauds.py`` can switch one off and show that the fraud it
stops is real. Each raises :class:`Refused` with what came and what was expected.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from flint import arb, fmpq, fmpz

from .evidence import Evidence, HypothesisViolated, Refused, is_genuine

EXACT = (int, np.integer, Fraction, fmpz, fmpq, sympy.Rational, str)


def finite(name: str, value: Any) -> None:
    """A side of a comparison is neither NaN nor infinite."""
    if isinstance(value, arb):
        ok = value.is_finite()
    elif isinstance(value, (float, np.floating)):
        ok = math.isfinite(value)
    else:
        ok = True
    if not ok:
        raise Refused(f"{name}: expected a finite number, got {value}")


def some_cases(cases: int | None) -> None:
    """A claim over no case at all is no claim."""
    if cases is not None and cases <= 0:
        raise Refused("cases: the domain is empty; nothing was checked")


def exact_type(name: str, value: Any) -> None:
    """Exact code contains no float and no truth value."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, EXACT):
        raise Refused(
            f"{name}: expected an exact number (int, Fraction, fmpq, sympy "
            f"Rational), got {type(value).__name__} {value!r}"
        )


def positive_volume(sides: list[tuple[fmpq, fmpq]]) -> None:
    """A box has positive length along every side."""
    for i, (a, b) in enumerate(sides):
        if not a < b:
            raise Refused(f"box: side {i} is [{a}, {b}]; expected lower < upper")


# theorem: the check and its controls


def fingerprint(function: Any) -> tuple[Any, ...]:
    """What tells one definition of a function from another."""
    code = getattr(function, "__code__", None)
    if code is None:
        return (repr(function),)
    held = [_content(c) for c in function.__closure__ or ()]
    held += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    values = tuple(
        fingerprint(v) if callable(v) and v is not function else repr(v) for v in held
    )
    return (*_code(code), values)


def _code(code: Any) -> tuple[Any, ...]:
    constants = tuple(
        _code(c) if hasattr(c, "co_code") else repr(c) for c in code.co_consts
    )
    return (code.co_code, code.co_names, constants)


def reached(roots: list[Any]) -> dict[str, Any]:
    """The functions and constants of a notebook that a check reaches, by name.

    Followed from name to name as the namespace stands now, so that two readings
    differ where something was defined anew between them. What another module holds,
    and what is neither a function nor a CONSTANT, is not followed.
    """
    waiting = [inspect.unwrap(r) for r in roots if hasattr(r, "__code__")]
    space = waiting[0].__globals__ if waiting else {}
    found: dict[str, Any] = {}
    while waiting:
        function = waiting.pop()
        held = [
            *(function.__defaults__ or ()),
            *(function.__kwdefaults__ or {}).values(),
        ]
        names = {getattr(h, "__name__", "") for h in [function, *held] if callable(h)}
        for name in sorted(names | _names(function.__code__)):
            value = space.get(name)
            plain = inspect.unwrap(value) if callable(value) else value
            if name in found or plain is None:
                continue
            if getattr(plain, "__globals__", None) is space:
                found[name] = _code(plain.__code__)
                waiting.append(plain)
            elif name.isupper() and isinstance(plain, (*EXACT, float, tuple)):
                found[name] = repr(plain)
    return found


def _names(code: Any) -> set[str]:
    inner = (_names(c) for c in code.co_consts if hasattr(c, "co_code"))
    return set(code.co_names).union(*inner)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a closure variable not yet bound
        return None


def says_what_it_claims(claim_id: str, claim: str) -> None:
    """A check without a docstring claims nothing that could be read."""
    if len(claim.split()) < 3:
        raise Refused(f"{claim_id}: expected a docstring that states the claim")


def has_controls(claim_id: str, controls: Any) -> None:
    """Every check runs with at least one named negative control."""
    named = isinstance(controls, Mapping) and all(
        isinstance(k, str) and k.strip() and isinstance(v, Mapping)
        for k, v in controls.items()
    )
    if not named or not controls:
        raise Refused(
            f"{claim_id}: expected controls={{'what is damaged': dict(parameter=...)}}"
            f", got {controls!r}"
        )


def is_claim_id(claim_id: str, other: str) -> None:
    """``rests_on`` names claims in full and never the claim itself."""
    if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", other) or other == claim_id:
        raise Refused(
            f"{claim_id}: rests_on expects another 'slug/check', got {other!r}"
        )


def control_damages(
    claim_id: str, words: str, damage: Mapping[str, Any], defaults: dict[str, Any]
) -> None:
    """A control changes a parameter that the check has, to something else."""
    unknown = [k for k in damage if k not in defaults]
    if unknown:
        raise Refused(
            f"{claim_id}, control {words!r}: unknown parameter {', '.join(unknown)}"
        )
    if all(_same(v, defaults[k]) for k, v in damage.items()):
        raise Refused(f"{claim_id}, control {words!r}: identical to the claim")


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if callable(a) and callable(b):
        return fingerprint(a) == fingerprint(b)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    try:
        return bool(np.all(np.asarray(a == b)))
    except (TypeError, ValueError):
        return False


def genuine(claim_id: str, found: Any, before: int) -> None:
    """A check returns evidence that a verifier issued, unedited, in this very run."""
    if not is_genuine(found, before):
        raise Refused(
            f"{claim_id}: expected the evidence of a verifier run just now, got "
            f"{type(found).__name__} (forged, edited, remembered, or no evidence)"
        )


def one_verifier(claim_id: str, issued: int) -> None:
    """One check, one verifier: running several and choosing is shopping."""
    if issued > 1:
        raise Refused(f"{claim_id}: {issued} verifiers ran in one check; expected one")


def global_generators_untouched(
    claim_id: str, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    """All randomness comes from the injected generator."""
    if after[: len(before)] != before:
        raise Refused(f"{claim_id}: a global random generator was used or seeded")


def expected_hypothesis(
    claim_id: str, words: str, problem: HypothesisViolated, expect: set[str]
) -> None:
    """A violated hypothesis is a failure only where the check names it."""
    if problem.hypothesis not in expect:
        raise Refused(
            f"{claim_id}, control {words!r}: tripped {problem.hypothesis!r}, expected "
            f"{sorted(expect) or 'none'}"
        ) from problem


def crash_is_no_failure(claim_id: str, words: str, problem: Exception) -> None:
    """A control that crashes has not shown that the bound fails."""
    raise Refused(
        f"{claim_id}, control {words!r}: crashed with {type(problem).__name__}: "
        f"{problem}; a crash is not a failed bound"
    ) from problem


def broken_by_a_number(claim_id: str, words: str, found: Evidence) -> None:
    """A control whose value is NaN or infinite has crashed quietly."""
    if found.extra.get("not finite"):
        raise Refused(
            f"{claim_id}, control {words!r}: the objective or its bound is not finite "
            f"({found.witness}); that is no failed bound"
        )


def expectation_met(claim_id: str, expect: set[str], hows: list[str]) -> None:
    """Every hypothesis named in ``expect`` is violated by some control."""
    missing = [h for h in sorted(expect) if f"hypothesis: {h}" not in hows]
    if missing:
        raise Refused(f"{claim_id}: expect names {missing}, which no control violates")


def same_kind(claim_id: str, words: str, kind: str | None, claimed: str) -> None:
    """A control is judged by the same verifier as the claim."""
    if kind is not None and kind != claimed:
        raise Refused(
            f"{claim_id}, control {words!r}: judged by {kind!r}, the claim by "
            f"{claimed!r}"
        )


def same_finding(claim_id: str, first: Evidence, again: Evidence) -> None:
    """The claim, stated again after the controls, finds the same."""
    timed = first.extra.get("timed") or again.extra.get("timed")
    same = first.verdict is again.verdict if timed else first.digest() == again.digest()
    if not same:
        raise Refused(
            f"{claim_id}: stated again after the controls it found something else; "
            "shared state was changed, or the check is not deterministic"
        )


def not_vacuous(claim_id: str, tightness: float | None, loose: str | None) -> None:
    """A bound more than 10^3 above what was observed says why it is kept."""
    reason_in_words(loose)
    if tightness is not None and tightness < 1e-3 and not loose:
        raise Refused(
            f"{claim_id}: the bound is {1 / tightness if tightness else math.inf:.3g} "
            "times what was observed; tighten it, or say why in loose="
        )


def nothing_left_out(slug: str, attempts: list[tuple[str, Any, Any]]) -> None:
    """Every check that was tried is a row, once, in one form."""
    if not attempts:
        raise Refused(f"{slug}: no check was run")
    forms: dict[str, Any] = {}
    for name, form, row in attempts:
        if forms.setdefault(name, form) != form:
            raise Refused(
                f"{slug}/{name}: the id was used for two different checks in this "
                "session; give the second its own id, or restart and run all cells"
            )
        if row is None:
            raise Refused(f"{slug}/{name}: was tried and not established")


def nothing_redefined(slug: str, checked: list[tuple[str, Any, Any]]) -> None:
    """What was checked is what stands in the notebook when it is certified."""
    for name, then, now in checked:
        changed = sorted(k for k in then if then[k] != now.get(k))
        if changed:
            raise Refused(
                f"{slug}/{name}: {', '.join(changed)} was defined anew after the check "
                "had run; restart and run all cells in order"
            )


def seed_of_the_claim(claim_id: str, seed: int | None, found: Evidence) -> None:
    """The generator comes from the id of the claim: nobody chose it for its luck."""
    if found.seed is not None and found.seed != seed:
        raise Refused(
            f"{claim_id}: the verifier was given a generator seeded with {found.seed}; "
            "expected the rng that the check is given, or a child of it"
        )


# proved


def ball_covers(ball: arb, lower: fmpq, upper: fmpq) -> None:
    """The ball handed to the function holds both exact ends of its interval."""
    if not (ball.contains(lower) and ball.contains(upper)):
        raise Refused(f"box: the ball {ball} does not hold [{lower}, {upper}]")


def forms_agree(enclosed: list[float], shown: list[float]) -> None:
    """The enclosed function is the one the page shows, to 1e-9 of its size."""
    size = max(map(abs, enclosed))
    for ball, plain in zip(enclosed, shown, strict=True):
        if not abs(ball - plain) <= 1e-9 * size:
            raise Refused(
                f"agrees_with: the plain form gives {plain} where the enclosed one "
                f"gives {ball}; they are different functions"
            )


def radius_shrinks(coarse: arb, fine: arb, bits: int) -> None:
    """At an exact point twice the precision gives a far smaller, overlapping ball."""
    if not (coarse.is_finite() and fine.is_finite()):
        return
    if not coarse.overlaps(fine):
        raise Refused(
            f"f: {coarse} at {bits} bits and {fine} at {2 * bits} do not overlap"
        )
    if not fine.rad() <= coarse.rad() * arb(fmpq(1, 2 ** (bits // 2))):
        raise Refused(
            f"f: the radius is {coarse.rad()} at {bits} bits and {fine.rad()} at "
            f"{2 * bits}; it should shrink: a float in a ball, or a memory that "
            "forgets the precision? (a remainder belongs to the bound)"
        )


def follows_its_input(axis: int, here: arb, far: arb, near: arb, bits: int) -> None:
    """Where a step of 2^-20 moves the value, so does one far below a float's grain."""
    if not (here.is_finite() and far.is_finite() and near.is_finite()):
        return
    if here.overlaps(far):
        return
    expected = abs(far - here) * arb(fmpq(1, 2 ** (bits + 4)))
    if here.overlaps(near) and here.rad() + near.rad() < expected.lower():
        raise Refused(
            f"f: its value does not follow small moves of x{axis}; the input was "
            "rounded to a float on the way"
        )


def encloses(part: arb, value: arb, point: Any) -> None:
    """The enclosure of a part meets the value at an exact point of it."""
    if part.is_finite() and value.is_finite() and not part.overlaps(value):
        raise Refused(
            f"f: the enclosure {part} of a box does not contain the point value "
            f"{value} at ({', '.join(map(str, point))})"
        )


def precisions_overlap(coarse: arb, fine: arb) -> None:
    """The same part at twice the precision gives an overlapping ball."""
    if coarse.is_finite() and fine.is_finite() and not coarse.overlaps(fine):
        raise Refused(f"f: {coarse} and, at twice the precision, {fine} do not overlap")


def tiling(found: fmpq, volume: fmpq) -> None:
    """The parts proved add up to the whole box, exactly."""
    if found != volume:
        raise Refused(f"box: the parts have volume {found}, the box {volume}")


def expression(name: str, given: Any) -> None:
    """A side is a commutative sympy expression, never a truth value."""
    if not isinstance(given, sympy.Expr):
        raise Refused(
            f"{name}: expected a sympy expression, got {type(given).__name__} "
            f"{given!r}; give both sides, not their comparison"
        )
    if not given.is_commutative or given.has(sympy.MatrixSymbol):
        raise Refused(f"{name}: expected numbers, got the matrix expression {given}")
    if given.has(sympy.oo, -sympy.oo, sympy.zoo, sympy.nan):
        raise Refused(f"{name}: expected a finite expression, got {given}")


def no_float_inside(name: str, given: sympy.Expr) -> None:
    """An exact identity contains no float."""
    floats = given.atoms(sympy.Float)
    if floats:
        raise Refused(f"{name}: contains the float {floats.pop()}; use Rational")


def evaluated(name: str, given: sympy.Expr) -> None:
    """No sum, product, integral, limit, derivative or case split is left standing."""
    standing = given.atoms(
        sympy.Sum,
        sympy.Product,
        sympy.Integral,
        sympy.Derivative,
        sympy.Limit,
        sympy.Piecewise,
        sympy.RootSum,
        sympy.Order,
    )
    if standing:
        raise Refused(
            f"{name}: contains {standing.pop()}, which is not evaluated; write it out "
            "(induction: prove the base and the step as two identities)"
        )


def distinct_sides(lhs: sympy.Expr, rhs: sympy.Expr) -> None:
    """Two sides that are the same before any algebra state nothing."""
    if lhs == rhs:
        raise Refused(f"identity: both sides are {lhs} before any algebra")


def symbols_used(
    symbols: set[Any], nonzero: list[sympy.Expr], relations: list[sympy.Expr]
) -> None:
    """Every assumption speaks about the symbols of the claim."""
    reached = set(symbols)
    waiting = [r for r in relations]
    while linked := [r for r in waiting if r.free_symbols & reached]:
        for r in linked:
            reached |= r.free_symbols
            waiting.remove(r)
    idle = [*waiting, *(f for f in nonzero if not f.free_symbols & reached)]
    if idle:
        raise Refused(f"identity: {idle[0]} has no symbol in common with the claim")


def relations_consistent(contradictory: bool) -> None:
    """From relations that contradict each other everything follows."""
    if contradictory:
        raise Refused("relations: 1 = 0 follows from them; nothing satisfies them")


def some_point(name: str, found: bool) -> None:
    """What is assumed is met by at least one exact point."""
    if not found:
        raise Refused(f"{name}: no exact point that satisfies them was found")


def denominators_declared(missing: list[str]) -> None:
    """What is divided by is seen to be different from zero (else: undecided)."""
    if missing:
        raise Refused(f"a denominator is not declared nonzero: {', '.join(missing)}")


def formula(name: str, given: Any) -> None:
    """A statement for a solver is a z3 formula, not a truth value."""
    import z3

    if not isinstance(given, z3.BoolRef):
        raise Refused(
            f"{name}: expected a z3 formula, got {type(given).__name__} {given!r}; "
            "it was decided before the solver saw it"
        )


def not_literally_true(is_true: bool, under_hypotheses: bool) -> None:
    """A claim that reads True after rewriting alone states nothing."""
    if is_true and not under_hypotheses:
        raise Refused("claim: it is literally true; nothing is stated")


def hypotheses_have_a_model(contradictory: bool) -> None:
    """From hypotheses that contradict each other everything follows."""
    if contradictory:
        raise Refused("hypotheses: nothing satisfies them; they contradict each other")


def second_value(variable: str, only: str, fixed: bool) -> None:
    """Under the hypotheses every variable can still vary."""
    if fixed:
        raise Refused(
            f"hypotheses: they leave {variable} the single value {only}; a claim "
            "about all of its values is a claim about one"
        )


def hypotheses_needed(idle: bool) -> None:
    """A claim that holds without its hypotheses is stated without them."""
    if idle:
        raise Refused("hypotheses: not needed, the claim holds without them: drop them")


def premise_among_hypotheses(implication: bool) -> None:
    """A premise inside the claim would escape every question put to hypotheses."""
    if implication:
        raise Refused("claim: it is an implication; put its premise into hypotheses")


def alternatives_needed(idle: str | None) -> None:
    """A claim of the form *A or B* (also *not A, or B*) needs each of its parts."""
    if idle is not None:
        raise Refused(
            f"claim: it holds without its part {idle}; is it a premise that nothing "
            "meets, or that is not needed? (premises belong to the hypotheses)"
        )


def solvers_agree(second: str) -> None:
    """Two solvers that contradict each other leave no verdict."""
    if second == "sat":
        raise Refused("z3 finds no model of the negation, cvc5 finds one")


# exhausted and enclosed: exact inputs, exact sides, balls


def exact_side(name: str, value: Any) -> None:
    """A side is exact or a ball: no float, no truth value, nothing that wraps."""
    allowed = (int, Fraction, fmpz, fmpq, sympy.Rational, arb, str, bytes)
    if isinstance(value, np.integer):
        raise Refused(
            f"{name}: got {type(value).__name__}, which wraps silently; compute with "
            "Python integers, or use exhausted.vectorised"
        )
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, allowed):
        raise Refused(
            f"{name}: expected an exact number, a ball, or a tuple, text or bytes of "
            f"such, got {type(value).__name__} {value!r}"
        )


def no_subclass(name: str, value: Any) -> None:
    """A subclass may answer every comparison as it likes."""
    plain = (int, bool, float, Fraction, fmpz, fmpq, arb, str, bytes, type(None))
    library = isinstance(value, (np.generic, sympy.Rational, Enum))
    if not library and type(value) not in plain:
        raise Refused(
            f"{name}: {type(value).__name__} is a type of its own, whose comparisons "
            "are its own too; return a plain number or plain text"
        )


def different_functions(left: Any, right: Any) -> None:
    """A function compared with itself states nothing."""
    same = left is right
    if not same and hasattr(left, "__code__") and hasattr(right, "__code__"):
        cells = [[_content(c) for c in f.__closure__ or ()] for f in (left, right)]
        same = (
            left.__code__ == right.__code__
            and len(cells[0]) == len(cells[1])
            and all(a is b for a, b in zip(*cells))
            and left.__defaults__ is right.__defaults__ is None
        )
    if same:
        raise Refused("both sides are one function; nothing is stated")


def no_ball_inside(name: str, value: tuple[Any, ...]) -> None:
    """A tuple is compared exactly, so it holds no ball."""
    if any(isinstance(v, arb) for v in value):
        raise Refused(f"{name}: balls inside a tuple; compare them one by one")


def ordered(relation: str, lhs: Any, rhs: Any) -> None:
    """Text and tuples are equal or not; their order is not that of numbers."""
    for value in (lhs, rhs):
        if relation != "==" and isinstance(value, (tuple, str, bytes)):
            raise Refused(
                f"relation {relation!r}: expected numbers, got "
                f"{type(value).__name__} {value!r}"
            )


def exact_input(value: Any) -> None:
    """An input is exact through and through: no float, ball or function inside."""
    exact = (*EXACT, np.bool_, bytes, type(None), Enum)
    if not isinstance(value, exact):
        raise Refused(
            f"inputs: expected exact numbers, text and containers of them, got "
            f"{type(value).__name__} {value!r}"
        )


def two_sides(found: Any) -> None:
    """Both sides are given: a truth value would hide its arithmetic."""
    if not isinstance(found, tuple) or len(found) != 2:
        raise Refused(
            f"sides: expected a pair (lhs, rhs), got {type(found).__name__}; the "
            "verifier compares, not the chapter"
        )


def size_from_a_formula(size: Any) -> None:
    """The size of a domain is a positive integer, from a formula."""
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise Refused(f"size: expected a positive integer, got {size!r}")


def counted(expected: int, declared: int | None, walked: int) -> None:
    """The elements seen are as many as the formula says: none left out, none spent."""
    if walked != expected or declared not in (None, expected):
        raise Refused(
            f"size: the formula gives {expected}, the domain declares {declared} and "
            f"{walked} elements were seen"
        )


def no_repeats(name: str, key: Any, seen: Any) -> None:
    """An element that comes twice fills the place of one left out."""
    if key in seen:
        raise Refused(f"{name}: {key!r} comes twice")


def truth_value(value: Any) -> None:
    """Truth is True, False, or None outside the promise; nothing merely truthy."""
    if value is not None and not isinstance(value, (bool, np.bool_)):
        raise Refused(
            f"truth: expected True, False, or None outside the promise, got "
            f"{type(value).__name__} {value!r}"
        )


def both_answers(positive: int, negative: int) -> None:
    """A decision whose answer never changes decides nothing."""
    if not positive or not negative:
        raise Refused(
            f"truth: inside the promise {positive} cases are true and {negative} "
            "false; both must occur"
        )


def integer_rows(rows: np.ndarray) -> None:
    """Rows are distinct vectors of integers."""
    if rows.dtype.kind not in "iu":
        raise Refused(f"rows: expected integers, got dtype {rows.dtype}")
    if len(np.unique(rows, axis=0)) != len(rows):
        raise Refused("rows: some come twice")


def integer_column(name: str, values: Any, n: int, python: bool) -> None:
    """A vectorised side is one integer a row; in the re-run, a Python integer."""
    kinds, what = ("O", "object") if python else ("iuO", "integer")
    if not isinstance(values, np.ndarray) or values.shape != (n,):
        raise Refused(
            f"{name}: expected one value a row, shape ({n},), got "
            f"{getattr(values, 'shape', type(values).__name__)}"
        )
    if values.dtype.kind not in kinds:
        raise Refused(
            f"{name}: expected dtype {what}, got {values.dtype}; results of "
            "comparisons and look-ups need .astype(rows.dtype)"
        )
    if values.dtype.kind != "O":
        return
    for value in values:
        if type(value) is not int:
            raise Refused(
                f"{name}: expected Python integers, got {type(value).__name__} "
                f"{value!r}"
            )


def same_as_python_integers(name: str, fast: Any, slow: Any) -> None:
    """Fixed-width integers gave what Python integers give: nothing wrapped."""
    wrong = [i for i, (a, b) in enumerate(zip(fast, slow)) if int(a) != b]
    if wrong:
        i = wrong[0]
        raise Refused(
            f"{name}: fixed-width integers gave {fast[i]}, Python integers {slow[i]}; "
            "the arithmetic wraps"
        )


def some_inputs(inputs: Any) -> None:
    """A claim on no instance is no claim."""
    if not inputs:
        raise Refused("inputs: expected at least one, got none")


def agrees_at_two_precisions(name: str, coarse: Any, fine: Any) -> None:
    """Two enclosures of one number overlap; an exact value stays what it is."""
    if isinstance(coarse, arb) and isinstance(fine, arb):
        ok = coarse.overlaps(fine)
    else:
        ok = isinstance(coarse, arb) == isinstance(fine, arb) and coarse == fine
    if not ok:
        raise Refused(
            f"{name}: {coarse} at one precision and {fine} at the next cannot both be "
            "right"
        )


def ball_gets_thinner(name: str, coarse: Any, fine: Any) -> None:
    """A ball of rounding size shrinks as the precision doubles.

    One that does not was remembered from the coarser run, or rounded by a float. A
    radius far above rounding (an enclosure of a range) is not looked at.
    """
    if not (isinstance(coarse, arb) and isinstance(fine, arb)):
        return
    if not (coarse.is_finite() and fine.is_finite()) or coarse.rad() == 0:
        return
    by_rounding = coarse.rad() < coarse.abs_upper() * arb(2) ** -40
    if by_rounding and fine.rad() * 2 > coarse.rad():
        raise Refused(
            f"{name}: radius {coarse.rad()} at 64 bits, {fine.rad()} at 128; expected "
            "it to shrink (a remembered ball? a truncation that does not follow "
            "flint.ctx.prec?)"
        )


def not_a_double(name: str, coarse: Any, fine: Any) -> None:
    """A ball of radius zero whose fraction has the length of a double's is one."""
    if not (isinstance(coarse, arb) and isinstance(fine, arb)):
        return
    if not (coarse.is_finite() and coarse.is_exact() and fine.is_exact()):
        return
    mantissa, exponent = (int(v) for v in fine.man_exp())
    if exponent < 0 and 40 <= abs(mantissa).bit_length() <= 53:
        raise Refused(
            f"{name}: an exact ball with a {abs(mantissa).bit_length()}-bit fraction "
            "looks like a float; return a rational where the value is exact"
        )


def small_tolerance(within: fmpq, largest: arb) -> None:
    """Equality within a tolerance that says something about the numbers."""
    if within < 0 or not within <= arb(2) ** -10 * largest.max(arb(1)):
        raise Refused(
            f"within: {within} is not small against values of size "
            f"{largest.str(3, radius=False)}; expected 0 to 2^-10 of them"
        )


# sampled


def injected_generator(rng: Any) -> None:
    """Randomness comes from a generator, never from a seed chosen in a chapter."""
    if type(rng) is not np.random.Generator:
        raise Refused(
            f"rng: expected the np.random.Generator the check is given, got "
            f"{type(rng).__name__}"
        )


def draws_from_its_generator(before: Any, after: Any) -> None:
    """A trial that leaves its generator alone is the same trial every time."""
    if repr(before) == repr(after):
        raise Refused("trial: it did not draw from the generator it was given")


def same_draw_same_outcome(outcome: Any, again: Any) -> None:
    """With a copy of its generator a trial comes out the same: no other chance."""
    if outcome != again:
        raise Refused(
            f"trial: {outcome!r}, and {again!r} when repeated with a copy of its "
            "generator; it draws elsewhere or remembers"
        )


def truth_outcome(value: Any) -> None:
    """A trial of a probability is true or false, nothing merely truthy."""
    if not isinstance(value, (bool, np.bool_)):
        raise Refused(
            f"trial: expected True or False, got {type(value).__name__} {value!r}"
        )


def in_support(value: Any, low: float, high: float) -> None:
    """Every outcome is a finite number inside the support stated beforehand."""
    number = isinstance(value, (int, float, np.integer, np.floating, Fraction))
    if not number or isinstance(value, bool):
        raise Refused(f"trial: expected a number, got {type(value).__name__} {value!r}")
    value = float(value)  # a subclass compares as it likes
    if not (math.isfinite(value) and low <= value <= high):
        raise Refused(f"trial: {value!r} lies outside the support [{low}, {high}]")


def outcomes_vary(values: np.ndarray, low: float, high: float) -> None:
    """A thousand equal draws inside the support are one draw, repeated."""
    first = values[0]
    if len(values) > 1 and (values == first).all() and low < first < high:
        raise Refused(f"trial: all {len(values):,} outcomes equal {first!r}")


def bound_excludes_something(limit: float, sense: str, low: float, high: float) -> None:
    """A bound at the end of the support, or beyond it, holds of everything."""
    vacuous = limit >= high if sense == "<=" else limit <= low
    if vacuous or not math.isfinite(limit):
        raise Refused(f"bound: {sense} {limit} excludes nothing in [{low}, {high}]")
    if not low <= limit <= high:
        raise Refused(f"bound: {sense} {limit} excludes all of [{low}, {high}]")


def confident_enough(confidence: float) -> None:
    """A book of a hundred claims cannot afford one miss in twenty."""
    if not 0.999 <= confidence < 1:
        raise Refused(f"confidence: expected 0.999 or more, below 1, got {confidence}")


def point_by_point(together: np.ndarray, apart: list[float]) -> None:
    """A distribution function looks at each point, not at the sample it is given."""
    if not np.allclose(together, apart, rtol=1e-9, atol=1e-12):
        raise Refused("cdf: a point gives another value alone than among the others")


def cdf_says_the_same(before: np.ndarray, after: np.ndarray) -> None:
    """A distribution function is known before the outcomes, not made from them."""
    if not np.array_equal(before, after, equal_nan=True):
        raise Refused(
            "cdf: another value after the trials than before them, at the same points; "
            "it remembers the outcomes"
        )


def distance_says_something(within: float) -> None:
    """Distribution functions are never more than 1 apart; 1/4 is far already."""
    if not 0 < within <= 0.25:
        raise Refused(f"within: expected above 0 and at most 1/4, got {within}")


# scaled


def sizes_span(sizes: list[Any]) -> None:
    """An exponent needs five sizes and a factor of eight between the ends."""
    whole = all(
        isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in sizes
    )
    if not whole or len(set(sizes)) < 5 or len(set(sizes)) < len(sizes):
        raise Refused(f"sizes: expected five or more distinct integers, got {sizes}")
    least, most = min(sizes), max(sizes)
    if least < 1 or most < 8 * least:
        raise Refused(
            f"sizes: expected positive ones over a factor of 8 or more, got "
            f"{least} to {most}"
        )


def narrow_enough(within: float) -> None:
    """A wide band around the prediction holds its neighbours too."""
    if not 0 < within <= 0.15:
        raise Refused(f"within: expected above 0 and at most 0.15, got {within}")


def positive_measure(name: str, value: Any) -> None:
    """What has a logarithm: a finite positive number."""
    known = (int, float, np.integer, np.floating, Fraction, fmpz, fmpq, arb)
    if isinstance(value, bool) or not isinstance(value, known):
        raise Refused(
            f"{name}: expected a number, got {type(value).__name__} {value!r}"
        )
    finite(name, value)
    if not value > 0:
        raise Refused(f"{name}: expected a positive number, got {value}")


def measure_is_thin(name: str, value: Any) -> None:
    """Of a ball only the middle is fitted, so it holds little besides."""
    if isinstance(value, arb) and not value.rad() <= value.abs_lower() * arb(2) ** -10:
        raise Refused(
            f"{name}: the ball {value.str(4)} is wider than a thousandth of its value"
        )


def count_is_an_integer(value: Any) -> None:
    """Operations are counted, so a count is a Python integer."""
    if isinstance(value, bool) or not isinstance(value, (int, fmpz)):
        raise Refused(
            f"measure: a count is a Python integer, got {type(value).__name__} "
            f"{value!r}"
        )


def measured_again(first: list[float], again: list[float]) -> None:
    """Measured again at the smallest size, the measure says the same."""
    if first != again:
        raise Refused(
            f"measure: log {first[0]:.6g} at the smallest size, {again[0]:.6g} when "
            "measured again; it remembers, or it is noise (take repeats)"
        )


def rival_is_another_law(difference: np.ndarray, slope: float, target: float) -> None:
    """A rival is neither the prediction again nor one that nobody would believe."""
    if float(np.ptp(difference)) < 1e-9:
        raise Refused("rival: it is the predicted law itself")
    if abs(slope - target) > 0.5:
        raise Refused(
            f"rival: its own exponent here is {slope:.2f}, more than 1/2 from the "
            f"predicted {target:g}; a rival is a law that could be mistaken for it"
        )


# attacked


def library_domain(domain: Any) -> None:
    """A domain describes itself truly only if the library wrote the description."""
    if type(domain).__module__ != f"{__package__}.domains":
        raise Refused(
            f"domain: expected a domain of the library (Box, Simplex, Sphere, ...), "
            f"got {type(domain).__qualname__}"
        )


def effort(restarts: Any, steps: Any) -> None:
    """A hunt that hardly looks finds nothing."""
    for name, value, least in (("restarts", restarts, 4), ("steps", steps, 20)):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < least:
            raise Refused(f"{name}: expected {least} or more, got {value!r}")


def reason_in_words(loose: Any) -> None:
    """A reason is a sentence."""
    if loose is not None and not (isinstance(loose, str) and len(loose.split()) >= 3):
        raise Refused(f"loose: expected the reason in words, got {loose!r}")


def positive_bound(bound: Any) -> None:
    """A bound to be approached is a finite positive number."""
    known = (int, float, np.integer, np.floating, Fraction, fmpz, fmpq)
    if isinstance(bound, bool) or not isinstance(bound, known):
        raise Refused(
            f"bound: expected a number or a function, got {type(bound).__name__}"
        )
    finite("bound", bound)
    if not bound > 0:
        raise Refused(f"bound: expected a positive number (move terms), got {bound}")


def bound_not_negative(limits: np.ndarray) -> None:
    """A bound that is a function is nowhere negative."""
    if (limits < 0).any():
        raise Refused(f"bound: expected no negative value, got {limits.min()}")


def rounding_is_small(rounding: float, limit: float) -> None:
    """Rounding of doubles explains a little above the bound, not a failure of it."""
    if rounding > 0 and rounding > 1e-8 * limit:
        raise Refused(
            f"rounding: {rounding} is more than 1e-8 of the bound {limit:.4g}"
        )


def projection_keeps_the_domain(points: np.ndarray, projected: np.ndarray) -> None:
    """A projection leaves points of the domain where they are."""
    moved = np.abs(points - projected).max(axis=1) > 1e-6
    if moved.any():
        raise Refused(
            f"domain: its projection moves {moved.sum()} of {len(points)} of its own "
            "points"
        )


def row_by_row(together: Any, apart: Any) -> None:
    """The value at a point does not depend on the other points of the batch."""
    if not _close(together, apart, 1e-4):
        raise Refused(
            "objective or bound: a row gives another value alone than in a batch"
        )


def no_memory(before: Any, after: Any) -> None:
    """Objective and bound are functions: the hunt has not changed them."""
    if not _close(before, after, 1e-6):
        raise Refused(
            "objective or bound: another value after the hunt than before it, at the "
            "same points; they remember"
        )


def _close(one: Any, two: Any, part: float) -> bool:
    """Equal up to a part of the value or of the bound; NaN equals NaN."""
    (values, limits), (others, other_limits) = one, two
    slack = part * np.where(np.isfinite(limits), np.abs(limits), 0)
    return all(
        np.isclose(a, b, rtol=part, atol=slack, equal_nan=True).all()
        for a, b in ((values, others), (limits, other_limits))
    )


def not_finite(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Where the objective or its bound is NaN or infinite: there the claim fails."""
    return np.flatnonzero(~(np.isfinite(values) & np.isfinite(limits)))


def has_gradient(values: Any) -> None:
    """Ascent on values without a gradient stays where it starts."""
    if not values.requires_grad:
        raise Refused(
            "objective: its value carries no gradient; keep to torch operations on x, "
            "or use method='evolution'"
        )


def gradient_follows_the_value(moved: np.ndarray, gradients: np.ndarray) -> None:
    """Where every gradient is zero a small step does not move the value."""
    if not gradients.any() and moved.any():
        raise Refused(
            "objective: its gradient is zero although its value moves; was it detached "
            "from x, or computed outside torch? (or use method='evolution')"
        )


def plant_in_the_domain(inside: list[bool], words: str) -> None:
    """A planted worst case is a point of the domain."""
    if not inside or not all(inside):
        raise Refused(
            f"plant: point {inside.index(False)} lies outside {words}"
            if inside
            else "plant: expected a point, got none"
        )


def nothing_came_near(ratio: float, reach: float) -> bool:
    """Whether hunt and plant both stayed under the part of the bound to be reached."""
    return ratio < reach
