"""The frauds, gathered."""

from . import of_the_chapter
from .common import chapter, earned

ALL = [*of_the_chapter.FRAUDS]

__all__ = ["ALL", "chapter", "earned"]
