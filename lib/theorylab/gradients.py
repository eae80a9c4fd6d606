"""The backward pass of attention, exactly and by the polynomial method.

Let P_i be the weights of row i (they sum to 1), out_i = sum_j P_ij v_j, and g_i the
derivative of the loss by out_i. With w_ij = <g_i, v_j> and delta_i = <g_i, out_i>,

    dv_j = sum_i P_ij g_i,
    dq_i = scale * sum_j P_ij (w_ij - delta_i) k_j,
    dk_j = scale * sum_i P_ij (w_ij - delta_i) q_i.

dq_i is scale times the covariance of <g_i, v_j> and k_j when j is drawn from P_i.

With N_i the normaliser of row i, A_ij = N_i P_ij, and the e + 1 numbers
h_i = [g_i, -delta_i] / N_i and [v_j, 1], the bracket is P_ij (w_ij - delta_i) =
A_ij <h_i, [v_j, 1]>. So everything is a sum of A_ij times [v_j, 1] (x) [k_j, 1]
over j, or times h_i (x) [q_i, 1] over i. When A_ij is a polynomial of the score,
both sums are formed once, in time n r, and no n-by-n array is made.

Source: Y. Chen et al., *Fast Gradient Computation for RoPE Attention in Almost
Linear Time*, 2024; J. Alman and Z. Song, *The Fine-Grained Complexity of Gradient
Computation for Training Large Language Models*, 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theorylab import inputs
from theorylab.attention import FeatureBuffer, feature_weights, unnormalised
from theorylab.verify.evidence import HypothesisViolated


def attention_vjp(
    q: Any,
    k: Any,
    v: Any,
    g: Any,
    *,
    scale: float | None = None,
    causal: bool = False,
) -> tuple[Any, Any, Any]:
    """The derivatives of <g, exact_attention(q, k, v)> by q, k and v.

    Args:
        q: queries, (..., n, d).
        k: keys, (..., m, d).
        v: values, (..., m, e).
        g: upstream derivatives, (..., n, e).
        scale: factor of the scores; 1/d when not given.
        causal: row i sees only the keys 0..i; needs n = m.

    Returns:
        (dq, dk, dv), each with the shape of its argument. Memory and time n m.

    Raises:
        ValueError: when the arrays do not fit together or are not finite.

    >>> import numpy as np
    >>> q, k, v = np.ones((1, 1)), np.array([[0.0], [2.0]]), np.array([[0.0], [1.0]])
    >>> dq, dk, dv = attention_vjp(0 * q, k, v, q)
    >>> dq, dv.tolist()  # the covariance of v and k when both have weight 1/2
    (array([[0.5]]), [[0.5], [0.5]])
    """
    xp, size = inputs.floating_arrays(
        q=(q, "... n d"), k=(k, "... m d"), v=(v, "... m e"), g=(g, "... n e")
    )
    p, scale = unnormalised(xp, size, q, k, scale, causal)
    p = p / xp.sum(p, -1, keepdims=True)
    w = g @ xp.swapaxes(v, -1, -2)
    delta = xp.sum(g * (p @ v), -1, keepdims=True)
    ds = scale * p * (w - delta)
    ds_t, p_t = xp.swapaxes(ds, -1, -2), xp.swapaxes(p, -1, -2)
    return ds @ k, ds_t @ q, p_t @ g


def poly_attention_vjp(
    q: Any,
    k: Any,
    v: Any,
    g: Any,
    coefficients: Sequence[Any],
    *,
    scale: float | None = None,
    block: int = 4096,
) -> tuple[Any, Any, Any, Any]:
    """Forward and backward pass with P(s) = sum_l c_l s^l in the place of exp(s).

    P replaces exp in the formulas of :func:`attention_vjp`: in the weights, in out
    and in delta. That is not the derivative of :func:`poly_attention`, in which P'
    would appear. If |P(s) e^-s - 1| <= eps < 1 on the interval of the scores, each
    entry of row i of dq differs from the exact one by at most
    2 rho(eps) * scale * |g_i|_1 * max|v| * max|k| (float rounding apart).

    Args:
        q: queries, (n, d).
        k: keys, (m, d).
        v: values, (m, e).
        g: upstream derivatives, (n, e).
        coefficients: c_0 ... c_g, numbers or Fractions.
        scale: factor of the scores; 1/d when not given.
        block: tokens a buffer holds.

    Returns:
        (out, dq, dk, dv): (n, e), (n, d), (m, d), (m, e), same library and dtype.
        About 4 (n + m) r (d+1) (e+1) operations, r = C(d+g, g); memory
        r * block + n (d + e).

    Raises:
        HypothesisViolated: "positive normaliser" when P makes a normaliser zero
            or negative.
        ValueError: when the arrays do not fit together or are not finite.

    >>> import numpy as np
    >>> k, v = np.array([[0.0], [2.0]]), np.array([[0.0], [1.0]])
    >>> out, dq, dk, dv = poly_attention_vjp(k[:1], k, v, np.ones((1, 1)), [1, 1])
    >>> out, dq
    (array([[0.5]]), array([[0.5]]))
    """
    xp, size = inputs.floating_arrays(
        q=(q, "n d"), k=(k, "m d"), v=(v, "m e"), g=(g, "n e")
    )
    inputs.without_gradient(q=q, k=k, v=v, g=g)
    n, m, d, e = (size[axis] for axis in "nmde")
    block = min(inputs.integer("block", block, low=1), max(n, m))
    scale = 1 / d if scale is None else float(inputs.real("scale", scale))
    coefficients = inputs.coefficients(coefficients)
    dtype = q.dtype
    weights = xp.asarray(feature_weights(coefficients, d, scale), dtype=dtype)
    features = FeatureBuffer(xp, dtype, d, len(coefficients) - 1, block)
    left = xp.empty((e + 1, block), dtype=dtype)  # [v, 1] or h
    right = xp.ones((d + 1, block), dtype=dtype)  # [k, 1] or [q, 1]
    pairs = xp.empty((e + 1, d + 1, block), dtype=dtype)

    def summed(x: Any, rows: Any) -> Any:
        """The sum over the tokens x of left (x) [x, 1], for every feature."""
        right[:d, : len(x)] = x.T
        a, b, both = (t[..., : len(x)] for t in (left[:, None], right, pairs))
        return xp.multiply(a, b, out=both).reshape(len(keys), -1) @ rows.T

    def applied(summary: Any, rows: Any) -> Any:
        return (summary @ rows).reshape(e + 1, d + 1, -1)

    def contracted(sums: Any) -> Any:
        inner = sums[:, :d]
        inner *= left[:, None, : inner.shape[-1]]
        return scale * inner.sum(0).T

    keys = xp.zeros(((e + 1) * (d + 1), len(weights)), dtype=dtype)
    left[e] = 1
    for start in range(0, m, block):
        here = slice(start, start + block)
        left[:e, : len(k[here])] = v[here].T
        keys += summed(k[here], features(k[here]))
    keys *= weights

    out, dq = xp.empty((n, e), dtype=dtype), xp.empty((n, d), dtype=dtype)
    queries = xp.zeros_like(keys)
    for start in range(0, n, block):
        here = slice(start, start + block)
        rows = features(q[here])
        sums = applied(keys, rows)
        normaliser = sums[e, d]
        least = normaliser.min().item()
        if not least > 0:
            raise HypothesisViolated("positive normaliser", least, "above 0")
        mean = sums[:e, d] / normaliser
        out[here] = mean.T
        h = left[:, : len(q[here])]
        h[:e] = g[here].T / normaliser
        h[e] = -(h[:e] * mean).sum(0)
        dq[here] = contracted(sums)
        queries += summed(q[here], rows)
    queries *= weights

    dk, dv = xp.empty((m, d), dtype=dtype), xp.empty((m, e), dtype=dtype)
    left[e] = 1
    for start in range(0, m, block):
        here = slice(start, start + block)
        left[:e, : len(k[here])] = v[here].T
        sums = applied(queries, features(k[here]))
        dv[here] = sums[:e, d].T
        dk[here] = contracted(sums)
    return out, dq, dk, dv
