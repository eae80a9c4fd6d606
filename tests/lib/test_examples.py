"""Every example in a docstring of the library's domain modules runs."""

import doctest
from importlib import import_module

import pytest

MODULES = (
    "attention",
    "boolean",
    "circuits",
    "compiled",
    "conv_basis",
    "data",
    "exercises",
    "gradients",
    "groups",
    "inputs",
    "polynomial",
    "pruning",
    "pyramid",
    "rope",
    "toeplitz",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(import_module(f"theorylab.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
