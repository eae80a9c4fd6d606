"""Exercises that check themselves in the plain notebook.

E1 asks for a number or a small object: :func:`answer` compares a salted, slow hash,
so the notebook holds the key and not the solution. A short list of candidates can
still be tried one by one: good for self-study, not for marks.

E2 asks for a function: :func:`grade` runs it against good cases it must accept and
damaged ones (the chapter's own controls) it must reject.

Neither ever stops a notebook: what is not attempted or wrong is said in words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from theorylab import inputs
from theorylab.inputs import expected

ROUNDS = 20_000


@dataclass(frozen=True)
class Outcome:
    """What a grader found; its text was printed already.

    Attributes:
        state: ``"correct"``, ``"not yet"`` or ``"not attempted"``.
        passed: properties that held.
        total: properties tried.
        text: the lines printed.
    """

    state: str
    passed: int
    total: int
    text: str

    def _ipython_display_(self) -> None:
        # The text is on the page; a notebook need not echo the object as well.
        return


def digest(exercise: str, value: Any, *, places: int | None = None) -> str:
    """The key an author writes into the notebook for :func:`answer`.

    Numbers are compared exactly: 4, 4.0 and Fraction(4) are one value, and a
    float counts as the exact number it is. With ``places`` numbers are rounded
    first (half to even, from the exact value). Tuples and lists are compared in
    order, sets without; text without case and surrounding space.

    Args:
        exercise: id such as ``"polynomial-method-e1"``; it salts the key.
        value: number, bool, text, or a tuple, list, set or array of these.
        places: decimal places to round to.

    Raises:
        ValueError: for a value of another type, NaN or infinity.

    >>> digest("demo-e1", 0.5) == digest("demo-e1", Fraction(1, 2))
    True
    """
    if not isinstance(exercise, str) or not re.fullmatch(r"[a-z0-9-]+-e\d+", exercise):
        raise expected("exercise", "an id such as 'some-chapter-e1'", exercise)
    if places is not None:
        places = inputs.integer("places", places)
    text = _canonical(value, places)
    key = hashlib.pbkdf2_hmac("sha256", text.encode(), exercise.encode(), ROUNDS)
    return key.hex()[:16]


def _canonical(value: Any, places: int | None) -> str:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return "text:" + value.strip().casefold()
    if isinstance(value, bool):
        return f"bool:{value}"
    if isinstance(value, tuple | list):
        return "[" + ",".join(_canonical(x, places) for x in value) + "]"
    if isinstance(value, set | frozenset):
        return "{" + ",".join(sorted(_canonical(x, places) for x in value)) + "}"
    if hasattr(value, "p") and hasattr(value, "q"):  # a rational of sympy or flint
        value = Fraction(int(value.p), int(value.q))
    if isinstance(value, int | float | Fraction):
        number = Fraction(inputs.real("value", value))
        return str(number if places is None else round(number, places))
    raise expected("value", "a number, text, or a list or set of them", value)


def answer(
    exercise: str, value: Any, key: str, *, places: int | None = None
) -> Outcome:
    """Say whether the value is the one behind the key.

    Args:
        exercise: the exercise's id.
        value: the reader's answer; ``...`` or ``None`` means not attempted.
        key: what :func:`digest` gave the author.
        places: as for :func:`digest`.

    >>> _ = answer("demo-e1", 4, digest("demo-e1", 4.0))
    demo-e1: correct.
    >>> _ = answer("demo-e1", ..., "")
    demo-e1: not attempted yet.
    """
    if value is None or value is Ellipsis:
        return _say(exercise, "not attempted", 0, 1, "not attempted yet.")
    try:
        right = digest(exercise, value, places=places) == key
    except ValueError as error:
        return _say(exercise, "not yet", 0, 1, f"not yet. {error}")
    if right:
        return _say(exercise, "correct", 1, 1, "correct.")
    rounded = "" if places is None else f" (compared to {places} decimal places)"
    return _say(exercise, "not yet", 0, 1, f"not yet{rounded}. Try again.")


@dataclass(frozen=True)
class Property:
    """One thing a reader's function must do, with the name a reader sees."""

    name: str
    test: Callable[[Callable[..., Any]], Any]


def accepts(name: str, *args: Any, **kwargs: Any) -> Property:
    """The property that the function returns True on a good case.

    >>> grade(lambda n: n % 2 == 0, [accepts("an even number", 4),
    ...                              rejects("an odd number", 3)]).state
    accepts an even number: yes
    rejects an odd number: yes
    2 of 2: correct.
    'correct'
    """
    return Property(f"accepts {name}", lambda f: _verdict(f(*args, **kwargs)))


def rejects(name: str, *args: Any, **kwargs: Any) -> Property:
    """The property that the function returns False on a damaged case."""
    return Property(f"rejects {name}", lambda f: not _verdict(f(*args, **kwargs)))


def _verdict(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise expected("the result", "True or False", value)
    return bool(value)


def grade(
    function: Callable[..., Any], properties: Sequence[Property | Callable]
) -> Outcome:
    """Run the reader's function against named properties.

    Args:
        function: the reader's; one that raises NotImplementedError or returns
            ``...`` is reported as not attempted.
        properties: made by :func:`accepts` and :func:`rejects`, or any named
            function that takes the reader's function and returns True or False.

    Returns:
        The outcome. An exception of the reader's function counts as a property
        that does not hold and is named; it does not stop the notebook.

    Raises:
        ValueError: when there is no property, or one has no name.
    """
    if len(properties) == 0:
        raise expected("properties", "at least one property", properties)
    named = [p if isinstance(p, Property) else _named(p) for p in properties]

    def attempt(*args: Any, **kwargs: Any) -> Any:
        value = function(*args, **kwargs)
        if value is None or value is Ellipsis:
            raise NotImplementedError
        return value

    lines = []
    for one in named:
        try:
            held = _verdict(one.test(attempt))
            lines.append((held, f"{one.name}: {'yes' if held else 'no'}"))
        except NotImplementedError:
            return _say(None, "not attempted", 0, len(named), "Not attempted yet.")
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            lines.append((False, f"{one.name}: no ({reason})"))
    passed = sum(held for held, _ in lines)
    state = "correct" if passed == len(named) else "not yet"
    text = [*(line for _, line in lines), f"{passed} of {len(named)}: {state}."]
    return _say(None, state, passed, len(named), "\n".join(text))


def _named(test: Callable) -> Property:
    name = getattr(test, "__name__", "<lambda>")
    if not callable(test) or name == "<lambda>":
        raise expected("properties", "named functions", test)
    return Property(name.replace("_", " "), test)


def _say(
    exercise: str | None, state: str, passed: int, total: int, text: str
) -> Outcome:
    text = text if exercise is None else f"{exercise}: {text}"
    print(text)
    return Outcome(state, passed, total, text)
