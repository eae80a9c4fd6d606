"""Faults: a kill, a full disk, damaged files. The last good site outlives them all."""

import os
import re
import shutil
import signal
import subprocess
import sys

import nbformat
import pytest

from tools import build, execute, faults, publish

from .samples import ROOT, notebook, shell, tiny_book, write

SECONDS = re.compile(rb'(?<="execution_seconds": )[0-9.]+')
"""All that two builds of one book may differ in: how long a notebook took."""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A tiny book that is built once, and left good by every test."""
    root = tiny_book(tmp_path_factory.mktemp("book"))
    done = shell("tools.build", cwd=root)
    assert done.returncode == 0, done.stderr
    return root


def published(root):
    """Every file of the site with its content, but for the seconds."""
    site = root / "_build/html"
    files = sorted(path for path in site.rglob("*") if path.is_file())
    return {
        path.relative_to(site).as_posix(): SECONDS.sub(b"?", path.read_bytes())
        for path in files
    }


def differing(one, other):
    return [name for name in {*one, *other} if one.get(name) != other.get(name)]


def refuses(root, capsys):
    """The message of a build that ends with a clear error and touches no page."""
    standing = published(root)
    assert build.main(["--root", str(root)]) == 1
    said = capsys.readouterr().err
    assert clear(said)
    assert published(root) == standing
    return said


def clear(said):
    assert "Traceback" not in said
    assert "start again" in said
    assert "The last good site still stands" in said
    return True


# Killed


def killed(act, step):
    """Whether ``act`` in a process of its own came to its n-th step, and died there.

    A step is what the interpreter reports before it touches a file.
    """
    child = os.fork()
    if child == 0:
        left = [step]

        def count(event, arguments):
            if event.startswith(("os.", "shutil.", "open", "ctypes.")):
                left[0] -= 1
                if left[0] == -1:
                    os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            sys.addaudithook(count)
            act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def folder(path, text):
    for name in ("a/1", "a/2", "b"):
        write(path / name, text)


def content(path):
    return {file.read_text() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_kill_at_any_step_of_publishing_leaves_a_whole_site(
    tmp_path, monkeypatch, can_exchange
):
    if not can_exchange:

        def exchange(one, other):
            raise OSError(publish.errno.ENOSYS, "cannot")

        monkeypatch.setattr(publish, "exchange", exchange)
    new, standing = tmp_path / "new", tmp_path / "html"
    steps, alive = 0, True
    while alive:
        for path in tmp_path.iterdir():
            shutil.rmtree(path)
        folder(new, "new")
        folder(standing, "old")
        alive = killed(lambda: publish.put_in_place(new, standing), steps)
        if can_exchange:
            assert content(standing) in ({"old"}, {"new"})
        publish.recover(tmp_path)
        assert content(standing) in ({"old"}, {"new"})
        assert len([*standing.rglob("*")]) == 4
        steps += 1
    assert content(standing) == {"new"}
    assert steps > 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["html"]


def test_what_a_page_shows_does_not_depend_on_the_builds_before(tmp_path):
    root = tiny_book(tmp_path)
    write(root / "intro.md", "# A tiny book\n\nAn extraordinary word.\n")
    build.build(root)
    write(root / "intro.md", "# A tiny book\n\nThe first text.\n")
    build.build(root)
    onto = published(root)
    (root / "_build/.site.json").unlink()
    build.build(root)
    assert differing(onto, published(root)) == []
    assert b"extraordinari" not in onto["searchindex.js"]


def test_a_damaged_page_is_built_anew(book):
    page = book / "_build/html/chapters/one.html"
    good = published(book)
    page.write_bytes(page.read_bytes()[:1000])
    build.build(book)
    assert differing(good, published(book)) == []


def test_two_builds_at_once(book, capsys):
    with publish.alone(book):
        assert f"process {os.getpid()}" in refuses(book, capsys)
        assert execute.main(["--root", str(book)]) == 1
        assert "Another build" in capsys.readouterr().err
    assert build.main(["--root", str(book)]) == 0


# Damaged


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        flip,
        lambda content: content.replace(b"value 10", b"value 11"),
        lambda content: content.partition(b"\n")[2],
    ],
    ids=["cut", "empty", "flipped", "another-value", "no-checksum"],
)
def test_a_damaged_result_is_an_error_and_not_a_page(book, capsys, monkeypatch, damage):
    monkeypatch.setattr(execute, "run", lambda *a, **k: pytest.fail("run"))
    file = execute.store(book) / "chapters/one.run"
    good = file.read_bytes()
    assert damage(good) != good
    file.write_bytes(damage(good))
    said = refuses(book, capsys)
    assert str(file) in said
    assert "Delete it" in said
    file.write_bytes(good)
    assert build.main(["--root", str(book)]) == 0


@pytest.mark.parametrize(
    ("name", "good", "bad", "line"),
    [
        ("data/errata/errata.yml", b"a: 1\nb: [2]\n", b"a: 1\nb: [2\nc: 3\n", 3),
        ("data/errata/errata.yml", b"a: 1\n", b"a: 1\nb: caf\xe9\n", 2),
        ("data/errata/errata.yml", b"a: 1\n", b"a: 1\nb: \x00\n", 2),
        ("data/papers/papers.yml", b"a: 1\n", b"a: 1\n b: 2\n", 2),
        ("data/benchmarks/results.json", b'{\n"a": 1}', b'{\n"a": 1', 2),
        ("data/deep/one.json", b"{}", b"", 1),
        ("_toc.yml", None, b"format: jb-book\nroot: [\n", 3),
        ("chapters/one.ipynb", None, b'{\n "cells": [\n', 3),
    ],
)
def test_a_damaged_file_is_named_with_its_line(book, capsys, name, good, bad, line):
    path = book / name
    before = path.read_bytes() if good is None else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bad)
    said = refuses(book, capsys)
    assert f"{path}, line {line}: " in said
    if before is None:
        path.write_bytes(good)
        faults.check_data(book)
        path.unlink()
    else:
        path.write_bytes(before)


# A disk that refuses

NAMESPACE = ["unshare", "--map-root-user", "--mount"]


def has_namespaces():
    """Whether this user may mount in a name space of its own, which needs no root."""
    if not shutil.which("unshare"):
        return False
    test = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(test, capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(
    not has_namespaces(), reason="no mounts in a user name space here"
)


def full(root, spare):
    """A script that puts ``_build`` on a disk with ``spare`` kB left."""
    files = [path for path in (root / "_build").rglob("*") if path.is_file()]
    size = sum(-(-path.stat().st_size // 4096) * 4 for path in files) + spare
    return (
        f"mkdir ../disk; mount -t tmpfs -o size={size}k tmpfs ../disk; "
        "cp -a _build/. ../disk; mount --bind ../disk _build"
    )


def read_only(folder):
    """A script that makes a folder read-only, for root too."""
    return f"mount --bind {folder} {folder}; mount -o remount,ro,bind {folder}"


FAULTS = {
    "full-results": (lambda root: full(root, 0), ".executed/", "Free some"),
    "full-stage": (lambda root: full(root, 16), "stage/", "Free some"),
    "full-copy": (lambda root: full(root, 3000), ".sphinx/_build", "Free some"),
    "full-sphinx": (lambda root: full(root, 3000), ".sphinx: ", "Free some"),
    "read-only": (lambda root: read_only("_build"), ".lock", "writable"),
    "read-only-results": (
        lambda root: read_only("_build/.executed"),
        ".executed/",
        "writable",
    ),
}


@pytest.mark.parametrize(
    ("prepare", "at", "why"),
    [
        *(pytest.param(*case, marks=needs_mounts) for case in FAULTS.values()),
        (lambda root: "ulimit -f 16", "stage/", "larger files"),
    ],
    ids=[*FAULTS, "short-files"],
)
def test_a_disk_that_refuses(book, tmp_path, prepare, at, why):
    """Inside a name space the build meets a disk that nobody else sees."""
    root = tmp_path / "book"
    shutil.copytree(book, root)
    if at == ".executed/":
        longer = notebook("print('x' * 20_000)")
        nbformat.write(longer, root / "chapters/one.ipynb")
    else:  # a new title begins the site from nothing
        title = "A new title" if at == ".sphinx: " else "A tiny book"
        write(root / "intro.md", f"# {title}\n\n" + "Many words.\n" * 2000)
    script = prepare(root)
    shutil.copytree(root / "_build/html", tmp_path / "standing")
    path = [str(root / "lib"), str(ROOT), str(ROOT / "lib")]
    check = "diff -r _build/html ../standing"
    shell = ["sh", "-c", f'{script}; "$@" && exit 99; {check}', "sh"]
    prefix = NAMESPACE if "mount" in script else []
    done = subprocess.run(
        [*prefix, *shell, sys.executable, "-m", "tools.build"],
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done  # refused, and the site is the same
    assert clear(done.stderr)
    assert why in done.stderr
    assert f"{root}/_build/{at}" in done.stderr
