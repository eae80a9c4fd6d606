"""The frauds, gathered."""

from . import of_the_chapter, of_the_kinds
from .common import chapter, earned

ALL = [*of_the_chapter.FRAUDS, *of_the_kinds.FRAUDS]

__all__ = ["ALL", "chapter", "earned"]
