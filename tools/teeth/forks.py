"""Functions run in forked processes, a few at a time, each with a limit of its own.

A fork starts with everything its parent has imported and computed, and can damage
nothing but itself. What it returns comes back as JSON through a pipe.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

MEMORY = 8 * 2**30
"""Bytes of address space that a fork may take beyond what its parent has."""

Task = tuple[Any, Callable[[], Any], float]
"""A label, what to run, and the seconds of processor time it may take."""


class Died(RuntimeError):
    """A fork that was killed or left without a word.

    It was out of time, or compiled code faulted or called ``exit``: a solver that is
    out of memory does, and so does a fork of ours.
    """


def run(function: Callable[[], Any], seconds: float) -> Any:
    """What ``function`` returns in a fork of this process; ``Died`` if nothing."""
    for _, result in each([("", function, seconds)], workers=1):
        if isinstance(result, Died):
            raise result
    return result


def each(tasks: Iterable[Task], *, workers: int) -> Iterator[tuple[Any, Any]]:
    """Run tasks in forks, ``workers`` at a time, and give results as they come.

    A task that dies gives :class:`Died` in place of a result. Tasks are taken from
    ``tasks`` only when a worker is free, so an iterator may stop early.
    """
    waiting = iter(tasks)
    running: dict[int, tuple[Any, int, float, list[bytes]]] = {}
    try:
        while True:
            while len(running) < workers:
                task = next(waiting, None)
                if task is None:
                    break
                label, function, seconds = task
                pipe, pid = _start(function, seconds)
                running[pipe] = label, pid, time.monotonic() + 60 + 12 * seconds, []
            if not running:
                return
            ready, _, _ = select.select(list(running), [], [], 1.0)
            for pipe in ready:
                label, pid, _, parts = running[pipe]
                part = os.read(pipe, 1 << 16)
                if part:
                    parts.append(part)
                    continue
                del running[pipe]
                os.close(pipe)
                _, status = os.waitpid(pid, 0)
                yield label, _result(parts, status)
            for _, pid, until, _ in list(running.values()):
                if time.monotonic() > until:
                    os.kill(pid, signal.SIGKILL)
    finally:
        for pipe, (_, pid, _, _) in running.items():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(pipe)


def _result(parts: list[bytes], status: int) -> Any:
    if os.WIFSIGNALED(status):
        return Died(signal.Signals(os.WTERMSIG(status)).name)
    if not parts:
        return Died(f"exit {os.WEXITSTATUS(status)}")
    if status:
        raise RuntimeError("a fork failed by itself:\n" + b"".join(parts).decode())
    return json.loads(b"".join(parts))


def _start(function: Callable[[], Any], seconds: float) -> tuple[int, int]:
    sys.stdout.flush()
    sys.stderr.flush()
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return read, pid
    try:
        os.close(read)
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = used.ru_utime + used.ru_stime
        # Soft limits only: a fork of this fork sets its own.
        _limit(resource.RLIMIT_CPU, int(spent + seconds) + 1)
        _limit(resource.RLIMIT_AS, _address_space() + MEMORY)
        _limit(resource.RLIMIT_CORE, 0)
        _send(write, json.dumps(function()))
        os._exit(0)
    except BaseException as problem:
        # Out of memory is as silent as a solver in the same straits. The rest is told,
        # and not to the usual stream: ``quietly`` may have turned it away.
        if not isinstance(problem, MemoryError):
            _send(write, traceback.format_exc())
    finally:
        # Whatever happens, a fork does not return into the work of its parent.
        os._exit(1)


def _send(pipe: int, text: str) -> None:
    rest = text.encode()
    while rest:
        rest = rest[os.write(pipe, rest) :]


def _limit(what: int, value: int) -> None:
    resource.setrlimit(what, (value, resource.getrlimit(what)[1]))


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def quietly(function: Callable[[], Any]) -> Callable[[], Any]:
    """``function`` with everything it prints, at the level of files, thrown away."""

    def quiet() -> Any:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        return function()

    return quiet
