"""Notes what a process and all that it forks do: files they write, sockets, programs.

Python imports this module when it starts, if its folder is in ``PYTHONPATH``. Each line of the
file ``BIDSMASK_TEST_LOG`` is an event and what it is about.
"""

import os
import sys
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.chmod": (0,),
    "os.truncate": (0,),
}
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")
_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")


def _note(event, what):
    os.write(_LOG, f"{event}\t{what}\n".encode("utf-8", "backslashreplace"))


def _note_path(path):
    if isinstance(path, str | bytes | os.PathLike) and Path(os.fsdecode(path)).is_absolute():
        _note("write", os.fsdecode(path))  # others are names in a folder that is removed


def _hook(event, args):
    if event == "open" and (args[2] or 0) & _WRITES:
        _note_path(args[0])
    elif event in _CHANGES:
        for place in _CHANGES[event]:
            _note_path(args[place])
    elif event in _NETWORK:
        _note("network", repr(args[1:]))
    elif event in _PROGRAMS:
        _note("program", repr(args[:2]))


if "BIDSMASK_TEST_LOG" in os.environ:
    _LOG = os.open(os.environ["BIDSMASK_TEST_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    sys.addaudithook(_hook)
