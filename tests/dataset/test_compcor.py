"""Components of CompCor are chosen by mask, by what was retained, by what they explain."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.dataset.compcor import choose_components
from bidsmask.dataset.confounds import load_confounds
from bidsmask.dataset.confounds_table import ConfoundsTable, read_table
from bidsmask.dataset.strategies import ColumnGroup, Strategy
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.errors import ConfoundsError

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "confounds"
needs_real_tables = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real tables in {REAL}")


def a_table(names: list[str], folder: Path) -> ConfoundsTable:
    position = {name: number for number, name in enumerate(names)}
    return ConfoundsTable(file=folder / "t.tsv", position=position, cells=[["0"] * len(names)])


def about(folder: Path, entries: dict[str, Any]) -> Path:
    path = folder / "t.json"
    path.write_text(json.dumps(entries))
    return path


def components(letter: str, n: int) -> list[str]:
    return [f"{letter}_comp_cor_{number:02d}" for number in range(n)]


def a_group(**changes: Any) -> ColumnGroup:
    return ColumnGroup(label="components", pattern=r"[acw]_comp_cor_\d+", **changes)


@given(
    shares=st.lists(st.floats(0.01, 1), min_size=1, max_size=8),
    asked=st.floats(0.01, 0.99),
    cumulative=st.booleans(),
)
def test_as_few_components_as_reach_the_share(
    tmp_path_factory: Any, shares: list[float], asked: float, cumulative: bool
) -> None:
    folder = tmp_path_factory.mktemp("compcor")
    explained = np.array(shares) / sum(shares)
    key = "CumulativeVarianceExplained" if cumulative else "VarianceExplained"
    written = np.cumsum(explained) if cumulative else explained
    names = components("a", len(shares))
    entries = {name: {key: float(value)} for name, value in zip(names, written, strict=True)}
    chosen, missing = choose_components(
        a_table(names, folder), about(folder, entries), a_group(variance=asked), names
    )
    assert missing == ""
    assert chosen == names[: len(chosen)]
    assert explained[: len(chosen)].sum() >= asked - 1e-8
    assert explained[: len(chosen) - 1].sum() < asked


def test_every_mask_has_its_own_share(tmp_path: Path) -> None:
    names = [*components("w", 3), *components("c", 3)]
    shares = {"w": [0.3, 0.6, 0.8], "c": [0.5, 0.7, 0.9]}
    entries = {
        name: {"CumulativeVarianceExplained": shares[name[0]][int(name[-1])], "Mask": name[0]}
        for name in names
    }
    choose = (a_table(names, tmp_path), about(tmp_path, entries))
    half, _ = choose_components(*choose, a_group(variance=0.5), names)
    assert half == ["w_comp_cor_00", "w_comp_cor_01", "c_comp_cor_00"]
    _, missing = choose_components(*choose, a_group(variance=0.85), names)
    assert "w_comp_cor_00 to w_comp_cor_02 explain 80.0% of the variance together" in missing
    assert "85.0% was asked for" in missing
    assert "--return-all-components" in missing


def test_only_components_that_were_retained_are_kept(tmp_path: Path) -> None:
    names = components("a", 4)
    entries = {name: {"Mask": "WM", "Retained": name < "a_comp_cor_02"} for name in names}
    choose = (a_table(names, tmp_path), about(tmp_path, entries))
    kept, missing = choose_components(*choose, a_group(retained=True, mask="WM"), names)
    assert (kept, missing) == (names[:2], "")
    del entries["a_comp_cor_03"]["Retained"]
    choose = (a_table(names, tmp_path), about(tmp_path, entries))
    _, missing = choose_components(*choose, a_group(retained=True), names)
    assert missing.endswith("has no 'Retained' for a_comp_cor_03")


def test_what_is_not_said_is_not_guessed(tmp_path: Path) -> None:
    names = components("a", 5)
    table = a_table(names, tmp_path)
    _, missing = choose_components(table, None, a_group(variance=0.5), names)
    assert "there is no t.json beside the table" in missing
    _, missing = choose_components(table, about(tmp_path, {}), a_group(variance=0.5), names)
    assert "a_comp_cor_00, a_comp_cor_01, a_comp_cor_02 and 2 more" in missing


@needs_real_tables
@pytest.mark.parametrize(
    ("table", "mask"),
    [
        ("test_desc-confounds_regressors", "WM"),  # fMRIPrep 1.4
        ("test_desc-confounds_regressors", "combined"),
        ("test-v21_desc-confounds_timeseries", "combined"),
    ],
)
def test_half_of_the_variance_is_what_fmriprep_retained(table: str, mask: str) -> None:
    file = REAL / f"{table}.tsv"
    base = load_strategy("none")
    retained, half = (
        Strategy(**{**vars(base), "groups": (a_group(mask=mask, **how),)})
        for how in ({"retained": True}, {"variance": 0.5})
    )
    chosen = [
        load_confounds(file, file.with_suffix(".json"), strategy, n_volumes=None).columns
        for strategy in (retained, half)
    ]
    assert len(chosen[0]) > 1
    assert chosen[0] == chosen[1]


@needs_real_tables
def test_more_variance_than_the_table_holds_is_refused() -> None:
    file = REAL / "test_desc-confounds_regressors.tsv"
    strategy = Strategy(
        **{**vars(load_strategy("none")), "groups": (a_group(mask="WM", variance=0.9),)}
    )
    with pytest.raises(ConfoundsError, match=r"explain 50\.\d% .* 90.0% was asked for"):
        load_confounds(file, file.with_suffix(".json"), strategy, n_volumes=None)
    assert len(read_table(file).cells) > 0
