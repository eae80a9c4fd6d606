"""The races run at a small size: outputs agree, the record is whole."""

import json
import os
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from tests.benchmarks import bench, core
from tests.benchmarks.families import (
    FAMILIES,
    bias,
    conv_basis,
    multilayer,
    polynomial,
    rope,
)
from theorylab.attention import exact_attention
from theorylab.polynomial import minimax_exp, rho
from theorylab.toeplitz import toeplitz_matrix


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench, "SIZES", {("float32", 1): (128, 192, 256)})
    monkeypatch.setattr(core, "GEMM", 64)
    for name, family in FAMILIES.items():
        tiny = replace(
            family,
            sizes=(),
            small=(64, 128, 256) if family.small else (),
            most={"backward": 200} if name == "RoPE" else {},
        )
        monkeypatch.setitem(FAMILIES, name, tiny)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_results_are_complete_and_name_no_machine(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "PEAK", ("float32", 1, 256))
    monkeypatch.setattr(bench, "_peaks_of", lambda family: {"4 exact in tiles": 1.5})
    file = tmp_path / "results.json"
    bench.main(["--rounds", "5", "--output", str(file)])
    text = file.read_text()
    results = json.loads(text)
    keys = {"machine", "versions", "how", "left_out", "exponents", "break_even"}
    assert set(results) == {*keys, "races"}
    assert set(results["versions"]) == {"python", "torch", "numpy", "scipy", "numba"}
    assert results["left_out"] == ["RoPE, backward, 256 tokens: not to wait long"]
    assert {row["family"] for row in results["races"]} == set(FAMILIES)
    for row in results["races"]:
        ratio = row["ratio"]
        assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
        assert row["repetitions"] >= 3
        assert row["baseline"] in ("torch SDPA", "exact in tiles", "full scan")
        assert ("slower" in row["note"]) == (ratio["median"] < 1)
        tiled = row["name"] == "exact in tiles" and row["d"] == 4
        assert row["peak_mb"] == (1.5 if tiled and row["n"] == 256 else None)
        tiled = row["baseline"] == "exact in tiles" and row["d"] == 4
        assert row["baseline_peak_mb"] == (1.5 if tiled and row["n"] == 256 else None)
        assert row["gemm_share"] > 0
        assert row["baseline_gemm_share"] > 0
        if row["certified_error"] is not None:
            assert row["observed_error"] <= row["certified_error"] + 1e-5
    for row in results["break_even"]:
        raced = row["family"] == "half-space reporting"
        assert row["sizes"] == ([128, 192, 256] if raced else [64, 128, 256])
        assert len(row["ratios"]) == 3
        assert row["n"] is None or 64 <= row["n"] <= 256
    assert {row["name"] for row in results["break_even"]} == {
        row["name"] for row in results["races"] if row["name"] != "exact in tiles"
    }
    for private in (os.uname().nodename, os.getcwd(), str(tmp_path)):
        assert private not in text
    assert "polynomial, d=4 g=4" in capsys.readouterr().out


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_agree_within_the_certified_error(family, dtype):
    """The bound alone, without what is allowed for rounding, covers float64."""
    for shape in FAMILIES[family].shapes:
        race = FAMILIES[family].build(shape, 160, dtype)
        core.checked(race, dtype, family)
        reference, *others = race.contenders
        exact = core.outputs(reference)
        for contender in others:
            if dtype == "float64" and contender.certified:
                for x, y, most in zip(
                    core.outputs(contender), exact, contender.certified, strict=True
                ):
                    assert np.abs(x - y).max() <= most


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (polynomial, "poly_attention"),
        (rope, "poly_attention"),
        (multilayer, "poly_attention"),
        (conv_basis, "apply"),
        (bias, "biased_poly_attention"),
    ],
)
def test_a_contender_that_is_wrong_stops_the_race(
    small, module, function, monkeypatch, tmp_path
):
    right = getattr(module, function)

    def wrong(x, *args, **options):
        return 0.9 * right(x, *args, **options) - 0.05

    monkeypatch.setattr(module, function, wrong)
    with pytest.raises(SystemExit, match="nothing was timed"):
        bench.main(
            ["--family", module.FAMILY.name, "--output", str(tmp_path / "results.json")]
        )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("output", range(4))
def test_one_wrong_gradient_stops_the_race(output, monkeypatch):
    right = rope.poly_attention_vjp

    def wrong(*args):
        found = list(right(*args))
        found[output] = found[output] + 0.05 * found[output].abs().max()
        return tuple(found)

    race = rope.build("backward", 128, "float64")
    monkeypatch.setattr(rope, "poly_attention_vjp", wrong)
    with pytest.raises(SystemExit, match=r"backward.* nothing was timed"):
        core.checked(race, "float64", "RoPE")


def test_the_reference_with_a_bias_is_exact_attention_with_it():
    race = bias.build("d=4", 96, "float64")
    q, k, v, b = core.uniform(
        100, *[((96, 4), 1.0)] * 3, ((191,), 2.0), dtype="float64"
    )
    kernel = torch.exp(q @ k.T / 4 + toeplitz_matrix(b))
    exact = kernel @ v / kernel.sum(1, keepdim=True)
    torch.testing.assert_close(race.contenders[0].call(), exact)


def test_the_model_is_the_one_in_words():
    x, *weights = core.uniform(
        0, ((2, 40, 4), 1.0), *[((4, 4), 0.2)] * 6, dtype="float64"
    )
    leaves = [t.clone().requires_grad_() for t in (x, *weights)]
    y = leaves[0]
    for w, wv in zip(leaves[1::2], leaves[2::2]):
        y = y + exact_attention(y @ w, y, y @ wv)
    expected = torch.autograd.grad((y * y).mean() / 2, leaves)
    for found in (
        multilayer.autograd(x, weights)(),
        multilayer.factorised(x, weights, minimax_exp(1, 12).coefficients),
    ):
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-8)


def test_scores_beyond_the_interval_stop_the_multi_layer_race(monkeypatch):
    monkeypatch.setattr(multilayer, "RADIUS", Fraction(1, 10))
    with pytest.raises(SystemExit, match="scores up to"):
        multilayer.build("1 sequence", 64, "float64")


def test_tiles_are_exact_attention():
    data = core.uniform(0, *[((1024, 4), 1.0)] * 3, dtype="float32")
    torch.testing.assert_close(
        polynomial.tiled(*data), polynomial.sdpa(*data), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(("radius", "degree"), [(1, 4), (Fraction(1, 4), 3)])
def test_the_certified_error_encloses_the_minimax_error(radius, degree):
    error = minimax_exp(radius, degree).error
    assert error <= core.enclosed_error(Fraction(radius), degree) <= 1.02 * error
    certified = core.certified_bound(Fraction(radius), degree)
    assert 2 * rho(error) <= certified <= 1.02 * 2 * rho(error)


def test_memory_is_that_of_the_call(monkeypatch):
    monkeypatch.setattr(bench, "PEAK", ("float32", 1, 2048))
    threads = torch.get_num_threads()

    def build(shape, n, dtype):
        del shape, dtype
        ask = core.Contender("ask", lambda: np.ones((n, n), np.float32))
        return core.Race(4, [ask])

    found = bench.peaks(core.Family("test", ("one",), build))
    torch.set_num_threads(threads)
    assert 15 < found["4 ask"] < 20  # 16 MiB


def test_races_of_two_threads_are_left_out_on_a_busy_machine(monkeypatch, capsys):
    monkeypatch.setattr(os, "getloadavg", lambda: (2.5, 0.0, 0.0))
    results = bench.run({("float32", 2): (512,)}, 5, more=False)
    assert results["races"] == []
    assert results["left_out"] == [
        "float32, 2 threads: the load was 2.5, these races need 2 cores to themselves"
    ]


def test_contenders_take_turns_and_change_who_begins(monkeypatch):
    monkeypatch.setattr(core, "seconds", lambda call, threads: call() and 1.0)
    called = []
    race = core.Race(
        1, [core.Contender(x, lambda x=x: called.append(x) or x) for x in "ab"]
    )
    monkeypatch.setattr(
        core.torch.Tensor, "__matmul__", lambda x, y: called.append(".")
    )
    times = core.timed(race, "float64", 1, 3, side=2)
    assert "".join(called) == ".ab" + "ab." + "b.a"
    assert [len(times[name]) for name in ("a", "b", "gemm")] == [3, 3, 3]


def test_the_square_product_has_the_dtype_of_the_race(monkeypatch):
    """Also where the outputs are indices."""
    seen = []
    product = torch.Tensor.__matmul__
    monkeypatch.setattr(
        core.torch.Tensor,
        "__matmul__",
        lambda x, y: seen.append(x.dtype) or product(x, y),
    )
    race = FAMILIES["half-space reporting"].build("d=2", 128, "float64")
    core.timed(race, "float64", 1, 3, side=2)
    assert set(seen) == {torch.float64}


def test_a_contender_on_one_core_does_not_race_on_two(monkeypatch, capsys):
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    threads = torch.get_num_threads()
    small = replace(FAMILIES["polynomial"], shapes=("d=4",))
    monkeypatch.setitem(FAMILIES, "polynomial", small)
    results = bench.run({("float32", 2): (128,)}, 5, ["polynomial"], more=False)
    torch.set_num_threads(threads)
    names = {row["name"] for row in results["races"]}
    assert names == {"polynomial, d=4 g=4", "polynomial, d=4 g=6"}


def test_too_few_repetitions_are_refused(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--rounds", "4"])
    assert "at least 5 repetitions" in capsys.readouterr().err


def test_the_exponent_of_a_power():
    sizes = [1000, 2000, 4000]
    assert core.exponent(sizes, [3e-9 * n**2 for n in sizes]) == pytest.approx(2)


def test_the_crossing_of_a_power():
    sizes = [100, 200, 400, 800]
    ratios = [(n / 300) ** 1.5 for n in sizes]
    assert core.crossing(sizes, ratios) == pytest.approx(300)
    assert core.crossing(sizes, [2.0, 0.5, 2.0, 4.0]) == pytest.approx(200 * 2**0.5)
    assert core.crossing(sizes, [0.5, 2.0, 0.5, 2.0]) == pytest.approx(400 * 2**0.5)
    assert core.crossing(sizes, [2.0, 3.0, 4.0, 5.0]) is None
    assert core.crossing(sizes, [0.2, 0.3, 0.4, 0.5]) is None
