"""What a reader sees of a check: the verdict line, the certificate, the table.

The text is identical on every machine: no measured number, no time, no count that
a search decides. The table holds the figures and carries the JSON record from
which the ledger and the graph of claims are collected.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from flint import arb, fmpq, fmpz

from .evidence import SYMBOLS, Evidence, as_float

if TYPE_CHECKING:
    from .theorem import Row, Theorem

RECORD_MIME = "application/vnd.theorylab.record+json"
SCHEMA = 1
_SHORT = 16


def verdict_line(row: Row) -> str:
    """``holds  proved  name  (2/2 controls fail)``: the verdict first."""
    failing = sum(c.outcome == "fails" for c in row.controls)
    return (
        f"{row.evidence.verdict.value}  {row.evidence.kind}  {row.name}  "
        f"({failing}/{len(row.controls)} controls fail)"
    )


def text(theorem: Theorem, rows: list[Row], missing: Sequence[str] = ()) -> str:
    """The certificate that nbval compares; ``missing`` only ever in a specimen."""
    lines = [theorem.slug + ("  SPECIMEN, not in the ledger" * theorem.specimen)]
    lines += [verdict_line(r) for r in rows]
    lines += [f"not established  {name}" for name in missing]
    tried = len(rows) + len(missing)
    lines.append(f"{sum(r.holds for r in rows)} of {tried} checks hold")
    return "\n".join(lines)


def number(value: Any) -> str:
    """A short reading of a number: exact if brief, else four significant digits.

    >>> number(Fraction(1, 8)), number(0.00012345678), number(None)
    ('1/8', '0.0001235', 'exact')
    """
    if value is None:
        return "exact"
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer, fmpz)) and len(str(value)) <= _SHORT:
        return str(value)
    if isinstance(value, (Fraction, fmpq)) and len(str(value)) <= _SHORT:
        return str(value)
    if isinstance(value, Fraction):
        value = fmpq(value.numerator, value.denominator)
    if isinstance(value, (int, fmpz)):
        return f"about {arb(value).str(4, radius=False)}"
    shown = as_float(value)
    if (
        isinstance(value, (fmpq, arb))
        and value != 0
        and (shown == 0 or math.isinf(shown))
    ):
        return f"about {arb(value).str(4, radius=False)}"
    return f"{shown:.4g}"


def ratio(value: float | None) -> str:
    """A tightness: never rounded up to 1.

    >>> ratio(0.9998), ratio(0.99999997), ratio(1.0), ratio(None)
    ('0.9998', '1 - 3e-08', '1', 'exact')
    """
    if value is None:
        return "exact"
    if 0.99995 <= value < 1:
        return f"1 - {1 - value:.1g}"
    return f"{value:.4g}"


def tightness_text(found: Evidence, loose: str | None) -> str:
    """The tightness in words: a figure, ``exact``, or a dash where none is stated."""
    if found.tightness is not None:
        return ratio(found.tightness) + (" (loose)" if loose else "")
    return "exact" if found.kind in ("proved", "exhausted", "enclosed") else "–"


def comparison(found: Evidence) -> str:
    """``observed ... against ...`` in short numbers."""
    if found.observed is None and found.bound is None:
        return found.detail or found.verdict.value
    return f"observed {number(found.observed)}, bound {number(found.bound)}"


def record(theorem: Theorem, rows: list[Row]) -> dict[str, Any]:
    """The JSON record of a chapter, in plain types."""
    return {
        "schema": SCHEMA,
        "slug": theorem.slug,
        "title": theorem.title,
        "part": theorem.part,
        "seconds": round(sum(r.seconds for r in rows), 3),
        "checks": [_check_record(r) for r in rows],
    }


def _check_record(row: Row) -> dict[str, Any]:
    found = row.evidence
    tight = found.tightness
    return {
        "id": row.id,
        "name": row.name,
        "claim": row.claim,
        "kind": found.kind,
        "detail": found.detail,
        "verdict": found.verdict.value,
        "observed": number(found.observed),
        "bound": number(found.bound),
        "tightness": tight if tight is None or math.isfinite(tight) else None,
        "tightness_text": tightness_text(found, row.loose),
        "loose": row.loose,
        "domain": found.domain,
        "cases": found.cases,
        "controls": [
            {"name": c.name, "outcome": c.outcome, "how": c.how} for c in row.controls
        ],
        "rests_on": row.rests_on,
        "seed": row.seed,
        "extra": found.extra,
        "seconds": round(row.seconds, 3),
    }


class Table:
    """The figures of a certificate, shown by Jupyter as a table.

    The same display carries the record under :data:`RECORD_MIME`, so that ledger,
    page and cache cannot disagree. A specimen carries none.
    """

    def __init__(self, theorem: Theorem, rows: list[Row]) -> None:
        self.record = record(theorem, rows)
        self._specimen = theorem.specimen

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = {
            "text/plain": f"{len(self.record['checks'])} checks",
            "text/html": self._html(),
        }
        if not self._specimen:
            bundle[RECORD_MIME] = self.record
        return bundle

    def _html(self) -> str:
        head = "".join(
            f'<th scope="col">{h}</th>'
            for h in ("check", "evidence", "observed", "bound", "tightness")
        )
        body = "".join(
            _rows_html(self.record["slug"], c) for c in self.record["checks"]
        )
        return (
            '<div class="certificate-scroll" tabindex="0" role="region" '
            f'aria-label="Figures of {html.escape(self.record["slug"])}">'
            '<table class="certificate"><caption>Figures of the certificate</caption>'
            f"<thead><tr>{head}</tr></thead>{body}</table></div>"
        )


def _rows_html(slug: str, check: dict[str, Any]) -> str:
    e = html.escape
    controls = "".join(
        f"<li>{e(c['name'])}: {e(c['outcome'])} ({e(c['how'])})</li>"
        for c in check["controls"]
    )
    counted = (
        "" if check["cases"] is None else f"<dt>cases</dt><dd>{check['cases']:,}</dd>"
    )
    loose = (
        f"<dt>loose because</dt><dd>{e(check['loose'])}</dd>" if check["loose"] else ""
    )
    kind = f"{SYMBOLS[check['kind']]} {check['kind']}"
    if check["detail"]:
        kind += f"<br><small>{e(check['detail'])}</small>"
    cells = "".join(
        f"<td>{e(check[k])}</td>" for k in ("observed", "bound", "tightness_text")
    )
    return (
        f'<tbody id="check-{slug}-{check["name"]}">'
        f'<tr><th scope="row">{e(check["name"])}</th><td>{kind}</td>{cells}</tr>'
        '<tr class="certificate-more"><td colspan="5"><details>'
        f"<summary>{e(check['verdict'])}; claim, domain, controls of "
        f"{e(check['name'])}</summary>"
        f"<dl><dt>claim</dt><dd>{e(check['claim'])}</dd>"
        f"<dt>domain</dt><dd>{e(check['domain'])}</dd>{counted}"
        f"<dt>controls</dt><dd><ul>{controls}</ul></dd>{loose}"
        f"<dt>time</dt><dd>{check['seconds']:.2f} s</dd></dl>"
        "</details></td></tr></tbody>"
    )
