"""The heart of the book: evidence is made only by running a verifier.

A chapter writes one function a claim, decorated with :meth:`Theorem.check`; the
function returns what one verifier found. Six verifiers, strongest first:
``proved``, ``exhausted``, ``enclosed``, ``attacked``, ``scaled``, ``sampled``.
"""

from .domains import Ball, Box, Cube, Finite, Product, Simplex, Sphere
from .evidence import Evidence, HypothesisViolated, Refused, Verdict
from .theorem import ClaimNotEstablished, Theorem

__all__ = [
    "Ball",
    "Box",
    "ClaimNotEstablished",
    "Cube",
    "Evidence",
    "Finite",
    "HypothesisViolated",
    "Product",
    "Refused",
    "Simplex",
    "Sphere",
    "Theorem",
    "Verdict",
]
