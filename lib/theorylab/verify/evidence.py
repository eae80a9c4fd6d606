"""Evidence: what a verifier found, stamped with the kind it earned.

Only :func:`issue` makes evidence, and only the verifiers call it. Each issued
object is remembered with a digest of its fields, so that a forged or edited one
is recognised by :func:`is_genuine`.
"""

from __future__ import annotations

import hashlib
import math
import weakref
from dataclasses import dataclass, field, fields
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, fmpq, fmpz

from theorylab import inputs


class Verdict(Enum):
    """What a verifier concluded; *undecided* never passes."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"

    def __bool__(self) -> bool:
        raise TypeError("a verdict has three outcomes; compare it, do not truth-test")


KINDS = {
    "proved": "machine-checked for all inputs of the stated domain",
    "exhausted": "every element of a finite domain, in exact arithmetic",
    "enclosed": "rigorous balls or exact rationals on stated instances",
    "attacked": "an optimiser hunted for the worst input and the bound held",
    "scaled": "a fitted exponent with its interval, against a prediction",
    "sampled": "Monte Carlo with a stated confidence",
}
"""The evidence ladder, strongest first, and what each rung means."""

SYMBOLS = dict(zip(KINDS, "■▣◧▲◇○", strict=True))
"""One symbol a kind; always shown beside the word, never in its place."""


class Refused(ValueError):
    """A check that may not count as evidence, and why."""


class HypothesisViolated(ValueError):
    """A construction met an input outside the hypothesis it rests on.

    Args:
        hypothesis: the hypothesis in words, e.g. ``"entry bound"``.
        found: the value met.
        allowed: the value or range allowed.
    """

    def __init__(self, hypothesis: str, found: Any, allowed: Any) -> None:
        super().__init__(f"{hypothesis}: found {found}, allowed {allowed}")
        self.hypothesis = hypothesis
        self.found = found
        self.allowed = allowed


@dataclass(frozen=True, eq=False)
class Evidence:
    """One verifier's finding. Read it; only a verifier can make it.

    Attributes:
        kind: a key of :data:`KINDS`.
        verdict: holds, fails or undecided.
        observed: the observed side (number, ball, or text such as ``"exact"``).
        bound: the side it was compared with.
        domain: in words, what was covered.
        detail: the shape of the evidence in words ("whole domain, 512 cases").
        cases: how many cases, boxes, evaluations or trials; ``None`` if not counted.
        tightness: observed / bound in [0, 1] where a bound is stated, else ``None``.
        witness: a refuting input where one was found, as text.
        seed: the seed of a randomised search, else ``None``.
        extra: further figures for the record (plain JSON types).
    """

    kind: str
    verdict: Verdict
    observed: Any
    bound: Any
    domain: str
    detail: str = ""
    cases: int | None = None
    tightness: float | None = None
    witness: str | None = None
    seed: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        raise TypeError("evidence has three outcomes; read .verdict")

    def digest(self) -> str:
        """A fingerprint of every field."""
        text = repr([(f.name, _plain(getattr(self, f.name))) for f in fields(self)])
        return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    return value.str(30, more=True) if isinstance(value, arb) else repr(value)


_issued: weakref.WeakKeyDictionary[Evidence, tuple[int, str]] = (
    weakref.WeakKeyDictionary()
)
_count = 0


def issue(
    kind: str,
    verdict: Verdict,
    *,
    observed: Any,
    bound: Any,
    domain: str,
    detail: str = "",
    cases: int | None = None,
    tightness: float | None = None,
    witness: str | None = None,
    seed: int | None = None,
    extra: dict[str, Any] | None = None,
) -> Evidence:
    """Make and register one piece of evidence (for verifiers only).

    Raises:
        Refused: unknown kind, NaN or infinite number, or a claim that holds on
            no case at all.
    """
    global _count
    from . import guards

    if kind not in KINDS:
        raise Refused(f"kind: {kind!r} is not one of {', '.join(KINDS)}")
    if verdict is Verdict.HOLDS:
        guards.finite("observed", observed)
        guards.finite("bound", bound)
        guards.some_cases(cases)
    evidence = Evidence(
        kind,
        verdict,
        observed,
        bound,
        domain,
        detail,
        cases,
        tightness,
        witness,
        seed,
        dict(extra or {}),
    )
    _count += 1
    _issued[evidence] = (_count, evidence.digest())
    return evidence


def issued_so_far() -> int:
    """How many pieces of evidence have been issued in this process."""
    return _count


def is_genuine(evidence: Any, after: int = 0) -> bool:
    """Whether a verifier issued this very object, unedited, later than ``after``."""
    if not isinstance(evidence, Evidence) or evidence not in _issued:
        return False
    number, digest = _issued[evidence]
    return number > after and digest == evidence.digest()


def as_float(value: Any) -> float:
    """The magnitude of a number or ball as a float, for display only.

    Beyond the range of floats it is infinite, or zero.
    """
    if isinstance(value, Fraction):
        value = fmpq(value.numerator, value.denominator)
    if isinstance(value, (int, fmpz, fmpq)):
        value = arb(value)
    if isinstance(value, arb):
        return float(value.mid()) if value.is_finite() else math.nan
    return float(value)


def number(name: str, value: Any) -> float:
    """A finite number of any exact or floating type, as a float.

    Raises:
        Refused: for a truth value, text, NaN, infinity or anything else.
    """
    if isinstance(value, fmpz | fmpq):
        value = Fraction(str(value))
    try:
        return float(inputs.real(name, value))
    except ValueError as problem:
        raise Refused(str(problem)) from None


def seed_of(rng: np.random.Generator) -> int | None:
    """The seed a generator was made from, where it is an integer or begins with one."""
    entropy = rng.bit_generator.seed_seq.entropy
    first = entropy[0] if isinstance(entropy, (list, tuple)) and entropy else entropy
    return int(first) if isinstance(first, (int, np.integer)) else None
