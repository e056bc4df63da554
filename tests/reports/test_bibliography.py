import re

import pytest

from bidsmask.reports.bibliography import _works, bibliography, bibtex, work_from_text


@pytest.mark.parametrize("key", sorted(_works()))
def test_every_work_has_a_doi_and_reads_as_an_entry(key):
    (work,) = bibliography([key])
    assert re.fullmatch(r"10\.\d{4,}/\S+", work.doi)
    assert re.fullmatch(r".+ \((\d{4}|n\.d\.)\)\. .+\. doi:\S+", work.entry)
    assert "http" not in work.entry


def test_no_two_works_share_a_doi():
    dois = [work.doi for work in _works().values()]
    assert len(dois) == len(set(dois))


def test_a_work_is_listed_once_and_works_by_author():
    works = bibliography(["scipy", "behzadi2007", "scipy"])
    assert [work.key for work in works] == ["behzadi2007", "scipy"]


@pytest.mark.parametrize(
    ("key", "citation"),
    [
        ("pandas", "McKinney, 2010"),
        ("lindquist2019", "Lindquist et al., 2019"),
        ("nibabel", "Brett et al., n.d."),
    ],
)
def test_citations_are_author_and_year(key, citation):
    assert bibliography([key])[0].citation == citation


def test_a_known_doi_gives_the_known_work_whatever_its_case():
    work = work_from_text("Power (2012), somehow written.", "10.1016/J.Neuroimage.2011.10.018")
    assert work.key == "power2012"


def test_an_unknown_work_keeps_its_text_and_doi():
    work = work_from_text("Doe et al. (2031). Silence.", "10.1000/1")
    assert work.citation == "Doe et al., 2031"
    assert work.entry == "Doe et al. (2031). Silence. doi:10.1000/1"


def test_a_text_without_a_year_is_its_own_citation():
    assert work_from_text("In-house.", None).citation == "In-house"


def test_bibtex_has_one_entry_per_work_and_escapes_what_tex_would_read():
    works = [*bibliography(["power2012"]), work_from_text(r"R&D {50 %} \input{x}", None)]
    written = bibtex(works)
    assert written.count("@") == 2
    assert "@article{power2012," in written
    assert "pages = {2142--2154}," in written
    assert r"R\&D \{50 \%\} \textbackslash{}input\{x\}" in written
