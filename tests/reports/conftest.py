import base64
import io
import re
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from bidsmask.reports.drawing.words import text_width
from bidsmask.reports.summaries import (
    CoverageSummary,
    Fact,
    FailedRun,
    Figure,
    InputFile,
    LedgerSummary,
    LostRegion,
    RunSection,
    StrategySummary,
    SubjectReport,
)

SVG_SPACE = "http://www.w3.org/2000/svg"
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 4"><rect width="9" height="4"/></svg>'
)


@pytest.fixture(scope="session")
def parse_svg():
    """Parse an SVG file, after making sure that it refers to nothing outside."""

    def parse(svg):
        text = svg.decode()
        assert text.startswith("<svg")
        targets = re.findall(r'(?:href|src)="([^"]*)"', text)
        assert all(target.startswith(("data:image/png;base64,", "#")) for target in targets)
        assert set(re.findall(r'https?://[^"]+', text)) <= {SVG_SPACE}
        return ElementTree.fromstring(svg)

    return parse


@pytest.fixture(scope="session")
def texts(parse_svg):
    """Every text in an SVG file."""
    return lambda svg: [text for text in parse_svg(svg).itertext() if text.strip()]


class Words(NamedTuple):
    """A text in a figure, and the room it takes in the widest of the usual fonts."""

    text: str
    left: float
    right: float
    top: float
    bottom: float
    middle: float

    def overlaps(self, other):
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 0.1 and down > 0.1


def _words(element):
    size, x, baseline = (float(element.get(name)) for name in ("font-size", "x", "y"))
    width = text_width(element.text, size, bold=element.get("font-weight") == "bold")
    left = x - width * {None: 0, "middle": 0.5, "end": 1}[element.get("text-anchor")]
    top, bottom, middle = (baseline - share * size for share in (0.75, -0.2, 0.365))
    return Words(element.text, left, left + width, top, bottom, middle)


@pytest.fixture(scope="session")
def words(parse_svg):
    """Every text in an SVG file, and where it is."""
    return lambda svg: [_words(element) for element in parse_svg(svg).iter(f"{{{SVG_SPACE}}}text")]


@pytest.fixture(scope="session")
def elements(parse_svg):
    """Attributes of every element of a name, in their order."""
    return lambda svg, name: [
        element.attrib for element in parse_svg(svg).iter(f"{{{SVG_SPACE}}}{name}")
    ]


@pytest.fixture(scope="session")
def pictures(elements):
    """Every picture in an SVG file, as colours (rows, columns, 3)."""

    def read(svg):
        pngs = [image["href"].partition(",")[2] for image in elements(svg, "image")]
        images = [Image.open(io.BytesIO(base64.b64decode(png))) for png in pngs]
        return [np.asarray(image.convert("RGB")) for image in images]

    return read


@pytest.fixture
def make_ledger():
    def make(**changes):
        values = {
            "strategy": "simple",
            "n_volumes": 300,
            "n_censored": 12,
            "n_kept": 288,
            "n_detrend": 2,
            "n_filter": 100.5,
            "n_confounds": 26,
            "n_regressors": 26,
            "remaining": 159.5,
        }
        return LedgerSummary(**values | changes)

    return make


@pytest.fixture
def make_section(make_ledger):
    """A run's section in which every field holds something; `word` is in every text."""

    def make(word="words", number=1):
        return RunSection(
            name=f"sub-01_run-{number}_{word}",
            title=f"rest, run {number} {word}",
            facts=(Fact(label=f"Volumes {word}", value=f"300 {word}"),),
            files=(
                InputFile(role=f"BOLD {word}", path=f"bold {word}.nii.gz"),
                InputFile(role=f"reference {word}"),
            ),
            warnings=(f"A warning {word}",),
            atlases=(
                CoverageSummary(
                    atlas=f"Atlas {word}",
                    n_regions=400,
                    n_ok=380,
                    n_partial=19,
                    n_lost=1,
                    lost=(
                        LostRegion(
                            name=f"LH {word}", label=7, coverage=0.004, reason=f"small {word}"
                        ),
                    ),
                ),
            ),
            strategies=(
                StrategySummary(
                    name=f"simple {word}",
                    description=f"Motion was regressed. {word}",
                    settings=(Fact(label=f"Filter {word}", value=f"none {word}"),),
                    columns=(f"trans_x {word}", "rot_x"),
                    filled=("rot_x",),
                    ledger=make_ledger(strategy=f"simple {word}"),
                    censored=((f"framewise_displacement {word}", 12),),
                ),
            ),
            figures=(
                Figure(
                    key=f"motion.{word}",
                    title=f"Motion {word}",
                    caption=f"Caption {word}",
                    alt=f"Alternative {word}",
                    image="motion.svg",
                ),
                Figure(
                    key=f"unheard-of.{word}",
                    title=f"New {word}",
                    caption=f"Caption {word}",
                    alt=f"Alternative {word}",
                    image="motion.svg",
                ),
            ),
            mean_fd_mm=0.1532,
            median_tsnr=61.8,
        )

    return make


@pytest.fixture
def make_report(make_section):
    def make(word="words", n_sections=2, n_failures=1):
        return SubjectReport(
            subject=f"01 {word}",
            sections=tuple(make_section(word, number + 1) for number in range(n_sections)),
            failures=tuple(
                FailedRun(
                    name=f"sub-01_task-nback-{number} {word}",
                    node=f"load_confounds {word}",
                    reason=f"The table has 241 rows {word}",
                )
                for number in range(n_failures)
            ),
            citation=(f"Signals were extracted. {word}",),
            references=(f"Doe (2031). Silence. doi:10.1000/1 {word}",),
            version=f"1.0 {word}",
        )

    return make


@pytest.fixture
def figures_dir(tmp_path):
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "motion.svg").write_bytes(SVG)
    return folder
