"""One build at a time, and a site that is replaced in one step.

Whoever opens ``_build/html`` while a build runs, or after it was killed, finds a
whole site: the last one until the new one is finished, then the new one. A folder is
filled elsewhere and then exchanged with the one that stands.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNKNOWN = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
"""What a system or file system answers that cannot exchange two folders."""


class Busy(RuntimeError):
    """Another build of the same book is running."""


@contextmanager
def alone(root: Path) -> Iterator[int]:
    """Keep other builds of the book away; gives the handle that does.

    The lock ends with the last process that holds the handle. Sphinx inherits it:
    when only the build above is killed, no second build starts beside that Sphinx.

    Raises:
        Busy: another build has the lock.
        OSError: ``_build`` cannot be written.
    """
    path = root / "_build" / ".lock"
    path.parent.mkdir(exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(handle, 20, 0).decode().strip()
            raise Busy(
                f"Another build of this book is running (started by process {owner}). "
                "Wait until it ends, then start again."
            ) from None
        os.pwrite(handle, f"{os.getpid():<20}".encode(), 0)
        recover(path.parent)
        yield handle
    finally:
        os.close(handle)


def exchange(one: Path, other: Path) -> None:
    """Let two paths of a file system swap what they name, in one step.

    Raises:
        OSError: with a number in ``UNKNOWN`` where that cannot be done.
    """
    swap = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
    here = -100  # AT_FDCWD; both paths are absolute anyway
    system = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(one.absolute()), os.fsencode(other.absolute())
    try:
        if sys.platform == "darwin":
            failed = system.renamex_np(first, second, swap)
        else:
            failed = system.renameat2(here, first, here, second, swap)
    except AttributeError:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(other)) from None
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


def _aside(standing: Path) -> Path:
    return standing.with_name(f".old-{standing.name}")


def put_in_place(new: Path, standing: Path) -> None:
    """Let the folder ``new`` take the place of ``standing``, which is then removed.

    Where the file system cannot exchange folders this takes two steps; a build that
    is killed between them leaves nothing in place, and the next one begins by putting
    the old folder back (``recover``).
    """
    if not standing.exists():
        os.rename(new, standing)
        return
    try:
        exchange(new, standing)
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
        os.rename(standing, _aside(standing))
        os.rename(new, standing)
        new = _aside(standing)
    shutil.rmtree(new)


def recover(built: Path) -> None:
    """Clear away what a killed build left in ``_build``."""
    for old in built.glob(".old-*"):
        standing = built / old.name.removeprefix(".old-")
        if standing.exists():
            shutil.rmtree(old)
        else:
            os.rename(old, standing)
    for half in [*built.glob(".writing-*"), *built.glob(".executed/**/.writing-*")]:
        half.unlink()
