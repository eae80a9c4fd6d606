"""Checksums are checked, and no failure leaves half a file."""

import os
from pathlib import Path

import pytest

from theorylab.data import load, sha256, write_atomically


def test_what_is_written_is_loaded(tmp_path):
    write_atomically(tmp_path / "set" / "a.txt", "déjà vu\n")
    content = load("set/a.txt", sha256("déjà vu\n".encode()), root=tmp_path)
    assert content.decode() == "déjà vu\n"
    write_atomically(tmp_path / "set" / "a.txt", b"\x00\xff")
    assert load("set/a.txt", sha256(b"\x00\xff").upper(), root=tmp_path) == b"\x00\xff"
    assert os.listdir(tmp_path / "set") == ["a.txt"]


def test_data_lies_beside_the_library():
    file = Path(__file__).parents[2] / "data" / "papers" / "papers.yml"
    content = file.read_bytes()
    assert load("papers/papers.yml", sha256(content)) == content


def test_a_digest_may_hold_all_sixteen_digits(tmp_path):
    write_atomically(tmp_path / "a", "a")
    digest = sha256(b"a")
    assert set(digest) == set("0123456789abcdef")
    assert load("a", digest, root=tmp_path) == b"a"


def test_folders_are_made_and_may_be_there(tmp_path):
    for text in "one", "two":
        write_atomically(tmp_path / "deep" / "deeper" / "a", text)
        assert (tmp_path / "deep" / "deeper" / "a").read_text() == text


def test_all_is_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    seen = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(handle):
        seen.append(("fsync", os.fstat(handle).st_size))
        fsync(handle)

    def watched_replace(old, new):
        seen.append(("replace", os.stat(old).st_size))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    write_atomically(tmp_path / "a", "four")
    assert seen == [("fsync", 4), ("replace", 4)]


def test_a_damaged_file_names_both_digests(tmp_path):
    write_atomically(tmp_path / "a", b"good")
    (tmp_path / "a").write_bytes(b"goo")
    with pytest.raises(ValueError, match="expected sha256") as error:
        load("a", sha256(b"good"), root=tmp_path)
    assert sha256(b"good") in str(error.value)
    assert sha256(b"goo") in str(error.value)


def test_a_missing_file_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"git checkout .*/a\.csv") as e:
        load("set/a.csv", "0" * 64, root=tmp_path)
    assert str(tmp_path / "set" / "a.csv") in str(e.value)


@pytest.mark.parametrize("bad", ["", "0" * 63, "g" * 64, "0" * 65])
def test_a_digest_must_look_like_one(bad, tmp_path):
    with pytest.raises(ValueError, match="digest: expected 64 hexadecimal digits"):
        load("a", bad, root=tmp_path)


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    file = tmp_path / "a"
    write_atomically(file, "before")

    def full(*_):
        raise OSError("no space left")

    for broken in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, broken, full)
            with pytest.raises(OSError, match="no space left"):
                write_atomically(file, "after")
        assert file.read_text() == "before"
        assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("bad", [None, 1, ["x"]])
def test_other_content_is_refused_before_a_file_is_made(bad, tmp_path):
    with pytest.raises(ValueError, match="content: expected str or bytes"):
        write_atomically(tmp_path / "new" / "a", bad)
    assert os.listdir(tmp_path) == []


def test_a_written_file_is_readable_by_others(tmp_path):
    write_atomically(tmp_path / "a", "x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
