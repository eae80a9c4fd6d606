"""``proved``: machine-checked for all inputs of the stated domain."""

from .boxes import on_box

__all__ = ["on_box"]
