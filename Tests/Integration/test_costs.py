"""What a request costs in counts stays within Benchmarks/costs.json: instructions, allocations, system calls."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

OUTRIDER = os.environ["OUTRIDER"]
BENCHMARKS = pathlib.Path(__file__).parents[2] / "Benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import costs  # noqa: E402


def limits():
    """Of the compiler that built the binary; none is known: the newest that we know of."""
    known = {key: value for key, value in json.loads((BENCHMARKS / "costs.json").read_text()).items() if key != "about"}
    said = subprocess.run(["swift", "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    version = re.search(r"Swift version (\d+\.\d+)", said)
    return known.get(f"swift-{version[1]}" if version else "", known[max(known)])


@pytest.mark.skipif(not shutil.which("valgrind") or not shutil.which("strace"), reason="needs valgrind and strace")
@pytest.mark.parametrize("name", costs.SCENARIOS)
def test_a_request_costs_no_more_than_its_limit(name):
    # A debug build costs ten times as much and is not what is shipped.
    if "debug" in pathlib.Path(OUTRIDER).parts:
        pytest.skip("counts are held for the release build")
    seen = costs.measure(OUTRIDER, name)
    over = {key: (seen[key], limit) for key, limit in limits()[name].items() if seen[key] > limit}
    assert not over, f"(seen, limit): {over}; system calls: {seen['calls']}"
