"""What the command says of what nobody has foreseen."""

import errno

import pytest

from bidsmask.cli import main as command
from bidsmask.cli.main import main


def refused(number):
    def parse(_):
        raise OSError(number, "so the system says", "/scratch/work/x.npz")

    return parse


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE])
def test_trouble_of_a_disk_is_a_letter_with_the_file(number, monkeypatch, capsys):
    monkeypatch.setattr(command, "parse", refused(number))
    assert main([]) == 74
    said = capsys.readouterr().err
    assert said.startswith("bidsmask: /scratch/work/x.npz: ")
    assert "then run the same command again" in said


def test_another_refusal_is_a_bug(monkeypatch, capsys):
    monkeypatch.setattr(command, "parse", refused(errno.EBADF))
    assert main([]) == 70
    assert "This is a bug" in capsys.readouterr().err
