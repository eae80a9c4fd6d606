"""The races of the performance page: `make bench` writes data/benchmarks/results.json.

Polynomial attention against what a user would call instead,
``torch.nn.functional.scaled_dot_product_attention`` (SDPA) with the same scale, and
against exact attention in tiles, which uses what the theorem uses (scores in a known
interval need no running maximum). Same inputs, same dtype, same number of threads.

The outputs are compared before anything is timed. Contenders take turns; a
repetition of a contender that takes under 0.1 s is the median of five calls. A
ratio is formed within each repetition; median, least and greatest are kept.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import permutations
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from flint import arb, arb_poly, fmpq

from theorylab.attention import (
    feature_count,
    poly_attention,
    poly_attention_operations,
)
from theorylab.data import write_atomically
from theorylab.polynomial import minimax_exp, rho

RESULTS = Path(__file__).parents[2] / "data" / "benchmarks" / "results.json"
# (d, B, degrees): the head widths, entry bounds and polynomials that race.
SHAPES = [(4, Fraction(1), (4, 6)), (8, Fraction(1, 2), (3,))]
SIZES = {1: (8192, 16384, 32768, 65536), 2: (8192, 16384)}
FLOAT32_FLOOR = 2e-6
SDPA, TILED = "torch SDPA", "exact in tiles"
# SDPA is not the limit at tiny head widths; what was seen elsewhere, not here.
NOTES = {
    (d, SDPA): f"an exact fused C kernel, measured elsewhere, is {times} times faster "
    f"than SDPA at d = {d}"
    for d, times in ((4, "3.8"), (8, "1.85"))
}


def draw(n: int, d: int, bound: Fraction) -> tuple[torch.Tensor, ...]:
    """Queries and keys uniform in [-B, B], values in [-1, 1], each (n, d) float32."""
    rng = np.random.default_rng(n + d)
    ends = (float(bound), float(bound), 1.0)
    return tuple(
        torch.tensor(rng.uniform(-b, b, (n, d)), dtype=torch.float32) for b in ends
    )


def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    q, k, v = (x[None, None] for x in (q, k, v))
    attention = torch.nn.functional.scaled_dot_product_attention
    return attention(q, k, v, scale=1 / q.shape[-1])[0, 0]


def tiled(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, tile: int = 256
) -> torch.Tensor:
    """Exact attention, tile by tile, for scores known to be small."""
    n, d = q.shape
    keys, queries = k / d, q.T.contiguous()
    values = torch.cat([v.T, torch.ones(1, n)])  # [v, 1]^T
    weights, out = torch.empty(tile, tile), torch.empty_like(v)
    for i in range(0, n, tile):
        sums = torch.zeros(d + 1, tile)
        for j in range(0, n, tile):
            torch.mm(keys[j : j + tile], queries[:, i : i + tile], out=weights)
            sums.addmm_(values[:, j : j + tile], weights.exp_())
        out[i : i + tile] = (sums[:-1] / sums[-1]).T
    return out


def contenders(d: int, bound: Fraction, degrees: tuple[int, ...]) -> dict[str, Any]:
    """Name -> function of (q, k, v)."""
    found: dict[str, Any] = {SDPA: sdpa, TILED: tiled}
    for degree in degrees:
        coefficients = minimax_exp(bound**2, degree).coefficients

        def polynomial(q: Any, k: Any, v: Any, coefficients: Any = coefficients) -> Any:
            return poly_attention(q, k, v, coefficients, entry_bound=float(bound))

        found[race_name(d, degree)] = polynomial
    return found


def race_name(d: int, degree: int) -> str:
    return f"d={d} r={feature_count(d, degree)}"


def certified_bound(radius: Fraction, degree: int, cells: int = 4000) -> float:
    """2 rho(eps), eps enclosed over all of [-R, R] by balls (mean-value form)."""
    p = arb_poly(
        [
            arb(fmpq(c.numerator, c.denominator))
            for c in minimax_exp(radius, degree).coefficients
        ]
    )
    slope = p.derivative() - p  # (P e^-x)' = (P' - P) e^-x
    half = fmpq(radius.numerator, radius.denominator * cells)
    worst = 0.0
    for i in range(cells):
        middle = half * (2 * i + 1 - cells)
        cell = arb(middle) + arb(0, 1) * arb(half)
        error = p(arb(middle)) * (-arb(middle)).exp() - 1
        error += slope(cell) * (-cell).exp() * arb(0, 1) * arb(half)
        worst = max(worst, float(abs(error).upper()))
    return 2 * rho(math.nextafter(worst, 1))


def seconds(call: Callable[[], Any], threads: int) -> float:
    """One repetition: a call, or the median of five when calls are short."""
    # With one thread processor time is what an idle machine's clock would show,
    # and it does not count the moments another program had the core.
    clock = time.process_time if threads == 1 else time.perf_counter

    def once() -> float:
        start = clock()
        call()
        return clock() - start

    first = once()
    return first if first > 0.1 else median([first, *(once() for _ in range(4))])


def race(
    n: int, d: int, bound: Fraction, degrees: tuple[int, ...], threads: int, rounds: int
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """The rows of one size and shape, and each contender's median seconds."""
    torch.set_num_threads(threads)
    data = draw(n, d, bound)
    running = contenders(d, bound, degrees)
    if threads > 1:
        del running[TILED]  # its tiles are too small to be shared out
    degree_of = {race_name(d, degree): degree for degree in degrees}
    square = torch.rand(1024, 1024)
    with torch.inference_mode():
        exact = running[SDPA](*data)
        errors, bounds = {}, {}
        for name, attention in running.items():
            errors[name] = (attention(*data) - exact).abs().max().item()
            degree = degree_of.get(name)
            bounds[name] = certified_bound(bound**2, degree) if degree else 0.0
            if not errors[name] <= bounds[name] + FLOAT32_FLOOR:
                raise SystemExit(
                    f"{name}, n = {n}: outputs differ by {errors[name]}, more than "
                    f"the certified {bounds[name]}; nothing was timed"
                )
        times: dict[str, list[float]] = {name: [] for name in [*running, "gemm"]}
        for _ in range(rounds):
            times["gemm"].append(seconds(lambda: square @ square, threads))
            for name, attention in running.items():
                times[name].append(seconds(lambda f=attention: f(*data), threads))
    gemm_rate = 2 * 1024**3 / median(times["gemm"])

    rows = []
    for name, baseline in permutations(running, 2):
        if name == SDPA or baseline not in (SDPA, TILED):
            continue
        ratios = [b / t for b, t in zip(times[baseline], times[name])]
        took = median(times[name])
        degree = degree_of.get(name)
        products = 2 * n * n * (2 * d + 1)
        if degree:
            products = 2 * poly_attention_operations(n, d, degree, d).multiply_adds
        rows.append(
            {
                "name": name,
                "n": n,
                "d": d,
                "r": feature_count(d, degree) if degree else None,
                "degree": degree,
                "entry_bound": float(bound),
                "dtype": "float32",
                "threads": threads,
                "baseline": baseline,
                "baseline_seconds": median(times[baseline]),
                "seconds": took,
                "repetitions": rounds,
                "ratio": {
                    "median": median(ratios),
                    "low": min(ratios),
                    "high": max(ratios),
                },
                "observed_error": errors[name],
                "certified_error": bounds[name] if degree else None,
                "bound": "2 rho(eps) max|v|" if degree else "exact but for rounding",
                "gemm_share": products / took / gemm_rate,
                "gemm_gflops": gemm_rate / 1e9,
                "peak_mb": None,
                "note": NOTES.get((d, baseline), "") if degree else "",
            }
        )
    return rows, {name: median(t) for name, t in times.items()}


def peak_mb(n: int, d: int, bound: Fraction, name: str) -> float | None:
    """Growth of the resident set at its highest, in a process that runs once.

    Linux only: the kernel's high-water mark is reset just before the call.
    """
    torch.set_num_threads(1)
    degrees = next(g for width, _, g in SHAPES if width == d)
    attention = contenders(d, bound, degrees)[name]
    data = draw(n, d, bound)
    with torch.inference_mode():
        attention(*(x[:512] for x in data))  # libraries and threads are loaded
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return None
        before = _status("VmRSS")
        attention(*data)
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def _peak_of(n: int, d: int, name: str) -> float | None:
    command = [sys.executable, __file__, "--peak", str(n), str(d), name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def exponent(sizes: list[int], times: list[float]) -> float:
    """The least-squares slope of log time against log n."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def machine() -> dict[str, Any]:
    """What the times depend on; nothing that names the machine."""
    model = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        lines = facts.read_text().splitlines()
        names = [
            x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "system": platform.system(),
        "load_at_start": os.getloadavg()[0],
    }


def run(sizes: dict[int, tuple[int, ...]], rounds: int, peaks: bool) -> dict[str, Any]:
    """All races; prints each as it ends."""
    started = machine()
    races: list[dict[str, Any]] = []
    exponents = []
    left_out = []
    for threads, lengths in sizes.items():
        load = os.getloadavg()[0]
        if threads > 1 and load > threads:
            # Threads that wait for each other measure the other programs.
            left_out.append(
                f"{threads} threads: the load was {load:.1f}, these races need "
                f"{threads} cores to themselves"
            )
            print(f"left out: {left_out[-1]}")
            continue
        for d, bound, degrees in SHAPES:
            curve: dict[str, list[float]] = {}
            for n in lengths:
                rows, times = race(n, d, bound, degrees, threads, rounds)
                for name, took in times.items():
                    curve.setdefault(name, []).append(took)
                if peaks and threads == 1:
                    found = {row["name"]: _peak_of(n, d, row["name"]) for row in rows}
                    rows = [row | {"peak_mb": found[row["name"]]} for row in rows]
                races += rows
                print(table(rows), flush=True)
            exponents += [
                {
                    "name": f"d={d} {name}" if name in (SDPA, TILED) else name,
                    "threads": threads,
                    "sizes": list(lengths),
                    "exponent": exponent(list(lengths), times),
                }
                for name, times in curve.items()
                if name != "gemm" and len(lengths) >= 3
            ]
    started["load_at_end"] = os.getloadavg()[0]
    return {
        "machine": started,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "how": {
            "seconds": "median over the repetitions; processor time with one thread "
            "(the clock of an idle machine), wall clock with more",
            "ratio": "baseline seconds / seconds, within each repetition",
            "peak_mb": "growth of the resident set at its highest, one thread, MiB",
            "gemm_share": "of the float32 1024 x 1024 product's rate, same threads",
            "error": "largest entry of the difference to SDPA; the certified error "
            "holds in exact arithmetic, float32 adds about 1e-7",
        },
        "left_out": left_out,
        "exponents": exponents,
        "races": races,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text."""
    lines = []
    for row in rows:
        ratio = row["ratio"]
        bound = row["certified_error"]
        bound = "rounding" if bound is None else f"{bound:.1e}"
        peak = "-" if row["peak_mb"] is None else f"{row['peak_mb']:.1f}"
        lines.append(
            f"{row['name']:>15}  n={row['n']:<6} threads={row['threads']}  "
            f"{row['seconds'] * 1e3:9.2f} ms  {ratio['median']:7.1f}x "
            f"[{ratio['low']:.1f}, {ratio['high']:.1f}] of {row['baseline']:<15} "
            f"error {row['observed_error']:.1e} <= {bound:<8} "
            f"GEMM {row['gemm_share']:5.1%}  peak {peak} MiB"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to n = 16384 only")
    parser.add_argument("--rounds", type=int, default=7, help="repetitions (>= 5)")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--peak", nargs=3, metavar=("N", "D", "NAME"), help="internal")
    chosen = parser.parse_args(arguments)
    if chosen.peak:
        n, d = map(int, chosen.peak[:2])
        bound = next(b for width, b, _ in SHAPES if width == d)
        print(json.dumps(peak_mb(n, d, bound, chosen.peak[2])))
        return
    if chosen.rounds < 5:
        parser.error("--rounds: expected at least 5 repetitions")
    sizes = {t: tuple(n for n in ns if n <= 16384) for t, ns in SIZES.items()}
    results = run(sizes if chosen.quick else SIZES, chosen.rounds, peaks=True)
    write_atomically(chosen.output, json.dumps(results, indent=1) + "\n")
    for row in results["exponents"]:
        print(f"{row['name']:>22}: time grows as n^{row['exponent']:.2f}")
    print("written to data/benchmarks/results.json")


if __name__ == "__main__":
    main()
