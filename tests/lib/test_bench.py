"""The race runs at a small size: outputs agree, the record is whole."""

import json
import os
from fractions import Fraction

import pytest
import torch

from tests.benchmarks import bench
from theorylab.polynomial import minimax_exp, rho


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench, "SIZES", {1: (512, 768, 1024)})
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_results_are_complete_and_name_no_machine(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "_peak_of", lambda n, d, name: 1.5)
    file = tmp_path / "results.json"
    bench.main(["--rounds", "5", "--output", str(file)])
    text = file.read_text()
    results = json.loads(text)
    keys = {"machine", "versions", "how", "left_out", "exponents", "races"}
    assert set(results) == keys
    assert results["left_out"] == []
    for row in results["races"]:
        ratio = row["ratio"]
        assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
        assert row["repetitions"] >= 5
        assert row["baseline"] in ("torch SDPA", "exact in tiles")
        certified = row["certified_error"] or 0.0
        assert row["observed_error"] <= certified + bench.FLOAT32_FLOOR
        assert row["peak_mb"] == 1.5
    assert {(row["d"], row["r"]) for row in results["races"]} == {
        (4, None),
        (4, 70),
        (4, 210),
        (8, None),
        (8, 165),
    }
    assert len(results["exponents"]) == 7
    for private in (os.uname().nodename, os.getcwd(), str(tmp_path)):
        assert private not in text
    assert "d=4 r=70" in capsys.readouterr().out


def test_a_contender_that_is_wrong_stops_the_race(small, monkeypatch, tmp_path):
    right = bench.poly_attention
    monkeypatch.setattr(
        bench, "poly_attention", lambda *args, **kw: 1.01 * right(*args, **kw)
    )
    with pytest.raises(SystemExit, match="nothing was timed"):
        bench.main(["--output", str(tmp_path / "results.json")])
    assert os.listdir(tmp_path) == []


def test_tiles_are_exact_attention():
    data = bench.draw(1024, 4, Fraction(1))
    torch.testing.assert_close(bench.tiled(*data), bench.sdpa(*data), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("radius", "degree"), [(1, 4), (Fraction(1, 4), 3)])
def test_the_certified_error_encloses_the_minimax_error(radius, degree):
    error = 2 * rho(minimax_exp(radius, degree).error)
    certified = bench.certified_bound(Fraction(radius), degree)
    assert error <= certified <= 1.02 * error


def test_races_of_two_threads_are_left_out_on_a_busy_machine(monkeypatch, capsys):
    monkeypatch.setattr(os, "getloadavg", lambda: (2.5, 0.0, 0.0))
    results = bench.run({2: (512,)}, 5, peaks=False)
    assert results["races"] == []
    assert results["left_out"] == [
        "2 threads: the load was 2.5, these races need 2 cores to themselves"
    ]


def test_too_few_repetitions_are_refused(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--rounds", "4"])
    assert "at least 5 repetitions" in capsys.readouterr().err


def test_the_exponent_of_a_power():
    sizes = [1000, 2000, 4000]
    assert bench.exponent(sizes, [3e-9 * n**2 for n in sizes]) == pytest.approx(2)
