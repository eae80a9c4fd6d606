"""The book itself keeps its rules, and its files say what is true."""

import re
import tomllib

import pytest
import yaml

from tools import lint_book

from .samples import ROOT


def lines(name):
    text = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in text if line.strip() and not line.startswith("#")]


def test_the_book_keeps_its_rules():
    assert [str(finding) for finding in lint_book.lint_sources(ROOT)] == []


def test_the_settings_that_close_gates_are_there():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert config["execute"]["execute_notebooks"] == "force"
    assert config["execute"]["allow_errors"] is False
    assert config["execute"]["stderr_output"] == "warn"
    assert config["only_build_toc_files"] is True
    sphinx = config["sphinx"]
    assert sphinx["recursive_update"] is True
    assert sphinx["config"]["nb_execution_raise_on_error"] is True
    assert sphinx["config"]["html_extra_path"] == ["vendor"]


def test_every_requirement_is_pinned_and_says_what_it_is_for():
    wanted = [ln for ln in lines("requirements.txt") if not ln.startswith("-")]
    pins = {line.replace("_", "-") for line in lines("constraints.txt")}
    assert len(wanted) > 20
    for line in wanted:
        pin, _, comment = line.partition("#")
        assert re.fullmatch(r"[\w.-]+==[\w.]+", pin.strip()), line
        assert comment.strip(), line
        assert pin.strip() in pins, line
    assert "-e ." in lines("requirements.txt")
    assert "-c constraints.txt" in lines("requirements.txt")


def test_the_constraints_are_a_freeze():
    assert all(
        re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines("constraints.txt")
    )


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/README.md"])
def test_what_is_told_to_run_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = set(re.findall(r"\bmake ([a-z][a-z-]+)", text))
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    assert told
    assert told <= targets
    for module in re.findall(r"python -m (tools\.\w+)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / name).parent / link).exists(), link


def test_the_library_is_packaged_from_lib():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    assert project["tool"]["setuptools"]["packages"]["find"]["where"] == ["lib"]
    assert project["project"]["requires-python"] == ">=3.11"
