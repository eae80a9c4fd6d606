"""Damaged files and disks that refuse: found early, said in one line.

A build that meets one of these stops before it touches the site.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
from pathlib import Path
from types import FrameType

import yaml

ADVICE = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space",
    errno.EFBIG: "Allow larger files (ulimit -f)",
    errno.EROFS: "Make the file system writable",
    errno.EACCES: "Make it yours to read and write",
    errno.EPERM: "Make it yours to read and write",
}
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Damaged(ValueError):
    """A file of the book, or of what a build keeps, is not what was written."""


def number_in(text: str) -> int | None:
    """The number of the system's error that a text reports, if it does."""
    found = re.search(r"\[Errno (\d+)\]", text)
    return int(found[1]) if found else None


def refused(error: OSError) -> str:
    """What the system refused, on which file, and what to do about it."""
    number, where = error.errno, error.filename
    if isinstance(error, shutil.Error):  # a list: source, target and fault of each file
        _, where, fault = error.args[0][0]
        number = number_in(fault)
    what = os.strerror(number) if number else str(error)
    advice = ADVICE.get(number or 0, "Mend that")
    return f"{where}: {what}. {advice}, then start again."


STOPPED = """
Stopped. Notebooks that ended are kept, and so is the last good site.
"""


def end_on_interrupt() -> None:
    """Let Ctrl-C end this process at once, with one line.

    A build may be killed at any moment, so nothing is unwound: it would wait for the
    notebooks that run. Their kernels end themselves.
    """

    def end(number: int, frame: FrameType | None) -> None:
        os.write(2, STOPPED.encode())
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # what ran this sees why it ended

    signal.signal(signal.SIGINT, end)


def parse(path: Path) -> None:
    """Read a file of JSON (by its name, or a notebook) or else of YAML to its end.

    Raises:
        Damaged: it does not parse; names file, line and fault.
    """
    content = path.read_bytes()
    try:
        text = content.decode()
        if path.suffix in {".json", ".ipynb"}:
            json.loads(text)
        else:
            yaml.load(text, LOADER)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        fault = f"byte {content[error.start]:#04x} is not UTF-8"
    except json.JSONDecodeError as error:
        line, fault = error.lineno, error.msg
    except yaml.reader.ReaderError as error:
        line, fault = text[: error.position].count("\n") + 1, error.reason
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, fault = (mark.line + 1 if mark else 1), str(error.problem)
    else:
        return
    raise Damaged(
        f"{path}, line {line}: {fault}. The file is damaged or has been edited "
        f"wrongly: mend that line (git diff shows what changed), then start again."
    )


def check_data(root: Path) -> None:
    """Parse the settings of the book and every YAML and JSON file below ``data``.

    Raises:
        Damaged: names every file that does not parse.
    """
    found = [root / "_config.yml", root / "_toc.yml"]
    found += sorted((root / "data").rglob("*"))
    faults = []
    for path in found:
        if path.suffix in {".yml", ".yaml", ".json"} and path.is_file():
            try:
                parse(path)
            except Damaged as error:
                faults.append(str(error))
    if faults:
        raise Damaged("\n".join(faults))
