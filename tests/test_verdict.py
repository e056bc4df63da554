"""The verdict, end to end: table, sidecar, status, banner and the last line on the terminal."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.derivatives.quality import QUALITY_COLUMNS
from bidsmask.numerics.verdict import MEANINGS, RULES

RUN = "sub-01_task-rest_space-MNI152NLin2009cAsym"


@pytest.fixture
def extract(small_dataset, tmp_path, capsys):
    """Run the participant level for one subject; give what came of it."""

    def run(*options, atlas=small_dataset.atlas):
        where = [str(small_dataset.root), str(tmp_path / "out"), "participant"]
        what = ["--participant-label", "01", "--atlases", str(atlas), *map(str, options)]
        exit_code = main([*where, *what])
        return Told(tmp_path / "out", exit_code, capsys.readouterr().err)

    return run


class Told:
    """What an invocation says of a run, in each place."""

    def __init__(self, out, exit_code, said):
        self.out, self.exit_code, self.said = out, exit_code, said

    @property
    def quality(self):
        (path,) = self.out.rglob("*_desc-bidsmask_qc.tsv")
        return pd.read_csv(path, sep="\t", keep_default_na=False).set_index("strategy")

    @property
    def sidecar(self):
        (path,) = self.out.rglob("*_desc-bidsmask_qc.json")
        return json.loads(path.read_text(encoding="utf-8"))

    @property
    def status(self):
        table = pd.read_csv(self.out / "logs" / "status.tsv", sep="\t", keep_default_na=False)
        return table.set_index("run").loc[RUN]

    @property
    def banner(self):
        page = (self.out / "sub-01.html").read_text(encoding="utf-8")
        (kind, text), *_ = re.findall(
            r'<(?:p|div) class="banner (\w+)">(.*?)</(?:p|div)>', page, flags=re.DOTALL
        )
        return kind, " ".join(re.sub("<[^>]*>", " ", text).split())

    @property
    def last_line(self):
        return self.said.strip().splitlines()[-1]


def half_of_it_outside(atlas, folder):
    """Move half of the regions of an atlas, by label, to where there is no brain."""
    image = nib.load(atlas)
    labels = np.asanyarray(image.dataobj).astype(np.int16)
    names = [label for label in np.unique(labels) if label]
    corner = iter(np.ndindex(labels.shape))
    for label in names[::2]:
        labels[labels == label] = 0
        labels[next(corner)] = label
    copy = folder / atlas.name
    nib.Nifti1Image(labels, image.affine, image.header).to_filename(copy)
    table = atlas.name.replace(".nii.gz", ".tsv")
    (folder / table).write_bytes((atlas.parent / table).read_bytes())
    return copy


OF_60_VOLUMES = ("minutes_kept=none,none",)
"""Whoever gives all runs of a subject two minutes knows of it."""


def test_few_degrees_of_freedom_are_not_called_complete_and_green(extract):
    told = extract("--strategies", "36P", "--min-dof", 0)
    row = told.quality.loc["36P"]
    assert float(row["dof_share"]) < 0.07
    assert told.exit_code == 0  # a verdict changes none
    assert row["verdict"] == told.status["verdict"] == "do not use"
    assert "degrees of freedom left" in row["verdict_reason"]
    assert "36P: do not use (degrees of freedom left" in told.status["verdict_reason"]
    kind, text = told.banner
    assert kind == "bad"
    assert text.startswith("Do not use")
    assert "degrees of freedom left" in text
    assert "Verdict: 1 do not use" in told.last_line
    assert "degrees of freedom left" in told.last_line


def test_an_atlas_of_which_half_lies_outside_is_not_called_complete_and_green(
    extract, small_dataset, tmp_path
):
    told = extract(
        *("--strategies", "none", "--verdict-limits", *OF_60_VOLUMES),
        atlas=half_of_it_outside(small_dataset.atlas, tmp_path),
    )
    row = told.quality.loc["none"]
    assert float(row["regions_usable"]) == pytest.approx(0.5)
    assert told.exit_code == 0
    assert row["verdict"] == told.status["verdict"] == "do not use"
    assert row["verdict_reason"] == "share of regions with a signal: 0.5, below 0.6"
    assert told.banner[0] == "bad"
    assert "share of regions with a signal" in told.banner[1]
    assert "share of regions with a signal" in told.last_line


def test_a_strategy_that_is_worse_does_not_hide_that_its_sister_is_not(extract):
    told = extract(
        *("--strategies", "36P", "none", "--min-dof", 0, "--verdict-limits", *OF_60_VOLUMES)
    )
    assert list(told.quality["verdict"]) == ["do not use", "good"]
    kind, text = told.banner
    assert (kind, text[:20]) == ("bad", "Do not use with 36P.")
    assert told.status["verdict"] == "do not use"


def test_a_good_run_is_green_and_said_to_be(extract):
    told = extract("--strategies", "none", "--verdict-limits", *OF_60_VOLUMES)
    assert told.quality.loc["none", "verdict"] == "good"
    assert told.quality.loc["none", "verdict_reason"] == "n/a"
    assert told.banner[0] == "good"
    assert "complete and good" in told.banner[1]
    assert told.last_line.endswith("Verdict: 1 good.")
    summary = json.loads((told.out / "logs" / "summary.json").read_text(encoding="utf-8"))
    assert summary["verdicts"] == {"n/a": 0, "good": 1, "look": 0, "do not use": 0}
    assert summary["runs"][0]["verdict"] == "good"


def test_a_short_run_is_to_be_looked_at(extract):
    """60 volumes of 2 s."""
    told = extract("--strategies", "none")
    assert told.quality.loc["none", "verdict"] == "look"
    kind, text = told.banner
    assert kind == "warn"
    assert text.startswith("Look before use.")
    assert "time kept: 2 min, below 5" in text


def test_the_sidecar_says_by_which_limits(extract):
    limits = extract(
        "--strategies", "none", "--verdict-limits", "minutes_kept=1,none", "mean_fd=0.1,0.2"
    ).sidecar["VerdictLimits"]
    assert limits["minutes_kept"] == {
        "Look": "below 1",
        "DoNotUse": "never",
        "Source": "given by the user",
    }
    assert "Parkes" in limits["max_fd"]["Source"]


def test_other_limits_judge_anew_and_the_numbers_stay(extract):
    before = extract("--strategies", "none").quality
    told = extract("--strategies", "none", "--verdict-limits", "minutes_kept=2,1")
    assert told.quality.loc["none", "verdict"] == "good"
    numbers = before.columns.drop(["verdict", "verdict_reason"])
    pd.testing.assert_frame_equal(told.quality[numbers], before[numbers])


def test_the_group_has_the_verdict_of_each_run(extract, small_dataset, capsys):
    told = extract("--strategies", "none", "24P", "--min-dof", 0)
    assert main([str(small_dataset.root), str(told.out), "group"]) == 0
    words = re.findall(r"verdict \(of each run and strategy\): (.*)", capsys.readouterr().err)
    assert words == ["1 do not use, 1 look"]
    table = pd.read_csv(told.out / "group_qc.tsv", sep="\t").set_index("strategy")
    assert list(table["verdict"]) == list(told.quality["verdict"])
    assert table["dvars_after"].to_list() == pytest.approx(
        told.quality["dvars_after"].astype(float).to_list()
    )
    columns = json.loads((told.out / "group_qc.json").read_text(encoding="utf-8"))
    assert columns["dvars_after"]["Direction"] == "lower is better"
    assert columns["dvars_after"]["DOI"].startswith("doi:10.")


def test_a_failed_run_is_not_judged(extract):
    told = extract("--strategies", "none", "--dummy-scans", 60)
    assert told.exit_code == 1
    assert told.status["verdict"] == "n/a"
    assert "Verdict" not in told.last_line


@pytest.mark.parametrize(
    ("limits", "letter"),
    [
        ("mean_df=1,2", "did you mean 'mean_fd'"),
        ("mean_fd=1", "expected MEASURE=LOOK,DO-NOT-USE"),
        ("mean_fd=high,2", "expected MEASURE=LOOK,DO-NOT-USE"),
        ("mean_fd=2,1", "cannot come before the first"),
        ("minutes_kept=1,2", "cannot come before the first"),
        ("mean_fd=nan,1", "a limit is a number"),
    ],
)
def test_limits_that_make_no_sense_are_refused(extract, limits, letter):
    told = extract("--verdict-limits", limits)
    assert told.exit_code == 2
    assert letter.lower() in told.said.lower()


def test_limits_come_back_from_the_settings_that_were_written(extract):
    asked = ("--strategies", "none", "--verdict-limits", "minutes_kept=1,none")
    out = extract(*asked).out
    (settings,) = out.glob("logs/*/bidsmask.toml")
    text = settings.read_text(encoding="utf-8")
    other = extract("--strategies", "none", "--config-file", settings)
    *_, last = sorted(out.glob("logs/*/bidsmask.toml"))
    assert last.read_text(encoding="utf-8") == text
    assert other.quality.loc["none", "verdict"] == "good"


# --- the page

PAGE = Path(__file__).parents[1] / "docs" / "quality.md"


def rows(*cells):
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def limit(value):
    return "never" if value is None else f"{value:g}"


def linked(text):
    return re.sub(r"doi:(10\.[^\s)]+)", r"[doi](https://doi.org/\1)", text)


def tables_of_the_page():
    return {
        "words": rows(
            ("verdict", "meaning"),
            ("---", "---"),
            *((f"`{word}`", meaning) for word, meaning in MEANINGS.items()),
        ),
        "limits": rows(
            ("measure", "worse", "look", "do not use", "unit", "why"),
            ("---",) * 6,
            *(
                (
                    f"`{name}`",
                    rule.worse,
                    limit(rule.look),
                    limit(rule.do_not_use),
                    rule.unit,
                    linked(rule.why),
                )
                for name, rule in RULES.items()
            ),
        ),
        "measures": rows(
            ("column", "formula", "volumes", "unit", "better", "source"),
            ("---",) * 6,
            *(
                (
                    f"`{name}`",
                    column.formula,
                    column.volumes,
                    column.unit,
                    column.better,
                    linked(f"doi:{column.doi}") if column.doi else "",
                )
                for name, column in QUALITY_COLUMNS.items()
                if column.formula
            ),
        ),
    }


@pytest.mark.parametrize("mark", tables_of_the_page())
def test_the_page_says_what_the_code_does(mark):
    _, _, after = PAGE.read_text(encoding="utf-8").partition(f"<!-- {mark} -->\n")
    assert after.partition("<!-- end -->")[0] == tables_of_the_page()[mark]


def test_every_measure_has_a_formula_volumes_a_unit_and_a_direction():
    in_words = {"strategy", "verdict", "verdict_reason", "fd_kind", "status", "reason"}
    for name, column in QUALITY_COLUMNS.items():
        said = column.described()
        assert said["Description"], name
        if name not in in_words:
            assert {"Units", "Formula", "Volumes", "Direction"} <= said.keys(), name


@pytest.mark.parametrize("name", [name for name in QUALITY_COLUMNS if "after" in name])
def test_what_is_measured_after_is_measured_before(name):
    assert name.replace("after", "before") in QUALITY_COLUMNS
