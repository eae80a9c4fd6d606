"""How a fraud is written down and tried."""

from collections.abc import Callable
from dataclasses import dataclass

from theorylab.verify import ClaimNotEstablished, Evidence, Refused, Theorem, Verdict


@dataclass(frozen=True)
class Fraud:
    """One dishonest check.

    Attributes:
        group: its letter among the groups of frauds.
        story: what is done, in a few words.
        run: tries it; returns the evidence of the claim if it was accepted.
        guards: names in ``theorylab.verify.guards`` that must be off for it to pass.
    """

    group: str
    story: str
    run: Callable[[], Evidence]
    guards: tuple[str, ...]


def earned(fraud: Fraud) -> bool:
    """Whether the fraud was accepted as a claim that holds."""
    try:
        return fraud.run().verdict is Verdict.HOLDS
    except (Refused, ClaimNotEstablished):
        return False


def chapter() -> Theorem:
    return Theorem("fraudulent-chapter", title="A chapter that cheats")


def accepted(thm: Theorem) -> Evidence:
    """The last claim of a chapter whose certificate was given."""
    thm.certificate()
    return thm.rows[-1].evidence
