"""The k-th call fails: of the system when something is written, of numpy when memory is wanted."""

import re


def calls_of(job, kind):
    """How many calls there are when none fails."""
    exit_code, said = job.run(kind, 10**9)
    assert exit_code == 0, said
    return int(re.findall(r"calls: (\d+)", said)[-1])


def spread(total, trials):
    """Numbers of calls all over the command."""
    return sorted({1 + round(total * (trial + 0.5) / trials) for trial in range(trials)})


def test_whichever_call_to_write_fails(again, recovers, often):
    """Every other time all calls after it fail too."""
    total = 1000 if often(True, False) else calls_of(again(), "io-ENOSPC")
    codes = ("ENOSPC", "EIO", "EDQUOT")
    for trial, number in enumerate(spread(total, often(2, 150))):
        code, on = codes[trial % len(codes)], "+" * (trial % 2)
        job = again()
        exit_code, said = job.run(f"io-{code}", f"{number}{on}")
        what = f"{code} at call {number}{on} of {total}: exit {exit_code}\n{said}"
        assert exit_code in (0, 1, 74), what
        assert "Traceback" not in said, what
        assert "is a bug in bidsmask" not in said, what
        recovers(job, what)


def test_whichever_array_does_not_fit_into_memory(again, recovers, often):
    total = 60 if often(True, False) else calls_of(again(), "memory")
    for number in spread(total, often(1, 60)):
        job = again()
        exit_code, said = job.run("memory", number)
        what = f"array {number} of {total}: exit {exit_code}\n{said}"
        assert exit_code in (0, 1), what
        assert "Traceback" not in said, what
        recovers(job, what)
