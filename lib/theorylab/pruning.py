"""One-shot pruning of a linear layer: which weights go, and what the others become.

A layer maps inputs ``x`` (n, d), one a row, to ``x @ w.T`` with weights ``w``
(r, d): r outputs, d inputs. A mask is True where a weight is kept. All functions
take NumPy arrays (float32 or float64), calculate in float64 and change no argument.
Ties are broken by position: of equal scores the first in row-major order goes first.

Used by the chapters *sparsegpt-complexity* and *attention-matrix-pruning*.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from theorylab import inputs
from theorylab.inputs import expected


def magnitude_mask(w: np.ndarray, keep: float | Fraction) -> np.ndarray:
    """Keep the largest entries of the whole matrix.

    Args:
        w: (r, d) weights.
        keep: share of entries kept, in [0, 1]; floor((1 - keep) r d) entries go.

    Returns:
        (r, d) bool, True where kept.

    Raises:
        ValueError: another type or shape, NaN or infinity, ``keep`` out of range.

    >>> magnitude_mask(np.array([[3.0, -1.0], [0.5, -2.0]]), 0.5)
    array([[ True, False],
           [False,  True]])
    """
    _matrices(w=(w, "r d"))
    return ~_least(np.abs(w), _gone(keep, w.size))


def wanda_mask(w: np.ndarray, x: np.ndarray, keep: float | Fraction) -> np.ndarray:
    """Keep in each row the largest |w_ij| times the norm of input column j.

    The score of Sun, Liu, Bair and Kolter (A Simple and Effective Pruning Approach
    for Large Language Models, 2023).

    Args:
        w: (r, d) weights.
        x: (n, d) calibration inputs.
        keep: share of each row kept, in [0, 1]; floor((1 - keep) d) entries go.

    Returns:
        (r, d) bool, True where kept.

    Raises:
        ValueError: as :func:`magnitude_mask`; widths that disagree.

    >>> wanda_mask(np.array([[3.0, -1.0]]), np.array([[0.1, 1.0]]), 0.5)
    array([[False,  True]])
    """
    _matrices(w=(w, "r d"), x=(x, "n d"))
    norms = np.sqrt((x.astype(np.float64) ** 2).sum(0))
    gone = _gone(keep, w.shape[1])
    return np.array([~_least(row, gone) for row in np.abs(w) * norms])


def sparsegpt(
    w: np.ndarray,
    x: np.ndarray,
    sparsity: float | Fraction,
    *,
    block: int = 128,
    mask_block: int = 1,
    damping: float = 0.01,
) -> tuple[np.ndarray, np.ndarray]:
    """Prune column by column and let the later columns make up for it.

    H = x^T x + damping mean(diag(x^T x)) I, and U is upper triangular with
    U^T U = H^-1. At every ``mask_block``-th column the entries of the next
    ``mask_block`` columns with the least w_ij^2 / U_jj^2 are chosen to go. Column j
    leaves the errors e = (w_j - q_j) / U_jj, and e U_jt is taken from every later
    column t: at once inside the block of j, by one product after the block.

    Cost: r d (d - 1) flops of updates, whatever the block, after O(n d^2 + d^3) for
    H and U. Source: Frantar and Alistarh (2023), Algorithm 1.

    Args:
        w: (r, d) weights.
        x: (n, d) calibration inputs. For a given H pass ``np.linalg.cholesky(H).T``
            and ``damping=0``.
        sparsity: share of each mask block that goes, in [0, 1], rounded down: with
            ``mask_block=1`` floor(sparsity r) entries of every column.
        block: columns between two products, a multiple of ``mask_block``. It changes
            speed and rounding, in exact arithmetic nothing else.
        mask_block: columns whose masks are chosen together. It changes the result.
        damping: at least 0, relative to the mean of the diagonal.

    Returns:
        The pruned weights (r, d) in the dtype of ``w``, zero outside the mask, and
        the mask, True where kept.

    Raises:
        ValueError: another type or shape, NaN or infinity, a number out of range, a
            ``block`` that cuts mask blocks, H not positive definite.

    >>> w, x = np.array([[1.0, 2.0], [3.0, 1.0]]), np.array([[1.0, 1.0], [0.0, 1.0]])
    >>> pruned, mask = sparsegpt(w, x, 0.5, damping=0)
    >>> pruned.round(6)
    array([[0. , 2.5],
           [3. , 0. ]])
    """
    _matrices(w=(w, "r d"), x=(x, "n d"))
    block = inputs.integer("block", block, low=1)
    mask_block = inputs.integer("mask_block", mask_block, low=1)
    if block % mask_block:
        raise expected("block", f"a multiple of mask_block = {mask_block}", block)
    inputs.real("damping", damping, low=0)
    inputs.real("sparsity", sparsity, low=0, high=1)
    r, d = w.shape
    u = _factor(x.astype(np.float64), float(damping))
    out, kept = w.astype(np.float64), np.ones((r, d), dtype=bool)
    for start in range(0, d, block):
        end = min(start + block, d)
        errors = np.zeros((r, end - start))
        for j in range(start, end):
            if j % mask_block == 0:
                span = slice(j, min(j + mask_block, d))
                score = (out[:, span] / np.diag(u)[span]) ** 2
                kept[:, span] = ~_least(score, _part(sparsity, score.size))
            error = np.where(kept[:, j], 0.0, out[:, j] / u[j, j])
            out[:, j] = np.where(kept[:, j], out[:, j], 0.0)
            out[:, j + 1 : end] -= np.outer(error, u[j, j + 1 : end])
            errors[:, j - start] = error
        out[:, end:] -= errors @ u[start:end, end:]
    return out.astype(w.dtype), kept


def layer_error(w: np.ndarray, pruned: np.ndarray, x: np.ndarray) -> float:
    """Relative change of the layer's outputs: |x (w - pruned)^T| / |x w^T|.

    Both norms are Frobenius norms.

    Args:
        w, pruned: (r, d) weights before and after.
        x: (n, d) inputs.

    Raises:
        ValueError: another type or shape, NaN or infinity, x w^T = 0.

    >>> layer_error(np.array([[3.0, 4.0]]), np.array([[3.0, 0.0]]), np.eye(2))
    0.8
    """
    _matrices(w=(w, "r d"), pruned=(pruned, "r d"), x=(x, "n d"))
    w, pruned, x = (a.astype(np.float64) for a in (w, pruned, x))
    whole = np.linalg.norm(x @ w.T)
    if whole == 0:
        raise expected("w", "weights with x w^T not zero", w)
    return float(np.linalg.norm(x @ (w - pruned).T) / whole)


def _matrices(**named: Any) -> None:
    for name, (value, _) in named.items():
        if not isinstance(value, np.ndarray):
            raise expected(name, "a NumPy array", type(value).__name__)
    # Weights and inputs may have different dtypes; sizes must agree all the same.
    inputs.floating_arrays(
        **{
            name: (value.astype(np.float64) if _floats(value) else value, words)
            for name, (value, words) in named.items()
        }
    )


def _floats(value: np.ndarray) -> bool:
    return value.dtype in (np.float32, np.float64)


def _gone(keep: float | Fraction, size: int) -> int:
    """floor((1 - keep) size)."""
    inputs.real("keep", keep, low=0, high=1)
    return int((1 - Fraction(str(keep))) * size)


def _part(share: float | Fraction, size: int) -> int:
    """floor(share size); a float is read as the decimal it prints."""
    return int(Fraction(str(share)) * size)


def _least(score: np.ndarray, count: int) -> np.ndarray:
    """True at the ``count`` least scores, ties by position."""
    chosen = np.zeros(score.size, dtype=bool)
    chosen[np.argsort(score, axis=None, kind="stable")[:count]] = True
    return chosen.reshape(score.shape)


def _factor(x: np.ndarray, damping: float) -> np.ndarray:
    """Upper triangular U with U^T U = H^-1, without forming the inverse.

    With the order of the columns reversed, Cholesky gives H = R R^T with R upper
    triangular; then U = R^-1.
    """
    h = x.T @ x
    h += damping * np.diag(h).mean() * np.eye(len(h))
    try:
        root = np.linalg.cholesky(h[::-1, ::-1])[::-1, ::-1]
        # Nearly singular passes Cholesky by luck of rounding and means nothing. Each
        # pivot is set against its own diagonal: the scale of an input must not matter.
        # Written so that NaN from overflow fails too.
        if not (np.diag(root) ** 2 > 1e-14 * np.diag(h)).all():
            raise np.linalg.LinAlgError
    except np.linalg.LinAlgError:
        raise ValueError(
            "x: expected x^T x + damping positive definite, got a matrix that in "
            "float64 is not (raise damping, or rescale)"
        ) from None
    return solve_triangular(root, np.eye(len(h)), lower=False)
