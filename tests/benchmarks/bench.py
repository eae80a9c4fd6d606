"""The races of the performance page: `make bench` writes data/benchmarks/results.json.

Each construction of the book against what a user would call instead, mostly
``torch.nn.functional.scaled_dot_product_attention`` (SDPA) with the same scale: same
inputs, same dtype, same number of threads. Exact attention in tiles takes part where
a bound on the scores spares it the running maximum.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import scipy
import torch
from threadpoolctl import threadpool_limits

from tests.benchmarks import core
from tests.benchmarks.families import FAMILIES
from theorylab.data import write_atomically

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "data" / "benchmarks" / "results.json"
# (dtype, threads): the sizes that race.
SIZES = {
    ("float32", 1): (8192, 16384, 65536),
    ("float32", 2): (8192, 16384),
    ("float64", 1): (8192, 16384),
    ("float64", 2): (8192,),
}
PATIENCE = 8.0  # seconds a race may take before three rounds have to do
PEAK = ("float32", 1, 16384)  # where memory is measured


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


def races(
    family: core.Family, dtype: str, threads: int, sizes: tuple[int, ...], rounds: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of one family, and how its times grow."""
    rows, exponents = [], []
    for shape in family.shapes:
        curves: dict[str, list[float]] = {}
        raced = [n for n in family.sizes or sizes if n <= family.most.get(shape, n)]
        for n in raced:
            torch.set_num_threads(threads)
            race = family.build(shape, n, dtype)
            race.contenders[:] = [
                c
                for c in race.contenders
                if not (threads > 1 and c.one_core)
                and not (n > 16384 and c.name == core.TILED)  # slow to wait for
            ]
            where = f"{family.name}, n = {n}, {dtype}"
            # The limit holds for the BLAS of NumPy as torch's own holds for torch.
            with torch.inference_mode(), threadpool_limits(threads):
                errors = core.checked(race, dtype, where)
                times = core.timed(race, dtype, threads, rounds, PATIENCE)
            new = core.rows_of(family.name, race, errors, times, n, dtype, threads)
            for name, took in times.items():
                curves.setdefault(name, []).append(float(np.median(took)))
            rows += new
            print(table(new), flush=True)
        exponents += [
            {
                "family": family.name,
                "name": f"{name}, {shape}" if name in (core.SDPA, core.TILED) else name,
                "dtype": dtype,
                "threads": threads,
                "sizes": raced,
                "exponent": core.exponent(raced, times),
            }
            for name, times in curves.items()
            if name != "gemm" and len(times) == len(raced) >= 3
        ]
    return rows, exponents


def break_even(
    family: core.Family, dtype: str, raced: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """From which n on a construction is the faster one, with one thread."""
    torch.set_num_threads(1)
    rows = [] if family.small else raced
    for shape in family.shapes:
        for n in family.small:
            race = family.build(shape, n, dtype)
            with torch.inference_mode(), threadpool_limits(1):
                errors = core.checked(race, dtype, f"{family.name}, n = {n}")
                times = core.timed(race, dtype, 1, 3, side=16)  # its rate is not used
            rows += core.rows_of(family.name, race, errors, times, n, dtype, 1)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        if row["name"] != core.TILED:
            keys = ("family", "name", "baseline", "dtype", "threads")
            entry = {key: row[key] for key in keys} | {"sizes": [], "ratios": []}
            entry = found.setdefault((row["name"], row["baseline"]), entry)
            entry["sizes"].append(row["n"])
            entry["ratios"].append(row["ratio"]["median"])
    for entry in found.values():
        entry["n"] = core.crossing(entry["sizes"], entry["ratios"])
    return list(found.values())


def peaks(family: core.Family) -> dict[str, float | None]:
    """Growth of the resident set at its highest, MiB, of each contender.

    Each runs once in a process of its own, forked where torch has one thread. Linux
    only: the kernel's high-water mark is reset just before the call.
    """
    dtype, threads, n = PEAK
    torch.set_num_threads(threads)
    found: dict[str, float | None] = {}
    for shape in family.shapes:
        if n > family.most.get(shape, n):
            continue
        warm, race = family.build(shape, 256, dtype), family.build(shape, n, dtype)
        for small, contender in zip(warm.contenders, race.contenders):
            with torch.inference_mode():
                small.call()  # libraries are loaded
                found[f"{race.d} {contender.name}"] = _in_a_child(contender)
    return found


def _in_a_child(contender: core.Contender) -> float | None:
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        with os.fdopen(read) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        return json.loads(text or "null")
    try:
        ctypes.CDLL(None).malloc_trim(0)  # no room left by what ran before
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        contender.call()
        os.write(write, json.dumps((_status("VmHWM") - before) / 1024).encode())
    finally:
        os._exit(0)


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def _peaks_of(family: str) -> dict[str, float | None]:
    command = [sys.executable, "-m", "tests.benchmarks.bench", "--peak", family]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return json.loads(done.stdout)


def run(
    sizes: dict[tuple[str, int], tuple[int, ...]],
    rounds: int,
    families: list[str] | None = None,
    more: bool = True,
) -> dict[str, Any]:
    """All races; prints each as it ends. ``more``: break-even and memory too."""
    started = machine()
    rows: list[dict[str, Any]] = []
    exponents: list[dict[str, Any]] = []
    even: list[dict[str, Any]] = []
    left_out: list[str] = []
    chosen = [FAMILIES[name] for name in families or FAMILIES]
    for (dtype, threads), lengths in sizes.items():
        load = os.getloadavg()[0]
        if threads > 1 and load > threads:
            # Threads that wait for each other measure the other programs.
            left_out.append(
                f"{dtype}, {threads} threads: the load was {load:.1f}, these races "
                f"need {threads} cores to themselves"
            )
            print(f"left out: {left_out[-1]}")
            continue
        for family in chosen:
            if threads > 1 and family.single:
                continue
            for shape, most in family.most.items():
                skipped = ", ".join(f"{n:,}" for n in lengths if n > most)
                remark = f"{family.name}, {shape}, {skipped} tokens: not to wait long"
                if skipped and remark not in left_out:
                    left_out.append(remark)
            new, grown = races(family, dtype, threads, lengths, rounds)
            rows += new
            exponents += grown
            if more and threads == 1:
                even += break_even(family, dtype, new)
    for family in chosen if more else []:
        there = [
            row
            for row in rows
            if row["family"] == family.name
            and (row["dtype"], row["threads"], row["n"]) == PEAK
        ]
        found = _peaks_of(family.name) if there else {}
        for row in there:
            row["peak_mb"] = found.get(f"{row['d']} {row['name']}")
            row["baseline_peak_mb"] = found.get(f"{row['d']} {row['baseline']}")
    started["load_at_end"] = os.getloadavg()[0]
    return {
        "machine": started,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "numba": numba.__version__,
        },
        "how": {
            "seconds": "median over the repetitions; processor time with one thread "
            "(the clock of an idle machine), wall clock with more",
            "ratio": "baseline seconds / seconds, within each repetition",
            "threads": "the same for all in a race; exact attention in tiles and the "
            "compiled contenders run on one core and race with one thread only",
            "break_even": "log-linear between the last size at which the ratio is "
            "below 1 and the next, one thread",
            "peak_mb": "growth of the resident set at its highest, one thread, MiB",
            "gemm_share": "operations that the method cannot do without (a "
            "multiply-add is two, a transform 2.5 N log2 N, an exponential is not "
            "counted) a second, of the rate of the 1024 x 1024 product, same dtype and "
            "threads",
            "error": "largest entry of the difference to the baseline's outputs; the "
            "certified error holds in exact arithmetic, float32 adds about 1e-7 times "
            "the entries summed",
        },
        "left_out": left_out,
        "exponents": exponents,
        "break_even": even,
        "races": rows,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text."""
    lines = []
    for row in rows:
        ratio, bound = row["ratio"], row["certified_error"]
        bound = "rounding" if bound is None else f"{bound:.1e}"
        shares = (
            "–" if share is None else f"{share:.1%}"
            for share in (row["gemm_share"], row["baseline_gemm_share"])
        )
        lines.append(
            f"{row['name']:>34}  n={row['n']:<6} {row['dtype']} x{row['threads']} "
            f"{row['seconds'] * 1e3:9.2f} ms {ratio['median']:7.3g}x "
            f"[{ratio['low']:.3g}, {ratio['high']:.3g}] of {row['baseline']:<15} "
            f"error {row['observed_error']:.1e} <= {bound:<8} "
            f"GEMM {' against '.join(shares)}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n = 8192, float32 only")
    parser.add_argument("--rounds", type=int, default=5, help="repetitions (>= 5)")
    parser.add_argument("--family", action="append", choices=list(FAMILIES))
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--peak", choices=list(FAMILIES), help="internal")
    chosen = parser.parse_args(arguments)
    if chosen.peak:
        print(json.dumps(peaks(FAMILIES[chosen.peak])))
        return
    if chosen.rounds < 5:
        parser.error("--rounds: expected at least 5 repetitions")
    sizes = SIZES
    if chosen.quick:
        sizes = {key: ns[:1] for key, ns in SIZES.items() if key[0] == "float32"}
    results = run(sizes, chosen.rounds, chosen.family)
    write_atomically(chosen.output, json.dumps(results, indent=1) + "\n")
    for row in results["exponents"]:
        print(f"{row['name']:>34}: time grows as n^{row['exponent']:.2f}")
    for row in results["break_even"]:
        print(f"{row['name']:>34}: even with {row['baseline']} at {row['n']}")
    print(f"written to {chosen.output}")


if __name__ == "__main__":
    main()
