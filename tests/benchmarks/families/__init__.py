"""The races, one module a construction."""

from tests.benchmarks.families import (
    bias,
    conv_basis,
    halfspaces,
    multilayer,
    polynomial,
    rope,
)

FAMILIES = {
    module.FAMILY.name: module.FAMILY
    for module in (polynomial, rope, multilayer, conv_basis, bias, halfspaces)
}
