"""Kill a build when one of its processes comes to a stated moment.

Python imports this file in every process that has its folder on the path. A moment
is a pattern of what the interpreter reports before it touches a file: an audit event
and a path, as ``open */intro.html``. A number of further steps may follow it in the
same process. No clock is asked: a loaded machine comes to the same moment.

    KILL_AT      the pattern
    KILL_STEPS   further steps
    KILL_SIGNAL  what is sent
    KILL_ALONE   to the first process only; else to its group, which has no kernels
"""

import os
import sys
import time
from fnmatch import fnmatch


def watch() -> None:
    first = int(os.environ.setdefault("KILL_FIRST", str(os.getpid())))
    moment, signal = os.environ["KILL_AT"], int(os.environ["KILL_SIGNAL"])
    send = os.kill if "KILL_ALONE" in os.environ else os.killpg
    left, reached = int(os.environ["KILL_STEPS"]), False

    def step(event, arguments):
        nonlocal left, reached
        if event.startswith(("open", "os.", "shutil.")):
            paths = [a for a in arguments[:2] if isinstance(a, (str, os.PathLike))]
            now = [f"{event} {os.fspath(path)}" for path in paths]
            reached = reached or any(fnmatch(name, moment) for name in now)
            left -= reached
            if left == -1:
                left -= 1
                send(first, signal)
                time.sleep(100)  # whoever still lives goes no further

    sys.addaudithook(step)


if "KILL_AT" in os.environ:
    watch()
