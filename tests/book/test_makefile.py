"""The environment is made when it is missing, and again when what it needs changes."""

import os
import shutil
import subprocess

import pytest

from .samples import ROOT, write

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")


@needs_make
def test_installs_once_per_content_of_what_is_needed(tmp_path):
    for name in ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    log = tmp_path / "log"
    for name in ("python", "pip"):
        program = tmp_path / "env/bin" / name
        write(program, f'#!/bin/sh\necho "$@" >> {log}\n')
        program.chmod(0o755)

    def installs():
        log.write_text("")
        subprocess.run(
            ["make", "install", "VENV=env"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        return log.read_text().count("install")

    assert installs() == 1
    assert installs() == 0
    pins = tmp_path / "requirements.txt"
    later = (tmp_path / "env/.installed").stat().st_mtime + 5
    os.utime(pins, (later, later))
    assert installs() == 0
    pins.write_text(pins.read_text() + "more==1  # more\n")
    os.utime(pins, (later + 5, later + 5))
    assert installs() == 1


@needs_make
def test_a_failed_install_is_tried_again(tmp_path):
    for name in ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("python", "pip"):
        write(tmp_path / "env/bin" / name, "#!/bin/sh\nexit 3\n")
        (tmp_path / "env/bin" / name).chmod(0o755)
    for _ in range(2):
        done = subprocess.run(
            ["make", "install", "VENV=env"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode != 0
    assert not (tmp_path / "env/.installed").exists()
