"""The report of a subject: one HTML file that needs nothing else.

Figures are embedded, nothing is loaded from anywhere, and no script runs: a Content Security
Policy in the file says so to the browser. Every text from outside (names of files and regions,
error messages) is escaped. The same values and figures give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import jinja2
from markupsafe import Markup, escape

from bidsmask.reports.summaries import Figure, RunSection, SubjectReport

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, line separators, changes of writing direction, halves of characters."""

_MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A part of a run's section: which figures it holds, and how to read them."""

    anchor: str
    title: str
    notes: Mapping[str, str]


HEADINGS = (
    Heading(anchor="quality", title="Quality and verdict", notes=MappingProxyType({})),
    Heading(
        anchor="regions",
        title="Atlas and coverage",
        notes=MappingProxyType(
            {
                "atlas_outline": (
                    "Outlines should follow the anatomy. The left of the head is on the left. "
                    "A filled region has no usable signal in this run; slices are chosen so that "
                    "such regions can be seen. Outlines that are shifted as a whole mean that "
                    "atlas and images are not in the same space."
                ),
                "maps_outline": (
                    "Each voxel has the colour of the map that is strongest there, the fuller the "
                    "nearer it is to the map's largest weight. Maps overlap: what lies below the "
                    "strongest one is not seen. A striped map has no usable signal in this run."
                ),
                "seeds": (
                    "Each sphere is drawn once in each row, on the slice that is nearest to its "
                    "centre: filled where the slice goes through it, empty where it lies before "
                    "or behind. A crossed one has no usable signal in this run; one that is named "
                    "and not drawn lies beyond the image."
                ),
                "surface_regions": (
                    "Hemispheres from outside of the head and from its middle, inflated so that "
                    "what lies in folds is seen; each region has a colour of its own, which means "
                    "nothing else. A striped region has no usable signal in this run."
                ),
                "surface_coverage": (
                    "The same hemispheres: how much of each region the run has seen. Losses lie "
                    "where the field of view ends, and above the sinuses and the ear canals."
                ),
                "surface_tsnr": (
                    "Where signal is weak against its own changes. It falls above the sinuses "
                    "and the ear canals, and where the surface left the brain; a hemisphere that "
                    "is low as a whole points to motion or to the surfaces lying elsewhere."
                ),
                "region_list": (
                    "There was no mesh to draw on. Give the subject's meshes beside the run (as "
                    "fMRIPrep writes them), or let TemplateFlow's be there, and draw again."
                ),
                "coverage": (
                    "The covered share of each: of its voxels, those inside the brain mask whose "
                    "values are finite and change. From the lowest to the highest. A short slope "
                    "at the left is common: signal drops out above the sinuses and the ear "
                    "canals. A long one means a field of view that is too small, or a mask that "
                    "is too tight."
                ),
            }
        ),
    ),
    Heading(
        anchor="motion",
        title="Motion and censoring",
        notes=MappingProxyType(
            {
                "motion": (
                    "Framewise displacement is how far the head moved since the volume before; "
                    "DVARS is how much the whole image changed. Peaks that coincide are motion. "
                    "Each row below marks the volumes that one rule flagged; a volume may be "
                    "flagged by several."
                ),
            }
        ),
    ),
    Heading(
        anchor="cleaning",
        title="Cleaning",
        notes=MappingProxyType(
            {
                "carpet": (
                    "Every row is a voxel, every column a volume; grey is the voxel's own mean, "
                    "white two standard deviations above it, black two below. Vertical bands "
                    "before cleaning are changes that the whole brain shares, often motion or "
                    "breathing. A good strategy leaves few of them. Tinted columns were left out."
                ),
                "ledger": (
                    "Each bar is the length of the run. What remains in dark blue is what "
                    "statistics on these signals can count on. Few degrees of freedom make "
                    "correlations noisy and runs hard to compare."
                ),
                "response": (
                    "A band-pass gives a plateau at 1 between its cut-offs. Dips in it are "
                    "frequencies that the confounds took, and a line that stays low has little "
                    "of the signal left."
                ),
            }
        ),
    ),
    Heading(
        anchor="signals",
        title="Region time series",
        notes=MappingProxyType(
            {
                "region_signals": (
                    "Every row is a region, in standard deviations from its mean. Columns of one "
                    "colour across all regions are changes that cleaning did not remove. Grey "
                    "rows are regions without a signal, tinted columns volumes that were left "
                    "out."
                ),
            }
        ),
    ),
    Heading(
        anchor="connectivity",
        title="Connectivity",
        notes=MappingProxyType(
            {
                "connectivity": (
                    "Blocks along the diagonal are networks whose regions go together; they "
                    "should stand out. Values that lie far to one side of zero for most pairs "
                    "point to a signal shared by the whole brain. Compare the scales before "
                    "comparing colours. Grey rows and columns are regions without a signal."
                ),
                "surface_map": (
                    "How the signal of each vertex goes with the seed's: red with it, blue "
                    "against it, grey where there is no signal."
                ),
                "statistical_map": (
                    "How the signal of each voxel goes with the seed's: red with it, blue against "
                    "it. Where they have little in common the brain below shows through. Slices "
                    "go through the largest values."
                ),
            }
        ),
    ),
)
"""Figures appear under these, in this order; those of no known kind under a heading of theirs."""

OTHER = Heading(anchor="other", title="Other figures", notes=MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure ready to be put into the page."""

    figure: Figure
    source: Markup
    note: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """A heading of a run, with its pictures."""

    name: str
    anchor: str
    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A run's section, ready to be put into the page."""

    anchor: str
    section: RunSection
    parts: tuple[Part, ...]


def assemble_subject(report: SubjectReport, figures_dir: Path) -> str:
    """Put a report together.

    Parameters
    ----------
    report : SubjectReport
    figures_dir : Path
        Where the files are that `Figure.image` names.

    Returns
    -------
    html : str
        A whole page: no script, no address of anything outside.

    Raises
    ------
    FileNotFoundError
        If a figure is not there.
    ValueError
        If a figure is neither SVG nor PNG, or its name leads out of `figures_dir`.
    """
    chapters = [
        _chapter(number, section, figures_dir)
        for number, section in enumerate(report.sections, start=1)
    ]
    return render(
        "report.html",
        styles=("report.css",),
        report=report,
        chapters=chapters,
        n_runs=len(report.sections) + len(report.failures),
    )


def render(template: str, *, styles: Sequence[str], script: str = "", **values: object) -> str:
    """Fill in a template.

    Parameters
    ----------
    template : str
        Name of a file in ``templates``.
    styles : sequence of str
        Style sheets there; they are put into the page.
    script : str
        A script there that is put into the page; none by default.
    **values
        What the template speaks of. Texts are escaped.
    """
    css = "".join(_read_template(name) for name in styles)
    js = _read_template(script) if script else ""
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            css=Markup(css),  # our own files, and the policies admit exactly these bytes
            css_hash=_sha256(css),
            js=Markup(js),
            js_hash=_sha256(js),
        )
    )


def _sha256(text: str) -> str:
    """As a Content Security Policy has it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def data_uri(content: bytes, suffix: str) -> Markup:
    """Address that holds a picture itself; `suffix` says of which kind it is, such as ".svg"."""
    return Markup(f"data:{_MEDIA_TYPES[suffix]};base64,{base64.b64encode(content).decode()}")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read_template),
        autoescape=True,  # whatever the name of a template ends in
        finalize=_harmless,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _number,
        "percent": _percent,
        "spelled": _spelled,
        "thousands": _thousands,
    }
    return environment


def _harmless(value: object) -> object:
    """Escape a text that is made visible."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return escape(visible(value))


def visible(text: str) -> str:
    """Make characters visible that change how their neighbours are read."""
    return _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _read_template(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _chapter(number: int, section: RunSection, figures_dir: Path) -> Chapter:
    anchor = f"run-{number}"
    parts = [_part(anchor, heading, section.figures, figures_dir) for heading in HEADINGS]
    known = {kind for heading in HEADINGS for kind in heading.notes}
    others = [figure for figure in section.figures if figure.kind not in known]
    parts.append(_part_of(anchor, OTHER, others, figures_dir))
    has_tables = {
        "quality": bool(section.quality),
        "regions": bool(section.atlases),
        "cleaning": bool(section.strategies),
    }
    return Chapter(
        anchor=anchor,
        section=section,
        parts=tuple(part for part in parts if part.pictures or has_tables.get(part.name)),
    )


def _part(anchor: str, heading: Heading, figures: Iterable[Figure], figures_dir: Path) -> Part:
    own = [figure for figure in figures if figure.kind in heading.notes]
    return _part_of(anchor, heading, own, figures_dir)


def _part_of(anchor: str, heading: Heading, figures: Iterable[Figure], figures_dir: Path) -> Part:
    return Part(
        name=heading.anchor,
        anchor=f"{anchor}-{heading.anchor}",
        title=heading.title,
        pictures=tuple(
            Picture(
                figure=figure,
                source=_data_uri(figure.image, figures_dir),
                note=heading.notes.get(figure.kind, ""),
            )
            for figure in figures
        ),
    )


def _data_uri(name: str, figures_dir: Path) -> Markup:
    path = figures_dir / name
    if path.parent.resolve() != figures_dir.resolve():
        raise ValueError(f"The figure {name!r} does not lie in {figures_dir}.")
    if path.suffix not in _MEDIA_TYPES:
        raise ValueError(f"The figure {name!r} is neither SVG nor PNG.")
    return data_uri(path.read_bytes(), path.suffix)


def _number(value: float | None, digits: int = 1) -> str:
    """As people write it; unknown is a dash."""
    if value is None:
        return "–"
    return f"{value:.0f}" if float(value).is_integer() and digits < 2 else f"{value:.{digits}f}"


def _thousands(count: int) -> str:
    """With a thin space where there are many digits, which keeps them together."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _percent(part: float, whole: float) -> str:
    """Share in whole per cent, but 0 and 100 only for nothing and all."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 1:
        return "<1 %"
    return ">99 %" if 99 < share < 100 else f"{share:.0f} %"


def _spelled(method: str) -> str:
    names = {
        "non_steady_state": "non-steady state",
        "framewise_displacement": "framewise displacement",
        "std_dvars": "standardized DVARS",
        "dvars_percent": "DVARS in % of all variance",
        "neighbour": "beside a flagged volume",
        "short_segment": "short segment",
    }
    return names.get(method, method)
