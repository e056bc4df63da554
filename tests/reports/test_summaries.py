import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.reports.summaries import (
    CoverageSummary,
    Fact,
    Figure,
    LedgerSummary,
    RunSection,
    SubjectReport,
)


@given(st.text(), st.text())
def test_any_text_survives_json(label, value):
    fact = Fact(label=label, value=value)
    assert Fact.from_json(json.loads(json.dumps(fact.to_json()))) == fact


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.builds(LedgerSummary, n_filter=FINITE, n_confounds=FINITE, remaining=FINITE))
def test_any_number_survives_json(ledger):
    assert LedgerSummary.from_json(json.loads(json.dumps(ledger.to_json()))) == ledger


def test_a_whole_report_survives_json(make_report):
    report = make_report()
    assert SubjectReport.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_the_same_report_gives_the_same_json(make_report):
    assert json.dumps(make_report().to_json()) == json.dumps(make_report().to_json())


def test_a_whole_number_read_where_a_fraction_belongs_becomes_one(make_ledger):
    data = make_ledger().to_json() | {"remaining": 159}
    assert type(LedgerSummary.from_json(data).remaining) is float


def test_what_is_unknown_is_null(make_section):
    section = replace(make_section(), mean_fd_mm=None)
    data = json.loads(json.dumps(section.to_json()))
    assert data["mean_fd_mm"] is None
    assert RunSection.from_json(data) == section


def test_nan_is_refused_because_json_has_none(make_section):
    with pytest.raises(ValueError, match="use None where a number is unknown"):
        replace(make_section(), mean_fd_mm=float("nan")).to_json()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"label": 3}, "Fact.label must be str; found int"),
        ({"label": None}, "Fact.label must be str; found NoneType"),
        ({"colour": "red"}, "must have the fields label, value; found colour, label, value"),
    ],
)
def test_a_wrong_field_is_named(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        Fact.from_json({"label": "Volumes", "value": "300"} | change)


def test_a_missing_field_is_named():
    with pytest.raises(ValueError, match="fields label, value; found label"):
        Fact.from_json({"label": "Volumes"})


def test_a_wrong_field_deep_inside_is_named_with_its_place(make_report):
    data = make_report().to_json()
    data["sections"][1]["atlases"][0]["n_ok"] = "many"
    with pytest.raises(
        ValueError, match=r"SubjectReport.sections\[1\].atlases\[0\].n_ok must be int; found str"
    ):
        SubjectReport.from_json(data)


def test_true_is_not_a_number():
    data = CoverageSummary(atlas="A", n_regions=1, n_ok=1, n_partial=0, n_lost=0).to_json()
    with pytest.raises(ValueError, match="n_ok must be int; found bool"):
        CoverageSummary.from_json(data | {"n_ok": True})


def test_a_list_is_asked_for_where_a_tuple_was(make_section):
    data = make_section().to_json()
    with pytest.raises(ValueError, match="facts must be a list; found str"):
        RunSection.from_json(data | {"facts": "none"})
    data["strategies"][0]["censored"] = [["framewise_displacement"]]
    with pytest.raises(ValueError, match="must have 2 items; found 1"):
        RunSection.from_json(data)


def test_the_kind_of_a_figure_is_what_stands_before_the_first_full_stop():
    figure = Figure(key="connectivity.36P.A", title="", caption="", alt="", image="a.svg")
    assert figure.kind == "connectivity"
    assert replace(figure, key="carpet").kind == "carpet"
