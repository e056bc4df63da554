import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def misbehave():
    """A node class that fails on request, importable by name in worker processes too."""
    folder = str(Path(__file__).parent / "nodes_for_tests")
    sys.path.insert(0, folder)
    from misbehaving import Misbehave

    yield Misbehave
    sys.path.remove(folder)
