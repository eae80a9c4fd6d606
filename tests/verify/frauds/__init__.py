"""The frauds, gathered."""

from . import of_the_adversary, of_the_chapter, of_the_kinds, of_the_proofs
from .common import chapter, earned

ALL = [
    *of_the_chapter.FRAUDS,
    *of_the_kinds.FRAUDS,
    *of_the_proofs.FRAUDS,
    *of_the_adversary.FRAUDS,
]

__all__ = ["ALL", "chapter", "earned"]
