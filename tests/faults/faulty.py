"""The command, hurt: ``faulty.py KIND NUMBER ARGUMENTS...``, in all of its processes together.

KIND is ``io-ENOSPC``, ``io-EIO``, ... or ``memory``; the call of that number fails, and with a
``+`` behind the number all after it. ``die`` kills the worker that begins to extract, so many
times. ``network`` lets nobody reach out; number 0. A line at the end tells how many calls there
were.
"""

import builtins
import errno
import io
import multiprocessing
import os
import signal
import sys
from pathlib import Path

_counter = multiprocessing.Value("l", 0)


def _is_due(number, on):
    with _counter.get_lock():
        _counter.value += 1
        return _counter.value == number or (on and _counter.value > number)


def _watched(path, folders):
    if isinstance(path, int):
        path = Path(f"/proc/self/fd/{path}").readlink()
    return str(path).startswith(folders)


def hurt_io(code, number, on, folders):
    """Let the k-th call that changes the folders fail."""

    def guarded(function, writes=lambda *_, **__: True):
        def call(path, *arguments, **named):
            if _watched(path, folders) and writes(*arguments, **named) and _is_due(number, on):
                raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)), str(path))
            return function(path, *arguments, **named)

        return call

    def opens_to_write(mode="r", *_, **__):
        return any(letter in mode for letter in "wax+")

    def flags_to_write(flags=0, *_, **__):
        return bool(flags & (os.O_WRONLY | os.O_RDWR))

    builtins.open = io.open = guarded(builtins.open, opens_to_write)
    os.open = guarded(os.open, flags_to_write)
    for name in ("write", "fsync", "replace", "rename", "mkdir", "unlink"):
        setattr(os, name, guarded(getattr(os, name)))


def hurt_memory(number, on):
    """Let the k-th array of more than a few kB not be had."""
    import numpy as np

    def guarded(function):
        def call(shape, *arguments, **named):
            is_large = np.prod(np.atleast_1d(np.array(shape, dtype=float))) > 1000
            if is_large and _is_due(number, on):
                raise MemoryError("Unable to allocate an array.")
            return function(shape, *arguments, **named)

        return call

    for name in ("empty", "zeros", "ones", "full"):
        setattr(np, name, guarded(getattr(np, name)))


def kill_workers(number):
    """Kill the process that extracts signals, as the kernel does when memory runs out."""
    from bidsmask.analysis import steps

    extract = steps.extract_run

    def call(bold, *arguments, **named):
        if "sub-01" in str(bold) and _is_due(0, True) and _counter.value <= number:
            os.kill(os.getpid(), signal.SIGKILL)
        return extract(bold, *arguments, **named)

    steps.extract_run = call


def refuse_network():
    """Let every attempt to reach out be an error, and be counted."""

    def hook(event, arguments):
        reaches = event in ("socket.connect", "socket.getaddrinfo", "socket.sendto")
        if reaches and not isinstance(arguments[-1], (str, bytes)):
            _is_due(0, False)
            raise OSError(errno.ENETUNREACH, f"{event} {arguments}")

    sys.addaudithook(hook)


def main(kind, number, *arguments):
    """Install the fault and run the command."""
    k, on = int(number.rstrip("+")), number.endswith("+")
    if kind.startswith("io-"):
        work = arguments[arguments.index("-w") + 1]
        hurt_io(kind.removeprefix("io-"), k, on, (arguments[1], work))
    elif kind == "memory":
        hurt_memory(k, on)
    elif kind == "die":
        kill_workers(k)
    elif kind == "network":
        refuse_network()
    from bidsmask.cli.main import main as command

    exit_code = command(list(arguments), in_own_process=True)
    os.write(2, f"\ncalls: {_counter.value}\n".encode())
    os._exit(exit_code)


if __name__ == "__main__":
    sys.argv[0] = str(Path(sys.argv[0]))
    main(*sys.argv[1:])
