"""The report of a masker, as an object to show, to save and to open."""

from __future__ import annotations

import tempfile
import webbrowser
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any, Self

import numpy as np

from bidsmask.maskers.parameters import check_choice
from bidsmask.maskers.report.kept import Seen, seen_of_run
from bidsmask.maskers.report.parameters import grid_facts, parameter_table
from bidsmask.maskers.report.surfaces import shown_on_surfaces
from bidsmask.maskers.report.views import shown_of
from bidsmask.maskers.templates import Beneath, template_beneath
from bidsmask.reports.drawing.cmaps import colour_map
from bidsmask.reports.masker import MaskerSummary, Run, Signals, masker_html
from bidsmask.reports.summaries import Fact

ENGINES = ("matplotlib", "brainsprite")
"""What scripts may ask for; figures are drawn in one way, whatever is asked."""

NOT_FITTED = "This masker is not fitted yet: call fit, or fit_transform, to see what it takes."

NOTHING_KEPT = (
    "This masker was told to keep nothing for a report (reports=False). Set reports=True and fit "
    "it again to see where its columns are and what their signals look like."
)

NOT_TRANSFORMED = "Nothing has been transformed yet: there are no signals to show."


class MaskerReport:
    """The report of a masker: one HTML page that needs nothing else.

    Parameters
    ----------
    html : str

    Examples
    --------
    >>> report = MaskerReport("<p>Hello</p>")
    >>> report.get_standalone()
    '<p>Hello</p>'
    """

    def __init__(self, html: str) -> None:
        self.html = html
        self.width: int | str = "100%"
        self.height: int | str = 800

    def __str__(self) -> str:
        return self.html

    def get_standalone(self) -> str:
        """Give the whole page."""
        return self.html

    def resize(self, width: int | str, height: int | str) -> Self:
        """Choose how large the page is shown in Jupyter.

        Parameters
        ----------
        width, height : int or str
            In pixels, or as CSS says it.

        Returns
        -------
        report : self
        """
        self.width, self.height = width, height
        return self

    def get_iframe(self, width: int | str | None = None, height: int | str | None = None) -> str:
        """Give the page inside of an element that can be put into another page.

        Parameters
        ----------
        width, height : int or str, optional
            By default as `resize` has been told.
        """
        width = self.width if width is None else width
        height = self.height if height is None else height
        # Links to a place on the page would lead to the page around it, were there no base.
        page = self.html.replace("base-uri 'none'; ", "", 1)
        page = page.replace("<title>", '<base href="about:srcdoc"><title>', 1)
        return (
            f'<iframe srcdoc="{escape(page)}" title="Report of a masker" '
            f'width="{escape(str(width))}" height="{escape(str(height))}" frameborder="0" '
            "allowfullscreen></iframe>"
        )

    def _repr_html_(self) -> str:
        return self.get_iframe()

    def save_as_html(self, file_name: str | Path) -> None:
        """Write the page to a file.

        Parameters
        ----------
        file_name : path
        """
        Path(file_name).expanduser().write_text(self.html, encoding="utf-8")

    def open_in_browser(self, file_name: str | Path | None = None) -> None:
        """Show the page in the browser.

        Parameters
        ----------
        file_name : path, optional
            Where to write it first; else in a temporary folder, from which nobody removes it
            before the system does.
        """
        if file_name is None:
            file_name = Path(tempfile.mkdtemp(prefix="bidsmask-")) / "report.html"
        path = Path(file_name).expanduser()
        self.save_as_html(path)
        webbrowser.open(path.resolve().as_uri())


def make_report(
    masker: Any, title: str | None, engine: str, displayed: Any = None
) -> MaskerReport:
    """Make the report of a masker; see its `generate_report`.

    Raises
    ------
    ValueError
        If `engine` is not one of `ENGINES`, or the masker's `cmap` is none that matplotlib knows.
    """
    check_choice("engine", engine, ENGINES)
    return MaskerReport(masker_html(summarize(masker, title=title, displayed=displayed)))


def summarize(masker: Any, *, title: str | None = None, displayed: Any = None) -> MaskerSummary:
    """Say what is known of a masker, fitted or not.

    Parameters
    ----------
    masker : Masker
    title : str, optional
    displayed : int, list of int, "all" or None
        Which maps or spheres to show: how many, or their numbers counted from 0.

    Returns
    -------
    summary : MaskerSummary
    """
    name, cmap = type(masker).__name__, getattr(masker, "cmap", None)
    colours = None if cmap is None else colour_map(cmap)
    summary = MaskerSummary(
        title=title or name,
        masker=name,
        unit=masker.unit,
        parameters=parameter_table(masker),
    )
    if not masker.__sklearn_is_fitted__():
        return replace(summary, notes=(NOT_FITTED,))
    seen: Seen | None = getattr(masker, "_seen_", None)
    runs = _runs(masker, seen)
    summary = replace(summary, warnings=_warnings(masker, runs))
    if not masker.reports:
        return replace(summary, notes=(NOTHING_KEPT,))
    if masker._on_surfaces:
        on_surfaces = shown_on_surfaces(masker, colours, displayed)
        return replace(
            summary,
            notes=_notes(on_surfaces.note, runs),
            facts=(*on_surfaces.facts, *_facts(masker, seen, runs)),
            beneath=on_surfaces.beneath,
            meshes=on_surfaces.meshes,
            surfaces=on_surfaces.surfaces,
            views=() if on_surfaces.volume is None else (on_surfaces.volume,),
            affine=on_surfaces.affine,
            regions=on_surfaces.regions,
            size_unit=masker._fitted_.extent.places,
            runs=runs,
        )
    beneath = _beneath(masker, seen)
    shown = shown_of(masker, beneath, colours, displayed)
    grid = shown.grid
    return replace(
        summary,
        notes=_notes(beneath.note, runs),
        facts=(
            *shown.facts,
            *(() if grid is None else grid_facts(grid)),
            *_facts(masker, seen, runs),
        ),
        reference=None if grid is None else beneath.on(grid),
        beneath=beneath.words,
        shades=shown.shades,
        affine=None if grid is None else np.array(grid.affine),
        glass=shown.glass,
        views=shown.views,
        regions=shown.regions,
        runs=runs,
    )


def _warnings(masker: Any, runs: tuple[Run, ...]) -> tuple[str, ...]:
    said = [*masker._said_at_fit_, *(words for run in runs for words in run.warnings)]
    return tuple(dict.fromkeys(said))


def _notes(not_drawn: str, runs: tuple[Run, ...]) -> tuple[str, ...]:
    nothing = "" if runs else NOT_TRANSFORMED
    return tuple(note for note in (not_drawn, nothing) if note)


def _facts(masker: Any, seen: Seen | None, runs: tuple[Run, ...]) -> list[Fact]:
    facts = [Fact(label="Columns", value=f"{masker.n_elements_:,}")]
    if seen is None or not runs:
        return facts
    if len(runs) > 1:
        facts.append(Fact(label="Runs", value=str(len(runs))))
    n_volumes, n_kept = sum(run.n_volumes for run in runs), sum(run.n_kept for run in runs)
    facts.append(Fact(label="Volumes", value=f"{n_kept} of {n_volumes}"))
    if n_kept < n_volumes:
        why = f"{n_volumes - n_kept}, by the sample_mask"
        facts.append(Fact(label="Volumes left out", value=why))
    if seen.t_r or masker.t_r:
        facts.append(Fact(label="Repetition time", value=f"{masker.t_r or seen.t_r:g} s"))
    return facts


# What lies beneath the outlines


def _beneath(masker: Any, seen: Seen | None) -> Beneath:
    """Lay the run beneath the outlines; where there is none, a template."""
    if seen is None:
        return template_beneath(_named_images(masker))
    return Beneath(
        volume=np.nan_to_num(seen.volume, posinf=0, neginf=0),
        grid=seen.grid,
        words=f"Beneath the outlines: {seen.pictured}.",
    )


def _named_images(masker: Any) -> dict[str, str]:
    """File names of the masker's images, those that have one."""
    given = {name: getattr(masker, name, None) for name in ("labels_img", "maps_img", "mask_img")}
    return {
        name: str(
            img if isinstance(img, str | Path) else getattr(img, "get_filename", str)() or ""
        )
        for name, img in given.items()
    }


# Runs


def _runs(masker: Any, seen: Seen | None) -> tuple[Run, ...]:
    """Runs of the last `transform`."""
    several: tuple[Seen, ...] = getattr(masker, "_seen_runs_", ())
    if len(several) > 1:
        return tuple(
            _run(masker, each, f"Run {number}: {_short(each.name)}")
            for number, each in enumerate(several, start=1)
        )
    last = seen_of_run(masker)
    if seen is None or last is None or last.signals is None:
        return ()
    return (_run(masker, last, "Signals of the last run"),)


def _run(masker: Any, seen: Seen, title: str) -> Run:
    assert seen.signals is not None
    return Run(
        title=title,
        signals=Signals(
            values=seen.signals,
            names=seen.names,
            kept=seen.kept,
            t_r=masker.t_r or seen.t_r,
            n_columns=int(seen.columns[-1]) + 1 if seen.columns.size else 0,
        ),
        lost=seen.lost,
        warnings=seen.said,
    )


def _short(name: str) -> str:
    """Name of a file, without the folders it is in.

    Examples
    --------
    >>> _short("/data/sub-01_bold.nii.gz"), _short("A list of 3 images")
    ('sub-01_bold.nii.gz', 'A list of 3 images')
    """
    return Path(name).name
