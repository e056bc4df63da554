"""Works that a methods text cites: as a citation, as an entry of a list, as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

_TEXT = re.compile(r"(?P<authors>.+?),? \((?P<year>\d{4}[a-z]?)\)")
_BIBTEX_SPECIAL = re.compile(r"([\\{}%#&$_~^])")


@dataclass(frozen=True, kw_only=True)
class Work:
    """Something that can be cited.

    Parameters
    ----------
    key : str
        Of its BibTeX entry.
    citation : str
        ``"Power et al., 2012"``.
    text : str
        Entry of a list of references, without the DOI.
    doi : str or None
    fields : tuple of (str, str)
        Of its BibTeX entry.
    """

    key: str
    citation: str
    text: str
    doi: str | None = None
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def entry(self) -> str:
        """The entry with the DOI as plain text."""
        return f"{self.text} doi:{self.doi}" if self.doi else self.text


def bibliography(keys: Iterable[str]) -> tuple[Work, ...]:
    """Works by their keys, in the order of a list of references.

    Raises
    ------
    KeyError
        If a key is not in ``data/bibliography.yaml``.

    Examples
    --------
    >>> bibliography(["power2012"])[0].citation
    'Power et al., 2012'
    """
    return in_order(_works()[key] for key in keys)


def in_order(works: Iterable[Work]) -> tuple[Work, ...]:
    """Each work once, by first author and year."""
    return tuple(sorted(set(works), key=lambda work: (work.text.casefold(), work.key)))


def work_from_text(text: str, doi: str | None) -> Work:
    """Find the work with this DOI, or make one from an entry of a list of references.

    Examples
    --------
    >>> work_from_text("Doe & Roe (2031). Silence. Journal of Noise 1, 2-3.", None).citation
    'Doe & Roe, 2031'
    """
    for work in _works().values():
        if doi is not None and work.doi is not None and work.doi.lower() == doi.lower():
            return work
    found = _TEXT.match(text)
    citation = f"{found['authors']}, {found['year']}" if found else text.rstrip(".")
    key = re.sub(r"[^0-9a-z]+", "", text.casefold())[:80] or "work"
    return Work(key=key, citation=citation, text=text, doi=doi, fields=(("note", text),))


def bibtex(works: Iterable[Work]) -> str:
    """Write works as BibTeX, in the order of a list of references."""
    return "\n".join(_bibtex_entry(work) for work in in_order(works))


def _bibtex_entry(work: Work) -> str:
    fields = (*work.fields, *((("doi", work.doi),) if work.doi else ()))
    lines = [f"  {name} = {{{_escaped(value)}}}," for name, value in fields]
    kind = "misc" if dict(work.fields).keys() <= {"note"} else "article"
    return "\n".join([f"@{kind}{{{work.key},", *lines, "}", ""])


def _escaped(value: str) -> str:
    one_line = " ".join(value.split())
    return _BIBTEX_SPECIAL.sub(
        lambda match: _BIBTEX_NAMES.get(match[1], "\\" + match[1]), one_line
    )


_BIBTEX_NAMES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


@cache
def _works() -> dict[str, Work]:
    file = resources.files("bidsmask.reports") / "data" / "bibliography.yaml"
    entries = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {key: _work(key, entry) for key, entry in entries.items()}


def _work(key: str, entry: dict[str, str | int | list[str]]) -> Work:
    authors = [str(author) for author in _list(entry["authors"])]
    year = str(entry.get("year", "n.d."))
    where = str(entry["journal"]) + (f" {entry['volume']}" if "volume" in entry else "")
    pages = f", {entry['pages']}" if "pages" in entry else ""
    return Work(
        key=key,
        citation=f"{_short(authors)}, {year}",
        text=f"{_long(authors)} ({year}). {entry['title']}. {where}{pages}.",
        doi=str(entry["doi"]),
        fields=tuple(_bibtex_fields(authors, entry)),
    )


def _list(value: str | int | list[str]) -> list[str]:
    return value if isinstance(value, list) else [str(value)]


def _bibtex_fields(
    authors: list[str], entry: dict[str, str | int | list[str]]
) -> Iterable[tuple[str, str]]:
    yield "author", " and ".join(authors)
    for name in ("title", "journal", "year"):
        if name in entry:
            yield name, str(entry[name])
    volume, _, number = str(entry.get("volume", "")).rstrip(")").partition("(")
    for name, value in (("volume", volume), ("number", number)):
        if value:
            yield name, value
    if "pages" in entry:
        yield "pages", str(entry["pages"]).replace("–", "--")


def _short(authors: list[str]) -> str:
    families = [author.partition(",")[0] for author in authors]
    if len(families) == 2 and "others" not in families:
        return " & ".join(families)
    return families[0] + (" et al." if len(families) > 1 else "")


def _long(authors: list[str]) -> str:
    named = [author.replace(",", "") for author in authors if author != "others"]
    return ", ".join(named) + (", et al." if "others" in authors else "")
