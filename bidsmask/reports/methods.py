"""Paragraphs for the methods section of a paper, with the works that they cite."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bidsmask.reports.bibliography import Work, bibliography, bibtex, in_order

_CITED = re.compile(r"\[@([0-9A-Za-z]+)\]")
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~^$@])")


@dataclass(frozen=True, kw_only=True)
class Methods:
    """Paragraphs of plain text, and the works that they cite.

    Attributes
    ----------
    paragraphs : tuple of str
        With citations such as "(Power et al., 2012)".
    works : tuple of Work
    """

    paragraphs: tuple[str, ...]
    works: tuple[Work, ...]

    @property
    def references(self) -> tuple[str, ...]:
        """A list of references, in plain text; DOIs are not links."""
        return tuple(work.entry for work in self.works)


def with_citations(marked: Sequence[str], own_works: Sequence[Work] = ()) -> Methods:
    """Replace ``[@key]`` by citations, and gather what they cite.

    Parameters
    ----------
    marked : sequence of str
        Paragraphs.
    own_works : sequence of Work
        Works that are cited and stand in no bibliography of ours.

    Examples
    --------
    >>> methods = with_citations(["Volumes above 0.5 mm [@power2012] were left out."])
    >>> methods.paragraphs[0]
    'Volumes above 0.5 mm (Power et al., 2012) were left out.'
    """
    known = {work.key: work for work in own_works}
    keys = [key for text in marked for key in _CITED.findall(text)]
    known |= {work.key: work for work in bibliography(key for key in keys if key not in known)}
    return Methods(
        paragraphs=tuple(
            _CITED.sub(lambda match: f"({known[match[1]].citation})", text) for text in marked
        ),
        works=in_order(known[key] for key in keys),
    )


def citation_markdown(methods: Methods) -> str:
    """The text and its references as a Markdown file."""
    paragraphs = "\n\n".join(_markdown(paragraph) for paragraph in methods.paragraphs)
    entries = "\n".join(f"- {_markdown(entry)}" for entry in methods.references)
    return f"# Methods\n\n{paragraphs}\n\n# References\n\n{entries}\n"


def citation_bibtex(methods: Methods) -> str:
    """The references as a BibTeX file."""
    return bibtex(methods.works)


def _markdown(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))
