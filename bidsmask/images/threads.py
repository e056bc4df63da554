"""Several volumes at a time, on threads of our own."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import threadpool_limits

_MOST_THREADS = 4
"""More are not faster by much, and each holds some copies of a volume."""


def one_thread_of_blas() -> AbstractContextManager[Any]:
    """Leave the cores to threads of our own: BLAS's would wait for each other, busily."""
    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits


def on_threads(work: Callable[[int], None], n_items: int) -> None:
    """Do some work for each of the items 0, 1, ...: numpy and scipy free the interpreter in it."""
    with ThreadPoolExecutor(_n_threads()) as threads:
        deque(threads.map(work, range(n_items)), maxlen=0)


def _n_threads() -> int:
    known = hasattr(os, "sched_getaffinity")
    return min(_MOST_THREADS, len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1)
