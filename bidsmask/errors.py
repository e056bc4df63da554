"""Every error that bidsmask raises on purpose, and the exit code each one leads to.

::

    BidsmaskError
    ├── RequestError                2   cannot be carried out as asked; nothing is computed
    │   ├── SettingsError               an option or a settings file
    │   ├── DatasetError                the dataset as a whole
    │   ├── AtlasError                  an atlas or its look-up table
    │   └── StrategyError               a confound strategy
    ├── NoInputError               66   no BOLD run matches the request
    ├── RunError                    1   one run cannot be done; all others go on
    │   ├── ImageError                  unreadable, truncated or implausible image
    │   │   └── DimensionError          too many axes, or too few (also a TypeError)
    │   ├── SidecarError                missing or contradictory metadata
    │   ├── ConfoundsError              missing columns, wrong rows, bad cells
    │   ├── EventsError                 no table of events, or one that cannot be used
    │   ├── SpaceError                  atlas, mask and BOLD do not share a space or grid
    │   │   └── BoundingBoxError        nothing of an image lies where it is wanted
    │   ├── ReplacementError            outputs of that name were made from another file
    │   ├── JoinError                   runs of one task cannot be put one behind the other
    │   ├── DegreesOfFreedomError       too few volumes are left for the design
    │   │   └── AllVolumesRemovedError      no volume is left at all
    │   ├── ConvergenceError            an estimate does not come to an end
    │   ├── LongNameError               a file would have a longer name than can be
    │   └── WorkerError                 the process that did the work died
    ├── OutputError                73   output or work folder not writable
    │   └── StorageError           74   disk full or I/O error
    └── LockError                  75   another job is writing the same outputs

A message is a short letter to a tired scientist: the file, what was expected, what was found,
what to do. Errors travel between processes, so each holds one string and nothing else.
"""

import sys
from functools import cache
from typing import Any, ClassVar, Self


class Namesake:
    """What nilearn raises, or warns of, by the same name.

    Where nilearn has been imported, an instance is of its class as well, so that a script may
    name either. Nothing is imported for it: nobody can name what has not been imported.
    """

    namesake_in: ClassVar[str] = "nilearn.exceptions"

    def __new__(cls, *args: Any) -> Self:
        """Make one of both kinds, if there are two."""
        own: Any = cls
        theirs = getattr(sys.modules.get(cls.namesake_in), cls.__name__, None)
        alone = theirs is None or issubclass(own, theirs)
        made: Self = super().__new__(own if alone else _descendant(own, theirs), *args)
        return made


@cache
def _descendant(own: Any, theirs: Any) -> Any:
    """Make a class of both, of which nothing but its type is nilearn's."""
    members = {
        "__init__": Exception.__init__,
        "__str__": Exception.__str__,
        "__reduce__": lambda error: (own, error.args),
        "__module__": own.__module__,
        "__qualname__": own.__qualname__,
    }
    return type(own.__name__, (own, theirs), members)


class BidsmaskError(Exception):
    """Base of all errors raised on purpose; anything else is a bug of ours (exit code 70)."""

    exit_code = 70


class RequestError(BidsmaskError, ValueError):
    """The request cannot be carried out as asked; nothing has been computed."""

    exit_code = 2


class SettingsError(RequestError):
    """An option, or a line of a settings file, has a value that cannot be used."""


class DatasetError(RequestError):
    """The dataset as a whole cannot be used."""


class AtlasError(RequestError):
    """An atlas, or its look-up table, cannot be used or found."""


class StrategyError(RequestError):
    """A confound strategy is unknown or badly written."""


class NoInputError(BidsmaskError):
    """No BOLD run matches what was asked for."""

    exit_code = 66


class RunError(BidsmaskError, ValueError):
    """One run cannot be done. The others go on."""

    exit_code = 1


class ImageError(RunError):
    """An image is unreadable, truncated or implausible."""


class DimensionError(Namesake, ImageError, TypeError):
    """An image has more axes than can be used here, or fewer."""


class SidecarError(RunError):
    """Metadata are missing or contradict each other."""


class ConfoundsError(RunError):
    """A confounds table lacks a column or a row, or holds a cell that is not a number."""


class EventsError(RunError):
    """A run has no table of events, or one that cannot be used."""


class SpaceError(RunError):
    """Atlas, mask and BOLD do not lie in the same space or on the same grid."""


class BoundingBoxError(Namesake, SpaceError):
    """The lattice that an image is to be resampled to holds nothing of it."""

    namesake_in = "nilearn.image.resampling"


class ReplacementError(RunError):
    """Outputs of the same names are there already, made from another file."""


class JoinError(RunError):
    """Runs of one task cannot be put one behind the other."""


class DegreesOfFreedomError(RunError):
    """Too few volumes are left for what is to be regressed out of them."""


class AllVolumesRemovedError(Namesake, DegreesOfFreedomError):
    """No volume is left."""


class ConvergenceError(RunError):
    """An estimate that is found step by step does not come to an end."""


class LongNameError(RunError):
    """A file of a run would have a longer name than file systems allow."""


class WorkerError(RunError):
    """The process that worked on the run died."""


class OutputError(BidsmaskError, OSError):
    """The output or work folder cannot be written to."""

    exit_code = 73


class StorageError(OutputError):
    """The disk is full, or reading or writing failed."""

    exit_code = 74


class LockError(BidsmaskError):
    """Another job is writing the same outputs."""

    exit_code = 75
