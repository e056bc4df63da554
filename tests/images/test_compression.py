import gzip
import io
import subprocess
import sys
import time
import zlib

import pytest

from bidsmask.errors import ImageError, StorageError
from bidsmask.images import compression


def test_the_same_bytes_are_compressed_to_the_same_bytes_at_any_time(monkeypatch):
    first = compression.compress(b"brain" * 1000)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert compression.compress(b"brain" * 1000) == first
    assert gzip.decompress(first) == b"brain" * 1000


def test_the_bytes_are_those_of_a_machine_without_isal():
    """isal writes other bytes on a processor without SSE4.2, and sometimes on the same one."""
    program = """if True:
        import sys
        sys.modules["isal"] = None
        from bidsmask.images.compression import compress
        sys.stdout.buffer.write(compress(sys.stdin.buffer.read()))
    """
    content = bytes(i * i // 97 % 11 for i in range(200_000))
    done = subprocess.run(
        [sys.executable, "-c", program], input=content, capture_output=True, check=True
    )
    assert done.stdout == compression.compress(content)


def test_without_isal_the_standard_library_does_the_same(monkeypatch):
    for module in "isal", "isal.igzip", "isal.isal_zlib":
        monkeypatch.setitem(sys.modules, module, None)
    assert compression._fastest_gzip() is gzip
    assert compression._inflate_errors() == (EOFError, zlib.error, gzip.BadGzipFile)


def test_all_bytes_before_a_damage_are_counted(tmp_path):
    content = bytes(range(256)) * 1000
    path = tmp_path / "cut.nii.gz"
    compressed = gzip.compress(content)
    path.write_bytes(compressed)
    assert compression.n_readable_bytes(path) == len(content)
    path.write_bytes(compressed[:-9])
    assert 0 < compression.n_readable_bytes(path) <= len(content)


@pytest.mark.parametrize(
    ("raised", "expected", "words"),
    [
        (EOFError("ended"), ImageError, "corrupt"),
        (gzip.BadGzipFile("CRC check failed"), ImageError, "CRC"),
        (PermissionError(13, "denied"), ImageError, "permissions"),
        (OSError(5, "Input/output error"), StorageError, "Input/output error"),
        (io.UnsupportedOperation("seek"), StorageError, "seek"),
    ],
)
def test_every_failure_to_read_names_the_file(tmp_path, raised, expected, words):
    path = tmp_path / "bold.nii.gz"
    with pytest.raises(expected, match=words) as caught, compression.explained(path):
        raise raised
    assert str(path) in str(caught.value)
