"""Data files with checksums, and files that are never half written."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from theorylab.inputs import expected

ROOT = Path(os.environ.get("THEORYLAB_DATA", Path(__file__).parents[2] / "data"))
"""Where the data folders are: the project's ``data/``, or $THEORYLAB_DATA."""


def sha256(content: bytes) -> str:
    """The SHA-256 digest in hexadecimal.

    >>> sha256(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def load(
    path: str | os.PathLike[str], digest: str, *, root: Path | None = None
) -> bytes:
    """The bytes of ``data/<path>``, known to be the ones the digest names.

    Args:
        path: below the data folder, e.g. ``"papers/papers.yml"``.
        digest: SHA-256 in hexadecimal, as its README states it.
        root: another data folder.

    Raises:
        FileNotFoundError: naming the file and how to get it.
        ValueError: when the content has another digest; both are named.
    """
    digest = digest.lower()
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise expected("digest", "64 hexadecimal digits", digest)
    file = (ROOT if root is None else Path(root)) / path
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} is missing; it is part of the repository "
            f"(git checkout -- data/{path}), and $THEORYLAB_DATA may name another "
            f"data folder"
        )
    content = file.read_bytes()
    found = sha256(content)
    if found != digest:
        raise ValueError(
            f"{file}: expected sha256 {digest}, got {found}; the file is damaged or "
            f"has been edited"
        )
    return content


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write the whole file or leave what was there.

    The content goes to a temporary file in the same folder, which then takes the
    name in one step; after a failure nothing new is left behind.

    Args:
        path: the file; its folder is made when it is missing.
        content: text (UTF-8) or bytes.

    Raises:
        ValueError: when the content is neither.
    """
    if not isinstance(content, str | bytes):
        raise expected("content", "str or bytes", type(content).__name__)
    data = content.encode() if isinstance(content, str) else content
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes the file private; the one it replaces was not.
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
