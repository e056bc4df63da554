"""The page of a group, as bytes and as elements."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from worlds.group_page import STRATEGIES, group_page
from worlds.html import HOSTILE, Page

from bidsmask.reports.group.assemble import LOST_IN_MANY, assemble_group
from bidsmask.reports.group.values import GroupPage


@pytest.fixture(scope="module")
def values():
    return group_page(6, n_regions=14)


@pytest.fixture(scope="module")
def html(values):
    return assemble_group(values)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def data_of(html):
    (found,) = re.findall(r'id="data">(.*?)</script>', html, flags=re.DOTALL)
    return json.loads(found)


def cells_of(html):
    """Texts of the table that is there without the script, row by row."""
    (table,) = re.findall(r"<noscript>(.*?)</noscript>", html, flags=re.DOTALL)
    body = table.partition("<tbody>")[2]
    return [
        re.findall(r"<t[hd][^>]*>(?:<a [^>]*>)?([^<]*)", row)
        for row in re.findall(r"<tr>(.*?)</tr>", body)
    ]


@pytest.mark.parametrize("word", HOSTILE)
def test_hostile_texts_appear_only_as_text(word, page):
    html = assemble_group(group_page(6, n_regions=14, word=word))
    hostile = Page(html)
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in page.elements]
    for (_, attributes), (_, expected) in zip(hostile.elements, page.elements, strict=True):
        assert attributes.keys() == expected.keys()
    assert not set(html) & set("\u2028\u2029\u202e\x00")
    visible = re.sub("[\u2028\u2029\u202e\x00]", "\N{REPLACEMENT CHARACTER}", word)
    assert visible in "".join(hostile.texts)
    assert any(visible in level for level in data_of(html)["columns"][1]["levels"])


def test_a_page_loads_nothing_and_leads_nowhere_but_to_reports(html, page):
    plain = re.sub(r'src="data:[^"]*"|xmlns="http://www.w3.org/2000/svg"|http-equiv', "", html)
    assert "http:" not in plain.replace("http://www.w3.org/2000/svg", "")
    assert "https:" not in plain
    assert not {"link", "object", "iframe", "form", "base"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        assert attributes.get("src", "data:image/").startswith("data:image/")
        assert re.match(r"#|\./sub-\d+\.html$", attributes.get("href", "#"))


def test_the_policy_admits_our_style_and_script_and_nothing_else(html, page):
    (style,) = re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    css, js = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    )
    (policy,) = (
        attributes["content"]
        for attributes in page.all("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{css}'; "
        f"script-src 'sha256-{js}'; base-uri 'none'; form-action 'none'"
    )
    assert "innerHTML" not in script
    assert "url(" not in style


def test_the_same_values_give_the_same_bytes(html):
    assert assemble_group(group_page(6, n_regions=14)) == html


def test_every_link_leads_somewhere_and_no_place_is_named_twice(page):
    inside = {a["href"][1:] for a in page.all("a") if a.get("href", "").startswith("#")}
    assert inside <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_script_and_table_say_the_same(values, html):
    data, cells = data_of(html), cells_of(html)
    assert len(cells) == len(values.runs) == len(data["included"])
    for place, column in enumerate(each for each in data["columns"] if each["inTable"]):
        shown = [row[place] for row in cells]
        if "levels" in column:
            assert shown == [column["levels"][code] or "–" for code in column["codes"]]
        else:
            written = [f"{v:.{column['decimals']}f}" if v is not None else "–"
                       for v in column["values"]]  # fmt: skip
            assert shown == written


def test_the_first_sentence_counts(page, values):
    n_out = int((~values.runs.included).sum())
    assert "6 participants, 12 runs, 4 strategies." in page.text
    assert f"Of 48 rows (a run under a strategy each) {48 - n_out} are included" in page.text


def test_what_is_not_there_has_no_heading(values):
    nothing = GroupPage(n_participants=6, runs=values.runs, version="0.1.0")
    bare = Page(assemble_group(nothing))
    for anchor in ("recommendation", "coverage", "connectivity", "benchmarks", "undone"):
        assert anchor not in bare.ids
    assert "No rule was asked for" in bare.text
    targets = {a["href"][1:] for a in bare.all("a") if a["href"].startswith("#")}
    assert targets <= set(bare.ids)


def test_regions_lost_in_many_runs_are_named_and_others_are_not(values):
    (coverage,) = values.coverage
    shares = np.ones_like(coverage.shares)
    shares[3, : int(LOST_IN_MANY * shares.shape[1]) + 1] = 0.0
    shares[5, 0] = 0.0
    changed = replace(coverage, shares=shares, lost=shares < 0.5)
    text = Page(assemble_group(replace(values, coverage=(changed,)))).text
    assert f"{coverage.regions[3]} Schaefer2018 2 of 12 (17 %)" in text
    assert f"{coverage.regions[5]} Schaefer2018" not in text


def test_each_strategy_has_a_line_at_a_glance(page):
    for strategy in STRATEGIES:
        assert re.search(rf"{re.escape(strategy)} \d+ (good|look|do not use)", page.text)


@pytest.fixture(scope="module")
def large():
    return assemble_group(group_page(1000, n_regions=400))


def test_a_thousand_participants_fit_into_15_mb(large):
    assert len(large.encode()) < 15e6


def test_every_run_of_a_thousand_participants_is_there(large):
    data, cells = data_of(large), cells_of(large)
    assert len(cells) == 8000
    assert len(data["names"]["levels"]) == 2000
    assert len({(row[0], row[1], row[2]) for row in cells}) == 8000
    (figure,) = re.findall(r'data-column="mean_fd".*?</svg>', large, flags=re.DOTALL)
    drawn = " ".join(re.findall(r'data-rows="([^"]*)"', figure)).split()
    assert sorted(data["names"]["codes"][int(row)] for row in drawn) == list(range(2000))


def test_each_space_has_strips_of_its_own(values):
    runs = values.runs
    places = ["fsLR" if "nback" in name else "MNI152NLin6Asym" for name in runs.names]
    html = assemble_group(replace(values, runs=replace(runs, places=places)))
    svg = html.partition('data-column="mean_fd"')[2].partition("</figure>")[0]
    dots = dict(re.findall(r'data-strip="(\d)" data-rows="([^"]*)"', svg))
    of_strips = [{places[int(row)] for row in rows.split()} for rows in dots.values()]
    assert of_strips == [{"MNI152NLin6Asym"}, {"fsLR"}]
    svg = html.partition('data-column="dof_remaining"')[2].partition("</figure>")[0]
    assert len(set(re.findall(r'data-strip="(\d)"', svg))) == 2 * len(STRATEGIES)
    assert "in 2 spaces" in html
