"""Names that modules give on without importing what they lead to; and letters for other names."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any

MASKERS: Mapping[str, Sequence[str]] = {
    "bidsmask.maskers.labels": ("NiftiLabelsMasker",),
    "bidsmask.maskers.maps": ("NiftiMapsMasker",),
    "bidsmask.maskers.multi": (
        "MultiNiftiLabelsMasker",
        "MultiNiftiMapsMasker",
        "MultiNiftiMasker",
        "MultiNiftiSpheresMasker",
    ),
    "bidsmask.maskers.nifti": ("NiftiMasker",),
    "bidsmask.maskers.spheres": ("NiftiSpheresMasker",),
    "bidsmask.maskers.surface": ("SurfaceLabelsMasker", "SurfaceMasker"),
    "bidsmask.maskers.surface_maps": ("SurfaceMapsMasker",),
    "bidsmask.maskers.surface_multi": (
        "MultiSurfaceLabelsMasker",
        "MultiSurfaceMapsMasker",
        "MultiSurfaceMasker",
    ),
}
"""Where each masker is."""

MASKING: Mapping[str, Sequence[str]] = {
    "bidsmask.images.masks": (
        "apply_mask",
        "compute_background_mask",
        "compute_epi_mask",
        "compute_multi_background_mask",
        "compute_multi_epi_mask",
        "intersect_masks",
        "unmask",
    ),
    "bidsmask.maskers.templates": ("compute_brain_mask", "compute_multi_brain_mask"),
}
"""Where each function of masks is."""


def lazily(
    module: str,
    homes: Mapping[str, Sequence[str]],
    *,
    modules: Sequence[str] = (),
    nilearn: Sequence[str] = (),
    former: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make ``__getattr__``, ``__dir__`` and ``__all__`` of a module that gives on names.

    Parameters
    ----------
    module : str
        Name of the module.
    homes : mapping of str to names
        Modules, and what is imported from each of them once it is asked for.
    modules : names
        Modules below it, which are imported when they are asked for.
    nilearn : names
        What else is public in nilearn's module of that name, at version 0.14.1. To ask for one is
        an ImportError that says where it is to be had. (An AttributeError would be replaced by
        Python's own, without the letter, in ``from module import name``.)
    former : mapping of str to str
        What was public in it once, and what to write today.

    Returns
    -------
    getattr : function of a name
    dir : function
    all : list of str
        Sorted.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    public = sorted(home_of)

    def give(name: str) -> Any:
        if name in nilearn:
            raise ImportError(_letter(module, name), name=module)
        if name in former:
            raise ImportError(f"{module}.{name} is history. Write: {former[name]}", name=module)
        if name in modules:
            return import_module(f"{module}.{name}")
        if name not in home_of:
            from difflib import get_close_matches  # for those who misspell

            near = get_close_matches(name, [*public, *modules], 1)
            hint = f" Is {near[0]!r} meant?" if near else ""
            raise AttributeError(f"module {module!r} has no attribute {name!r}.{hint}")
        value = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[module], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[module]), *public, *modules})

    return give, names, public


class _Elsewhere:
    """Knows the modules of nilearn's that have no counterpart, once no other finder knows them."""

    def __init__(self, package: str, names: Sequence[str]) -> None:
        self._homes = {f"{package}.{name}": f"nilearn.{name}" for name in names}

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        """Write the letter about a module that is in nilearn only."""
        if fullname in self._homes:
            home = self._homes[fullname]
            raise ModuleNotFoundError(
                f"{home}; bidsmask has no such module. Import {home} instead.", name=fullname
            )


def explain_modules(package: str, names: Sequence[str]) -> None:
    """Let ``from package.name import …`` say where that is to be had.

    Parameters
    ----------
    package : str
        Name of the package.
    names : names
        Modules that nilearn has and the package has not.
    """
    sys.meta_path.append(_Elsewhere(package, names))


def _letter(module: str, name: str) -> str:
    peer = module.replace("bidsmask", "nilearn", 1)
    kind = "class" if name[0].isupper() else "function"
    return (
        f"{peer}.{name}; bidsmask has no such {kind if '.' in module else 'module'}. "
        f"Write: from {peer} import {name}"
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Write `` Did you mean 'x'?``, or nothing where no known word is near.

    Examples
    --------
    >>> did_you_mean("motoin", ["motion", "csf"]), did_you_mean("gm", ["motion", "csf"])
    (" Did you mean 'motion'?", '')
    """
    from difflib import get_close_matches  # for those who misspell

    by_lower = {other.lower(): other for other in known if other}
    near = get_close_matches(word.lower(), list(by_lower), n=1)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""
