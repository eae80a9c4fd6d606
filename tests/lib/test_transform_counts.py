"""The operation counts of what goes through transforms, against counted runs."""

from math import log2

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from theorylab.conv_basis import apply, apply_operations
from theorylab.toeplitz import (
    biased_poly_attention,
    biased_poly_attention_operations,
    transform_operations,
)


class Counted(TorchDispatchMode):
    """What transforms and products of spectra cost, as they run."""

    def __init__(self):
        super().__init__()
        self.transforms, self.products = 0.0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__.rstrip("_")
        if name in ("_fft_r2c", "_fft_c2r"):
            real = args[0] if name == "_fft_r2c" else out
            self.transforms += 2.5 * real.numel() * log2(real.shape[-1])
        if name == "mul" and out.is_complex():
            self.products += out.numel()
        return out


@pytest.mark.parametrize(
    ("onsets", "n", "e"),
    [
        ([0], 1, 1),
        ([0], 97, 3),
        ([3, 40], 97, 3),
        ([0, 5, 6, 7, 30, 31, 50, 60, 63, 90], 97, 3),
    ],
)
def test_convolutions(onsets, n, e):
    basis = [(j, torch.ones(n - j, dtype=torch.float64)) for j in onsets]
    with Counted() as counted:
        apply(basis, torch.ones(n, e, dtype=torch.float64))
    found = counted.transforms + 8 * counted.products
    assert apply_operations(onsets, n, e) == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize(
    ("n", "d", "degree", "e"),
    [(1, 1, 0, 1), (50, 1, 0, 1), (50, 2, 3, 4), (50, 3, 2, 2)],
)
def test_relative_bias(n, d, degree, e):
    x, v = (torch.ones(n, size, dtype=torch.float64) / 2 for size in (d, e))
    with Counted() as counted:
        biased_poly_attention(
            x, x, v, torch.ones(2 * n - 1, dtype=x.dtype), [1] * (degree + 1)
        )
    found = counted.transforms + 6 * counted.products
    count = biased_poly_attention_operations(n, d, degree, e)
    assert count == pytest.approx(found, rel=1e-12)


def test_growth_is_that_of_n_log_n():
    for count in (
        lambda n: apply_operations([0, n // 3], n, 5),
        lambda n: biased_poly_attention_operations(n, 4, 4, 4),
    ):
        assert 2 < count(1 << 17) / count(1 << 16) < 2.2


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: apply_operations([], 5, 1), "onsets: expected at least one"),
        (lambda: apply_operations([5], 5, 1), "onsets: expected an integer"),
        (lambda: apply_operations([0], 5, 0), "e: expected an integer"),
        (lambda: transform_operations(-1, 8), "rows: expected an integer"),
        (lambda: transform_operations(1, 0), "length: expected an integer"),
        (lambda: biased_poly_attention_operations(0, 1, 1, 1), "n: expected"),
    ],
)
def test_counts_refuse(call, says):
    with pytest.raises(ValueError, match=says):
        call()
