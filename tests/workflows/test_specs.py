from pathlib import Path

import pytest
from nipype.interfaces.base import File, traits

from bidsmask.workflows.specs import TraitedSpec


class Given(TraitedSpec):
    one = File(exists=True)
    many = traits.List(File(exists=True))
    number = traits.Any()


def fingerprint(**given):
    return Given(**given).get_hashval()[1]


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return write


def test_the_content_of_a_file_counts_and_its_name_does_not(file):
    one, same, other = file("a", b"content"), file("b", b"content"), file("c", b"Content")
    assert fingerprint(one=one) == fingerprint(one=same) != fingerprint(one=other)
    assert fingerprint(many=[one, other]) == fingerprint(many=[same, other])
    assert fingerprint(many=[one, other]) != fingerprint(many=[other, one])


def test_a_file_that_changes_under_its_name_and_size_is_noticed(file):
    before = fingerprint(one=file("a", b"content"))
    assert fingerprint(one=file("a", b"contenT")) != before


def test_values_count_and_what_is_not_given_does_not(file):
    assert fingerprint(number=1.0) != fingerprint(number=1.0 + 1e-15) != fingerprint(number="1")
    assert fingerprint(number=None) != fingerprint()


def test_which_input_a_value_belongs_to_counts(file):
    one = file("a", b"content")
    assert fingerprint(one=one) != fingerprint(number=one)


def test_a_text_that_is_too_long_to_be_a_file_is_a_text():
    assert fingerprint(number="x" * 10_000) != fingerprint(number="y" * 10_000)


def test_every_file_is_read_once(file, monkeypatch):
    one, opened = file("a", b"content"), []
    original = Path.open

    def counted(path, *arguments, **named):
        opened.append(path)
        return original(path, *arguments, **named)

    given = Given(one=one)
    monkeypatch.setattr(Path, "open", counted)
    given.get_hashval()
    assert opened == [Path(one)]
