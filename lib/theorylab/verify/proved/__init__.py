"""``proved``: machine-checked for all inputs of the stated domain.

Four roads, none of which accepts a result:

* :func:`identity`: two expressions are equal wherever their denominators are not
  zero; a refuting exact point is hunted, then the canonical form decides;
* :func:`unsat`: the negation of a claim has no model (z3, and cvc5 beside it);
* :func:`on_box`: an inequality over a whole box, by branch and bound in balls;
* :mod:`certificate`: sums of squares, LP duality and Farkas multipliers in exact
  rationals, re-checked here whatever produced them.
"""

from . import certificate
from .boxes import on_box
from .identity import identity
from .smt import unsat

__all__ = ["certificate", "identity", "on_box", "unsat"]
