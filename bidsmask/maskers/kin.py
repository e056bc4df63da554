"""Who an estimator is taken for: its namesake in nilearn, and an estimator of scikit-learn's.

nilearn's decoders and models take a masker only if ``isinstance`` says that it is one of
nilearn's. Python asks an object's type first and then its attribute ``__class__``
(https://docs.python.org/3/library/unittest.mock.html#unittest.mock.Mock.__class__ does the same).
So a masker answers with a class that descends from both: its own, and its namesake. That class
is an answer only. No code of nilearn's ever runs in a masker, its type stays what it is, and
calling the class makes a masker of ours. Nothing is imported for it: nobody can ask for a class
of a library that has not been imported. The measure of connectivity does the same.
"""

import inspect
import sys
from functools import cache
from typing import Any


def taken_for(estimator: Any, place: str = "maskers") -> type:
    """Give the class that an estimator says it is of.

    Parameters
    ----------
    estimator : Transformer, or other estimator
    place : str
        Module of nilearn's that has its namesake.

    Returns
    -------
    kin : type
        Not nilearn's where a parameter is set that nilearn's masker lacks: to be copied into one
        would lose it in silence.
    """
    own: Any = type(estimator)
    bases: Any = _relatives(estimator, place)
    return _descendant(own, bases) if bases else own


def _relatives(estimator: Any, place: str) -> tuple[type, ...]:
    """Classes of the libraries that have been imported; a namesake descends from the others."""
    theirs = getattr(sys.modules.get("nilearn"), place, None)
    for ancestor in type(estimator).__mro__:
        namesake = getattr(theirs, ancestor.__name__, None)
        if isinstance(namesake, type) and not _is_more(estimator, namesake):
            return (namesake,)
    base = sys.modules.get("sklearn.base")
    names = ("TransformerMixin", "BaseEstimator")  # not there half-way through an import
    return tuple(getattr(base, name) for name in names if hasattr(base, name))


def _is_more(estimator: Any, namesake: type) -> bool:
    """Whether a parameter is set that the namesake does not know."""
    known = inspect.signature(namesake).parameters.keys()
    if inspect.signature(type(estimator)).parameters.keys() <= known:
        return False
    return not estimator._changed_parameters().keys() <= known


@cache
def _descendant(own: Any, bases: tuple[Any, ...]) -> type:
    def make(_: type, *args: Any, **parameters: Any) -> Any:
        return own(*args, **parameters)

    members = {
        "__new__": make,
        "__doc__": own.__doc__,
        "__module__": own.__module__,
        "__qualname__": own.__qualname__,
        "__signature__": inspect.signature(own),
    }
    return type(own.__name__, (own, *bases), members)
