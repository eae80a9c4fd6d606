"""Small stand-ins for the tests of the heart."""

from theorylab.verify import Evidence, Theorem, Verdict, evidence


def theorem() -> Theorem:
    return Theorem("test-chapter", title="A chapter made for a test")


def finding(verdict: str = "holds", **fields: object) -> Evidence:
    """Evidence as a verifier would issue it, with chosen fields."""
    given = {
        "kind": "proved",
        "observed": 1,
        "bound": 2,
        "domain": "one case",
        **fields,
    }
    return evidence.issue(given.pop("kind"), Verdict(verdict), **given)
