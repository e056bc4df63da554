"""The one thing that somebody means, or a letter that lists what there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from bidsmask.derivatives.read import TableKey
from bidsmask.errors import RequestError

_MOST = 8
"""Names in a letter."""

Found = TypeVar("Found")


def chosen_key(
    keys: Sequence[TableKey], which: Mapping[str, str], strategies: Mapping[str, str], what: str
) -> TableKey:
    """Find the one kind of tables that is meant.

    Parameters
    ----------
    keys : sequence of TableKey
        What there is.
    which : mapping
        ``atlas`` (its name, or an entity of it), ``space``, ``stat``, ``strategy``; or some of
        these.
    strategies : mapping
        Names of strategies, by their labels in names of files.
    what : str
        What they are tables of.

    Raises
    ------
    TypeError
        If something else is said.
    RequestError
        If none is meant, or several are.
    """
    if unknown := which.keys() - {"atlas", "space", "stat", "strategy"}:
        raise TypeError(f"Choose by atlas, space, stat and strategy, not by {', '.join(unknown)}.")
    meant = [key for key in keys if _is_meant(key, which, strategies)]
    asked = ", ".join(f"{name}={value!r}" for name, value in which.items()) or "nothing said"
    return the_only(meant, what, asked, [_in_words(key, strategies) for key in meant or keys])


def the_only(found: Sequence[Found], what: str, asked: str, known: Iterable[str]) -> Found:
    """Give what was found if it is one.

    Raises
    ------
    RequestError
        If not.
    """
    if len(found) == 1:
        return found[0]
    names = list(dict.fromkeys(known))
    more = [f"and {len(names) - _MOST} more"] if len(names) > _MOST else []
    listed = "\n  ".join([*names[:_MOST], *more])
    many = f"{len(found)} fit" if found else "nothing fits"
    raise RequestError(f"Which {what}? {asked}: {many}. There is:\n  {listed}")


def _is_meant(key: TableKey, which: Mapping[str, str], strategies: Mapping[str, str]) -> bool:
    atlas = which.get("atlas")
    entities = dict(part.split("-", 1) for part in key.atlas.split("_"))
    named = atlas is None or atlas in (key.atlas, *entities.values(), *key.atlas.split("_"))
    in_space = which.get("space") in (None, entities.get("space"))
    stat = which.get("stat", key.stat)
    strategy = which.get("strategy", key.desc)
    is_of_it = strategy in (key.desc, strategies.get(key.desc))
    return named and in_space and stat == key.stat and is_of_it


def _in_words(key: TableKey, strategies: Mapping[str, str]) -> str:
    strategy = strategies.get(key.desc, key.desc)
    return f"atlas={key.atlas!r}, stat={key.stat!r}, strategy={strategy!r}"
