"""Several volumes, or blocks of columns, at a time: on threads of our own."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

_MOST_THREADS = 4
"""More are not faster by much, and each holds some copies of a volume."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def one_thread_of_blas() -> AbstractContextManager[Any]:
    """Leave the cores to threads of our own: BLAS's would wait for each other, busily."""
    limits: AbstractContextManager[Any] = _blas(len(sys.modules)).limit(limits=1)
    return limits


@lru_cache(maxsize=1)
def _blas(n_modules: int) -> Any:
    """Find the BLAS libraries; that takes milliseconds, and only a module can bring another."""
    return ThreadpoolController().select(user_api="blas")


class Crew:
    """Threads that work again and again; they end when nobody holds the crew any more."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(n_threads())

    def do(self, work: Callable[[int], None], n_items: int) -> None:
        """Do some work for each of the items 0, 1, ..., and wait until all is done.

        numpy and scipy free the interpreter meanwhile. A single item is done at once: to wake a
        thread may take longer.
        """
        if n_items == 1:
            work(0)
            return
        deque(self._threads.map(work, range(n_items)), maxlen=0)


def in_order(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Give the result for each item, in their order; no more are made than threads can take.

    Examples
    --------
    >>> list(in_order(abs, [-3, 1, -2]))
    [3, 1, 2]
    """
    if len(items) < 2:
        yield from map(work, items)
        return
    with one_thread_of_blas(), ThreadPoolExecutor(n_threads()) as threads:
        coming: deque[Future[Result]] = deque()
        for item in items:
            coming.append(threads.submit(work, item))
            if len(coming) == most_at_once():
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def most_at_once() -> int:
    """Results of `in_order` that there are at a time, that which has come out last included."""
    return n_threads() + 1


def n_threads() -> int:
    """Threads of our own: as many as there are cores for this process, up to four."""
    known = hasattr(os, "sched_getaffinity")
    return min(_MOST_THREADS, len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1)
