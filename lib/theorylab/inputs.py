"""Checks of arguments: each raises a sentence that names the argument.

Every public function of the library looks at what it is given through this
module. The sentence says which argument, what was expected and what came.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np


def expected(name: str, wanted: str, came: Any) -> ValueError:
    """The one form of complaint: ``name: expected ..., got ...``.

    >>> expected("n", "a positive integer", -3)
    ValueError('n: expected a positive integer, got -3')
    """
    text = repr(came)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return ValueError(f"{name}: expected {wanted}, got {text}")


def integer(name: str, value: Any, *, low: int = 0, high: int | None = None) -> int:
    """An integer in [low, high] as an ``int``; bool and float are refused.

    >>> integer("degree", np.int64(6), low=1)
    6
    """
    wanted = f"an integer of at least {low}"
    if high is not None:
        wanted = f"an integer from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise expected(name, wanted, value)
    if value < low or (high is not None and value > high):
        raise expected(name, wanted, int(value))
    return int(value)


def real(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    open_high: bool = False,
) -> Any:
    """A finite real number in the interval, returned as it came.

    int, float, NumPy scalars and ``Fraction`` pass; bool, text, NaN and infinity
    are refused.

    >>> real("eps", 0.5, low=0, high=1, open_high=True)
    0.5
    """
    left = "(" if open_low or low is None else "["
    right = ")" if open_high or high is None else "]"
    ends = f"{'-inf' if low is None else low}, {'inf' if high is None else high}"
    wanted = f"a finite number in {left}{ends}{right}"
    number = isinstance(value, int | float | Fraction | np.integer | np.floating)
    if not number or isinstance(value, bool) or not math.isfinite(value):
        raise expected(name, wanted, value)
    below = low is not None and (value < low or (open_low and value == low))
    above = high is not None and (value > high or (open_high and value == high))
    if below or above:
        raise expected(name, wanted, value)
    return value


def positive(name: str, value: Any) -> Any:
    """A finite real number above zero, returned as it came."""
    return real(name, value, low=0, open_low=True)


def function(name: str, value: Any, wanted: str = "a function") -> Any:
    """Something that can be called, returned as it came."""
    if not callable(value):
        raise expected(name, wanted, value)
    return value


def words(name: str, value: Any, wanted: str = "words") -> str:
    """Text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise expected(name, wanted, value)
    return value


def listed(name: str, values: Any, wanted: str = "a sequence") -> list[Any]:
    """The entries of a sequence, array, range or other collection; no text.

    >>> listed("sizes", range(2, 4))
    [2, 3]
    """
    if isinstance(values, str | bytes | dict) or getattr(values, "ndim", 1) == 0:
        raise expected(name, wanted, values)
    try:
        return list(values)
    except TypeError:
        raise expected(name, wanted, values) from None


def coefficients(values: Any) -> tuple[Any, ...]:
    """At least one finite real number, lowest power first, as a tuple.

    >>> coefficients([1, Fraction(1, 2)])
    (1, Fraction(1, 2))
    """
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str):
        raise expected("coefficients", "a sequence of numbers", values)
    if len(values) == 0:
        raise expected("coefficients", "at least one number", values)
    return tuple(real(f"coefficients[{i}]", c) for i, c in enumerate(values))


def array_library(name: str, value: Any) -> ModuleType:
    """``numpy`` or ``torch``, whichever made the array.

    torch is looked up, never imported: who passes a tensor has it already.
    """
    if isinstance(value, np.ndarray):
        return np
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return torch
    came = type(value).__name__
    raise ValueError(f"{name}: expected a NumPy array or a torch tensor, got {came}")


def floating_arrays(**named: tuple[Any, str]) -> tuple[ModuleType, dict[str, int]]:
    """Check several floating arrays together and name their sizes.

    Args:
        named: for each argument the array and its shape in words: ``"n d"``, or
            ``"... n d"`` when equal leading axes are allowed. One word stands
            for one size throughout.

    Returns:
        The array library (``numpy`` or ``torch``) and the size behind each word.

    Raises:
        ValueError: for another type, an integer dtype, mixed dtypes or
            libraries, a wrong number of axes, sizes that disagree, an empty
            array, NaN or infinity.

    >>> floating_arrays(q=(np.ones((5, 2)), "n d"), k=(np.ones((7, 2)), "m d"))[1]
    {'n': 5, 'd': 2, 'm': 7}
    """
    first = next(iter(named))
    library = array_library(first, named[first][0])
    dtype = named[first][0].dtype
    sizes: dict[str, int] = {}
    owner: dict[str, str] = {}
    leading = None
    for name, (value, words) in named.items():
        if array_library(name, value) is not library:
            raise ValueError(
                f"{name}: expected a {library.__name__} array like {first}, "
                f"got {type(value).__name__}"
            )
        if value.dtype not in (library.float32, library.float64):
            raise ValueError(
                f"{name}: expected dtype float32 or float64, got {value.dtype}"
            )
        if value.dtype != dtype:
            raise ValueError(
                f"{name}: expected dtype {dtype} like {first}, got {value.dtype}"
            )
        axes = words.split()
        form, came = f"({', '.join(axes)})", tuple(value.shape)
        trailing = came
        if axes[0] == "...":
            axes = axes[1:]
            trailing = came[len(came) - len(axes) :]
            lead = came[: len(came) - len(axes)]
            leading = lead if leading is None else leading
            if lead != leading:
                raise ValueError(
                    f"{name}: expected leading axes {leading} like {first}, "
                    f"got shape {came}"
                )
        if len(trailing) != len(axes):
            raise ValueError(f"{name}: expected shape {form}, got {came}")
        for axis, size in zip(axes, trailing):
            if sizes.setdefault(axis, size) != size:
                raise ValueError(
                    f"{name}: expected shape {form} with {axis} = {sizes[axis]} "
                    f"as in {owner[axis]}, got {came}"
                )
            owner.setdefault(axis, name)
        if 0 in came:
            raise ValueError(f"{name}: expected no empty axis, got shape {came}")
        magnitude(name, value)
    return library, sizes


def without_gradient(**named: Any) -> None:
    """Refuse tensors that record a gradient, for code that writes into buffers."""
    for name, value in named.items():
        if getattr(value, "requires_grad", False):
            raise ValueError(
                f"{name}: expected a tensor that records no gradient, "
                f"got requires_grad=True (pass {name}.detach())"
            )


def magnitude(name: str, value: Any) -> float:
    """The largest absolute entry of a floating array, found finite.

    Minimum and maximum carry NaN and infinity through, so one pass does both.
    """
    low, high = value.min().item(), value.max().item()
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{name}: expected finite entries, found NaN or infinity")
    return max(-low, high)


def integer_array(name: str, value: Any) -> np.ndarray:
    """A non-empty NumPy array of signed or unsigned integers (bool is refused)."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu":
        came = getattr(value, "dtype", type(value).__name__)
        raise ValueError(f"{name}: expected a NumPy array of integers, got {came}")
    if value.ndim == 0 or value.size == 0:
        raise ValueError(f"{name}: expected entries along axis 0, got {value.shape}")
    return value
