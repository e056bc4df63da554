import pytest
from worlds.cohort import BETTER, STRICT, WORSE, write_cohort


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    """Twenty-four participants, two sessions each, three strategies. Never changed."""
    folder = tmp_path_factory.mktemp("cohort")
    return write_cohort(folder, n_sessions=2, strategies=(WORSE, BETTER, STRICT))
