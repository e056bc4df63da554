"""Which job is at work on which subjects of an output, so that no two write the same files.

A job has one file that tells its subjects and one that it keeps locked, however many subjects
there are. The operating system lets go of the lock when the job ends, however it ends; what a
killed job has left is cleared away by the next one.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bidsmask.derivatives.writing import lock_file, remove_leftovers, write_json
from bidsmask.errors import LockError

_JOBS, _DOOR = "jobs", "door.lock"
_TIMEOUT_S = 600
"""How long a job waits for its turn; hundreds of an array may come at once."""


@contextmanager
def claim(output_dir: Path, subjects: Iterable[str]) -> Iterator[None]:
    """Keep other jobs away from these subjects of an output.

    Parameters
    ----------
    output_dir : Path
    subjects : iterable of str
        Labels without ``sub-``.

    Raises
    ------
    LockError
        If another job is at work on one of them.
    StorageError, OutputError
        If nothing can be written there.
    """
    folder = lock_file(output_dir, f"{_JOBS}/{_DOOR}").parent
    own = folder / f"{os.getpid()}-{secrets.token_hex(6)}.json"
    lock = FileLock(own.with_suffix(".lock"))
    with _door(folder):
        _refuse_claimed(folder, set(subjects), output_dir)
        claimed = {"Host": socket.gethostname(), "Subjects": sorted(subjects)}
        write_json(own, claimed, within=output_dir)
        lock.acquire()
    try:
        yield
    finally:
        _give_back(own, lock, folder)


def subjects_at_work(output_dir: Path) -> frozenset[str]:
    """Labels of the subjects of an output that a job is at work on; nothing is written.

    A job on another machine counts if file locks are shared with that.
    """
    folder = output_dir / ".bidsmask" / _JOBS
    claims = sorted(folder.glob("*.json"))
    return frozenset(
        subject for path in claims if _is_held(path) for subject in _read(path)["Subjects"]
    )


def _is_held(path: Path) -> bool:
    lock = FileLock(path.with_suffix(".lock"), timeout=0)
    try:
        with lock:
            return False
    except Timeout:
        return True


@contextmanager
def _door(folder: Path) -> Iterator[None]:
    """Let one job at a time read and change the claims."""
    lock = FileLock(folder / _DOOR, timeout=_TIMEOUT_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockError(
            f"{lock.lock_file} has been held by another job for {_TIMEOUT_S} s. See whether that "
            "job hangs; end it and run the same command again."
        ) from error
    try:
        remove_leftovers(folder)
        yield
    finally:
        lock.release()


def _give_back(own: Path, lock: FileLock, folder: Path) -> None:
    """Forget a claim; if the door stays shut, the next job does, once the lock is gone."""
    try:
        with _door(folder):
            _forget(own, lock)
    except LockError:
        lock.release()


def _refuse_claimed(folder: Path, subjects: set[str], output_dir: Path) -> None:
    for path in sorted(folder.glob("*.json")):
        lock = FileLock(lock_file(output_dir, f"{_JOBS}/{path.stem}.lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            claimed = _read(path)
            if shared := sorted(subjects.intersection(claimed["Subjects"])):
                raise LockError(_letter(path, shared, claimed["Host"], output_dir)) from None
        else:
            _forget(path, lock)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def _forget(path: Path, lock: FileLock) -> None:
    path.unlink(missing_ok=True)
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _letter(path: Path, shared: list[str], host: str, output_dir: Path) -> str:
    others = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
    since = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return (
        f"Another job (process {path.name.partition('-')[0]} on {host}, since "
        f"{since:%Y-%m-%d %H:%M} UTC) is working on sub-{shared[0]}{others} in {output_dir}. "
        "Wait for it, or choose another output folder."
    )
