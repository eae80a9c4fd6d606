"""Faults: a kill, a full disk, damaged files. The last good site outlives them all."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from tools import build, execute, faults, publish

from .samples import ROOT, built, notebook, shell, tiny_book, write

SECONDS = re.compile(rb'(?<="execution_seconds": )[0-9.]+')
"""All that two builds of one book may differ in: how long a notebook took."""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Built once, and left good by every test."""
    return built(tiny_book(tmp_path_factory.mktemp("book")))


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

KERNEL_WORKS = "open */tinylab/__pycache__/one.*"
SPHINX_READS = "open *.doctree"
MOMENTS = [
    (signal.SIGINT, KERNEL_WORKS, 1),
    (signal.SIGKILL, KERNEL_WORKS, 2),
    (signal.SIGKILL, "open */.executed/chapters/*", 3),
    (signal.SIGKILL, "open */stage/chapters/*", 12),
    (signal.SIGINT, SPHINX_READS, 1),
    (signal.SIGKILL, SPHINX_READS, 30),
    (signal.SIGKILL, "open */.sphinx/_build/html/*.html", 30),
    (signal.SIGKILL, "shutil.rmtree */_build/html", 30),
]
"""In the order of a build: what ends it, when, and under how many further steps."""


def ended(root, ending, moment, steps, **options):
    """A build that is ended at a moment: what it ended with, and what it said."""
    path = [ROOT / "tests/book/killer", root / "lib", ROOT, ROOT / "lib"]
    running = subprocess.Popen(
        [sys.executable, "-m", "tools.build"],
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "KILL_AT": moment,
            "KILL_STEPS": str(steps),
            "KILL_SIGNAL": str(int(ending)),
            **options,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _, said = running.communicate(timeout=120)
    return running.returncode, said


def survivors(root):
    """Processes that work in the folder of the book."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(f"{root}/"):
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_for_survivors(root):
    deadline = time.monotonic() + 60
    while alive := survivors(root):
        assert time.monotonic() < deadline, alive
        time.sleep(0.1)


def test_a_killed_build_leaves_a_whole_site_and_the_next_one_makes_the_same(
    book, tmp_path
):
    root, other = tmp_path / "book", tmp_path / "undisturbed"
    shutil.copytree(book, root)
    old = published(root)
    write(root / "lib/tinylab/shared.py", "UNIT = 2\n")  # both notebooks run again
    write(root / "intro.md", "# A better book\n\nThe second text.\n")
    shutil.copytree(root, other)
    build.build(other)
    new = published(other)
    assert {"intro.html", "chapters/one.html"} <= set(differing(old, new))

    rng = random.Random(20)
    for ending, moment, most in MOMENTS:
        steps = rng.randrange(most)
        code, said = ended(root, ending, moment, steps)
        assert code == -ending, (moment, steps)
        if ending == signal.SIGINT:
            assert said == faults.STOPPED
        now = published(root)
        assert now in (old, new), (moment, differing(old, now), differing(new, now))
    wait_for_survivors(root)

    code, _ = ended(root, signal.SIGKILL, SPHINX_READS, 0, KILL_ALONE="1")
    assert code == -signal.SIGKILL
    (sphinx,) = survivors(root)
    assert "Another build" in shell("tools.build", cwd=root).stderr
    sphinx.kill()
    wait_for_survivors(root)

    done = shell("tools.build", cwd=root)
    assert done.returncode == 0, done.stderr
    assert differing(new, published(root)) == []
    assert not [*root.glob("_build/**/.writing-*"), *root.glob("_build/.old-*")]


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


def test_what_a_page_shows_does_not_depend_on_the_builds_before(book):
    intro, page = book / "intro.md", book / "_build/html/chapters/one.html"
    text, good = intro.read_text(), published(book)
    write(intro, f"{text}\nAn extraordinary word.\n")
    build.build(book)
    assert b"extraordinari" in published(book)["searchindex.js"]
    write(intro, text)
    build.build(book)  # onto the pages that stand
    assert differing(good, published(book)) == []
    page.write_bytes(page.read_bytes()[:1000])  # damaged: from nothing
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
        ("data/teeth/equivalent/one.yml", b"a: 1\n", b"a: 1\n b: 2\n", 2),
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
