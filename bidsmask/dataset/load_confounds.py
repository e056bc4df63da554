"""Confounds of fMRIPrep for scripts: with nilearn's words, or by the name of a strategy.

Both go through the engine of the command line, `bidsmask.dataset.confounds`.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bidsmask._names import did_you_mean
from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask._warn import warn_user
from bidsmask.dataset import confounds as engine
from bidsmask.dataset import tedana as tedana_components
from bidsmask.dataset.companions import find_table, name_of
from bidsmask.dataset.nilearn_strategies import NAMES, PRESETS, Parts, preset
from bidsmask.dataset.run_tables import PREPROCESSED, RunTable, find_tables
from bidsmask.dataset.sidecars import Folders
from bidsmask.dataset.strategies import Strategy
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.errors import ConfoundsError, StrategyError

if TYPE_CHECKING:
    from pandas import DataFrame

Model = Literal["basic", "power2", "derivatives", "full"]
CompCor = Literal[
    "anat_combined",
    "anat_separated",
    "temporal",
    "temporal_anat_combined",
    "temporal_anat_separated",
]
Image = str | PathLike[str]
Loaded = tuple["DataFrame | None", IntArray | None]

DEFAULT_PARTS = ("motion", "high_pass", "wm_csf")


def load_confounds(
    img_files: Image | Sequence[Image] | Sequence[Sequence[Image]],
    strategy: str | PathLike[str] | Sequence[str] = DEFAULT_PARTS,
    motion: Model = "full",
    scrub: int = 5,
    fd_threshold: float | None = 0.5,
    std_dvars_threshold: float | None = 1.5,
    wm_csf: Model = "basic",
    global_signal: Model = "basic",
    compcor: CompCor = "anat_combined",
    n_compcor: int | Literal["all"] = "all",
    ica_aroma: Literal["full", "basic"] = "full",
    tedana: Literal["aggressive", "non-aggressive"] = "aggressive",
    demean: bool = True,
) -> tuple[Any, Any]:
    r"""Load the confounds that belong to BOLD runs of fMRIPrep.

    Parameters
    ----------
    img_files : path, or list of paths
        Preprocessed BOLD runs, of any space and ``desc``; the table of confounds lies in the same
        folder. The images themselves are not looked at. A pair of GIFTI files (``hemi-L`` and
        ``hemi-R``) is one run.
    strategy : str, Path, or sequence of str
        The name of a strategy of the command line, such as ``"36P"`` or ``"scrubbing.5"``; or the
        path of a YAML file with one; or parts, which the arguments that follow say more about:

        - ``"motion"``: head motion;
        - ``"high_pass"``: fMRIPrep's cosines;
        - ``"wm_csf"``: mean signals of white matter and cerebrospinal fluid;
        - ``"global_signal"``: mean signal of the brain;
        - ``"compcor"``: CompCor components; only together with ``"high_pass"``;
        - ``"ica_aroma"``: for runs that ICA-AROMA denoised;
        - ``"tedana"``: components that tedana rejected; all other parts are left out;
        - ``"scrub"``: leave out volumes with much motion.
    motion, wm_csf, global_signal : {"basic", "power2", "derivatives", "full"}
        The columns alone, with their squares, with their derivatives, or with both and the
        squares of these.
    scrub : int
        Kept stretches of fewer volumes than this between volumes with much motion are left out.
    fd_threshold, std_dvars_threshold : float or None
        Volumes with a framewise displacement (mm) or standardized DVARS above this are left out.
    compcor : str
        Masks of the components: ``"anat_combined"``, ``"anat_separated"`` (white matter, and
        cerebrospinal fluid), ``"temporal"``, ``"temporal_anat_combined"``,
        ``"temporal_anat_separated"``.
    n_compcor : int or "all"
        Components of each mask.
    ica_aroma : {"full", "basic"}
        The run was denoised non-aggressively (``*nonaggr*``), and there is nothing to regress; or
        regress the components that were judged motion.
    tedana : {"aggressive", "non-aggressive"}
        The components that tedana rejected, or also those that it accepted.
    demean : bool
        Remove the mean over kept volumes.

    Returns
    -------
    confounds : DataFrame
        A row for each volume, those left out included; columns are sorted by name, or those of a
        named strategy in its order. A list of these for several runs. None for no parts at all.
    sample_mask : int array, or None
        Indices of the volumes to keep; None if all are. A list of these for several runs. Empty,
        with a warning, if none is left: then there are no means to remove, and with `demean` all
        confounds are NaN.

    Raises
    ------
    ConfoundsError
        If there is no table, or it lacks a column or a value.
    StrategyError
        If there is no such strategy, or arguments contradict each other.

    Warns
    -----
    RuntimeWarning
        If no volume of a run is left.

    See Also
    --------
    load_confounds_strategy : Sets of parts that have a name.
    bidsmask.clean : Regresses them out.

    Notes
    -----
    Volumes that fMRIPrep flagged as non-steady-state are always left out. Its ``motion_outlier``
    columns are not used: ``"scrub"`` follows the thresholds that are given here.

    What else belongs to a named strategy, its filter say, is for a masker or `bidsmask.clean` to
    do: without it, ``"36P"`` or ``"acompcor"`` leave slow changes where they are.

    Examples
    --------
    >>> import tempfile
    >>> run = Path(tempfile.mkdtemp()) / "sub-01_task-rest_desc-preproc_bold.nii.gz"
    >>> table = run.with_name("sub-01_task-rest_desc-confounds_timeseries.tsv")
    >>> _ = run.write_bytes(b""), table.write_text("csf\twhite_matter\n1\t3\n3\t7\n")
    >>> confounds, sample_mask = load_confounds(run, strategy=["wm_csf"])
    >>> confounds.to_dict("list"), sample_mask
    ({'csf': [-1.0, 1.0], 'white_matter': [-2.0, 2.0]}, None)
    """
    arguments = Parts(
        names=(),
        motion=motion,
        scrub=scrub,
        fd_threshold=fd_threshold,
        std_dvars_threshold=std_dvars_threshold,
        wm_csf=wm_csf,
        global_signal=global_signal,
        compcor=compcor,
        n_compcor=n_compcor,
        ica_aroma=ica_aroma,
        tedana=tedana,
    )
    return _load(img_files, _resolve(strategy, arguments), demean)


def load_confounds_strategy(
    img_files: Image | Sequence[Image] | Sequence[Sequence[Image]],
    denoise_strategy: str = "simple",
    **arguments: Any,
) -> tuple[Any, Any]:
    """Load the confounds of one of nilearn's strategies.

    Parameters
    ----------
    img_files : path, or list of paths
    denoise_strategy : {"simple", "scrubbing", "compcor", "ica_aroma"}
        Those of the command line are the same (``ica_aroma`` is ``icaaroma`` there).
    **arguments
        Changes to the strategy, by the names of `load_confounds`. `global_signal` adds the global
        signal to it.

    Returns
    -------
    confounds, sample_mask
        As from `load_confounds`.

    Raises
    ------
    StrategyError
        If there is no such strategy.
    TypeError
        If `load_confounds` has no such argument.

    See Also
    --------
    load_confounds : Any set of parts.

    Examples
    --------
    >>> load_confounds_strategy("run.nii.gz", denoise_strategy="simpel")
    Traceback (most recent call last):
        ...
    bidsmask.errors.StrategyError: ...
    """
    if denoise_strategy not in PRESETS:
        raise StrategyError(
            f"denoise_strategy must be one of {', '.join(PRESETS)}, not {denoise_strategy!r}."
        )
    _check_words(arguments)
    given = {name: value for name, value in arguments.items() if value is not None}
    demean = given.pop("demean", True)
    parts = preset(denoise_strategy)
    if "global_signal" in given:
        parts = replace(parts, names=(*parts.names, "global_signal"))
    idle = parts.idle(given)
    if "ica_aroma" in given and "ica_aroma" not in idle:  # the strategy is for denoised runs
        idle.append("ica_aroma")
    if idle:
        accepted = list(dict.fromkeys([*parts.arguments(), "global_signal", "demean"]))
        warn_user(
            f"Without effect in the strategy {denoise_strategy}: {', '.join(idle)}; parameters "
            f"accepted: {accepted}."
        )
    used = {name: value for name, value in given.items() if name not in idle}
    return _load(img_files, replace(parts, **used), demean)


def _check_words(arguments: dict[str, Any]) -> None:
    known = [*inspect.signature(load_confounds).parameters][2:]
    for word in arguments:
        if word not in known:
            raise TypeError(
                f"load_confounds_strategy() got an unexpected keyword argument {word!r}."
                f"{did_you_mean(word, known)} Arguments are: {', '.join(known)}."
            )


def _resolve(strategy: Any, arguments: Parts) -> Strategy | Parts:
    """Read a named strategy, or put parts together with what is said about them."""
    if not isinstance(strategy, str | PathLike):
        return _with_warnings(replace(arguments, names=tuple(strategy)))
    if strategy in NAMES:
        whole = f" For the strategy: load_confounds_strategy(…, {strategy!r})."
        raise StrategyError(
            f"{strategy!r} is a part of a strategy: write strategy=({strategy!r},)."
            f"{whole if strategy in PRESETS else ''}"
        )
    if arguments.changed():
        raise StrategyError(
            f"{', '.join(arguments.changed())} would have no effect: the strategy {strategy} says "
            "itself which columns and volumes it takes."
        )
    return load_strategy(strategy if isinstance(strategy, str) else Path(strategy))


def _with_warnings(parts: Parts) -> Parts:
    if not parts.names:
        warn_user("The strategy is empty, confounds will return None.")
    if "non_steady_state" in parts.names:
        warn_user("Non-steady state volumes are always left out, also without saying so.")
    if "tedana" in parts.names and len(parts.names) > 1:
        warn_user("With 'tedana' all other parts of the strategy are left out.")
    return parts


# --- runs ----------------------------------------------------------------------------------------


def _load(img_files: Any, strategy: Strategy | Parts, demean: bool) -> tuple[Any, Any]:
    runs, is_single = _runs(img_files)
    loaded = [_load_run(run, strategy, demean) for run in runs]
    if is_single:
        return loaded[0]
    confounds, sample_masks = [one[0] for one in loaded], [one[1] for one in loaded]
    return (None if _is_empty(strategy) else confounds), sample_masks


def _is_empty(strategy: Strategy | Parts) -> bool:
    return isinstance(strategy, Parts) and not strategy.names


def _runs(img_files: Any) -> tuple[list[Path], bool]:
    """Give the paths of the runs, and whether there is a single one."""
    if isinstance(img_files, str | PathLike):
        return [Path(img_files).expanduser()], True
    files = list(img_files)
    if len(files) == 2 and _is_pair(files):
        return [Path(files[0]).expanduser()], True
    return [_first_of(file) for file in files], len(files) == 1


def _first_of(file: Any) -> Path:
    """Path of a run; of its left or right half, for a pair."""
    if isinstance(file, str | PathLike):
        return Path(file).expanduser()
    if len(file) == 2 and _is_pair(file):
        return Path(file[0]).expanduser()
    raise ConfoundsError(f"Expected the path of a run, or a pair of hemispheres, found {file!r}.")


def _is_pair(files: Sequence[Any]) -> bool:
    if not all(isinstance(file, str | PathLike) for file in files):
        return False
    left, right = (name_of(Path(file)).entities for file in files)
    return {left.get("hemi"), right.get("hemi")} == {"L", "R"} and left.without(
        "hemi"
    ) == right.without("hemi")


def _load_run(run: Path, strategy: Strategy | Parts, demean: bool) -> Loaded:
    if isinstance(strategy, Parts):
        if "tedana" in strategy.names:
            return _load_tedana(run, strategy, demean), None
        _check_denoised(run, strategy)
    table = find_table(run, desc="confounds", suffixes=("timeseries", "regressors"))
    if isinstance(strategy, Strategy):
        strategy.check_bold(run)
    sidecar = table.with_suffix(".json")
    others = _tables_beside(run, strategy) if isinstance(strategy, Strategy) else ()
    confounds = engine.load_confounds(
        table,
        sidecar if sidecar.exists() else None,
        strategy.strategy() if isinstance(strategy, Parts) else strategy,
        n_volumes=None,
        others=others,
        may_keep_none=True,
    )
    if confounds.nonaggressive is not None:
        raise StrategyError(
            f"Strategy {confounds.strategy} regresses components nonaggressively: it needs the "
            "accepted ones too, and no table of confounds can say so. Use the command line, or "
            "the regression orthogonalised."
        )
    for warning in confounds.warnings:
        warn_user(warning)
    kept = confounds.sample_mask
    if not kept.any():
        warn_user(
            f"All volumes were marked as motion outliers in {table}: the sample mask is empty.",
            RuntimeWarning,
        )
    sample_mask = None if kept.all() else np.flatnonzero(kept)
    if _is_empty(strategy):
        return None, sample_mask
    frame = _frame(confounds.columns, confounds.design, kept, demean)
    return (frame if isinstance(strategy, Strategy) else _sorted(frame)), sample_mask


def _tables_beside(run: Path, strategy: Strategy) -> tuple[RunTable, ...]:
    """Find the tables that a strategy asks for in the folder of the image."""
    for query in strategy.tables:
        if query.dataset not in (None, PREPROCESSED):
            raise ConfoundsError(
                f"Strategy {strategy.name} takes {query} from the dataset {query.dataset!r}, and "
                f"only the command line can be told where that is. Copy the table to {run.parent}"
                ", and leave the dataset out of the strategy."
            )
    place = run.absolute()
    return find_tables(place, strategy.tables, root=place.parent, folders=Folders(), datasets={})


def _load_tedana(run: Path, parts: Parts, demean: bool) -> DataFrame:
    classes = tedana_components.CLASSES
    columns, values = tedana_components.load_components(
        run, classes[parts.one_of("tedana", [*classes])]
    )
    return _frame(columns, values, np.ones(len(values), dtype=bool), demean)


def _check_denoised(run: Path, parts: Parts) -> None:
    is_denoised = "nonaggr" in name_of(run).entities.get("desc", "").lower()
    if parts.wants_denoised_run and not is_denoised:
        raise ConfoundsError(
            f"{run.name} was not denoised by ICA-AROMA, which ica_aroma='full' is for: such a run "
            "has a name like *_desc-smoothAROMAnonaggr_bold.nii.gz. Try ica_aroma='basic'."
        )
    if is_denoised and "ica_aroma" in parts.names and not parts.wants_denoised_run:
        raise ConfoundsError(
            f"Invalid file type for ica_aroma='basic': {run.name} was denoised by ICA-AROMA "
            "already. Try ica_aroma='full', or the run that has desc-preproc in its name."
        )


def _frame(
    columns: tuple[str, ...], values: FloatArray, kept: BoolArray, demean: bool
) -> DataFrame:
    import pandas as pd  # slow to import, and the command line does without it

    if demean and kept.any():
        values = values - values[kept].mean(axis=0)
    elif demean:
        values = np.full(values.shape, np.nan)
    return pd.DataFrame(values, columns=list(columns))


def _sorted(frame: DataFrame) -> DataFrame:
    return frame[sorted(map(str, frame.columns))]
