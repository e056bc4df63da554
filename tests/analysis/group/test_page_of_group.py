"""``group.html`` of a cohort with a planted truth, from the command line on."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from worlds.html import Page

from bidsmask.analysis.group.page import PAGE
from bidsmask.cli.main import main
from bidsmask.derivatives.check import check_output

RULE = ("--exclude", "parkes2018-lenient", "--exclude-limits", "regions_usable=0.99")


@pytest.fixture(scope="module")
def grouped(cohort, tmp_path_factory):
    """The output of the cohort after the group level, with a report of the first participant."""
    out = tmp_path_factory.mktemp("page") / "out"
    shutil.copytree(cohort.output_dir, out)
    (out / "sub-01.html").write_text("<title>sub-01</title>")
    assert main([str(cohort.bids_dir), str(out), "group", *RULE]) == 0
    return out


@pytest.fixture(scope="module")
def html(grouped):
    return (grouped / PAGE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def data(html):
    (found,) = re.findall(r'id="data">(.*?)</script>', html, flags=re.DOTALL)
    return json.loads(found)


def column(data, name):
    (found,) = (each for each in data["columns"] if each["name"] == name)
    return [found["levels"][code] for code in found["codes"]]


def test_every_run_of_every_strategy_is_in_it(cohort, data):
    assert data["names"]["levels"] == sorted(cohort.runs.index)
    assert len(data["included"]) == len(cohort.runs) * len(cohort.strategies)
    assert set(column(data, "strategy")) == {each.name for each in cohort.strategies}


def test_it_excludes_whom_the_rules_exclude_and_says_why(cohort, data):
    names = [data["names"]["levels"][code] for code in data["names"]["codes"]]
    reasons = column(data, "decided_by")
    for name, strategy, included, why in zip(
        names, column(data, "strategy"), data["included"], reasons, strict=True
    ):
        run = cohort.runs.loc[name]
        if run["mean_fd"] > 0.55 and strategy == "24P":
            assert "above 0.55" in why
        if run["has_lost_a_region"]:
            assert "regions" in why or "could not" in why
        assert (included == "1") == (why == "")


def test_those_who_move_are_named_as_outliers(cohort, html):
    section = html.partition('id="outliers"')[2].partition("</section>")[0]
    far = cohort.runs.index[cohort.runs["mean_fd"] > 0.6]
    assert len(far)
    assert all(name in section for name in far)


def test_a_report_is_linked_where_there_is_one(html):
    assert set(re.findall(r'href="\./(sub-[^"]+)"', html)) == {"sub-01.html"}


def test_means_are_drawn_in_the_order_of_the_table(cohort, html):
    page = Page(html)
    (alt,) = (image["alt"] for image in page.all("img") if "mean Fisher's z" in image["alt"])
    assert "20 regions" in alt
    assert "No run was excluded" not in page.text
    names = [each.name for each in cohort.strategies]
    assert [name for name in re.findall(r"<strong>([^<]+)</strong></th>", html)] == names


def test_it_is_part_of_the_output_and_the_same_once_more(cohort, grouped, html):
    assert {each.file for each in check_output(grouped).problems} == {"sub-01.html"}  # made here
    manifest = json.loads((grouped / ".bidsmask/records/group.json").read_text())
    assert PAGE in manifest["Outputs"]
    assert main([str(cohort.bids_dir), str(grouped), "group", *RULE]) == 0
    assert (grouped / PAGE).read_text(encoding="utf-8") == html


def test_regions_lost_in_many_runs_are_named(cohort, html):
    share = np.mean(cohort.runs["has_lost_a_region"])
    section = html.partition('id="coverage"')[2].partition("</section>")[0]
    assert (f"{round(100 * share)} %)" in section) == (share > 0.1)


def test_it_says_what_the_recommendation_says(grouped, html):
    (said,) = json.loads((grouped / "group_recommendation.json").read_text())["Recommendations"]
    text = Page(html).text
    for sentence in said["Answer"].split(". "):
        assert sentence.rstrip(".") in text


def test_benchmarks_are_those_of_the_table(cohort, grouped, html):
    table = pd.read_csv(grouped / "group_benchmark.tsv", sep="\t")
    rows = table[(table["subset"] == "common") & (table["measure"] == "qcfc_median_abs_r")]
    values = rows.set_index("strategy")["value"]
    (alt,) = (each["alt"] for each in Page(html).all("img") if "median |r|" in each["alt"])
    names = [each.name for each in cohort.strategies]
    assert alt.startswith(f"Benchmarks of {', '.join(names)}: QC-FC: median |r| ")
    assert ", ".join(f"{values[name]:.3f}" for name in names) in alt
