"""What the machine grants: workers by affinity and cgroup quota, and the memory limit."""
import contextlib
import json
import os
import pathlib

import pytest
from bootstrap import cluster, http

ROOT = pathlib.Path("/sys/fs/cgroup")


@pytest.fixture
def limited(tmp_path):
    """limited(cpus, mebibytes) -> a program that runs Outrider with these limits, in cgroups of its own."""
    with contextlib.ExitStack() as stack:

        def make(folder, files):
            try:
                folder.mkdir()
                stack.callback(folder.rmdir)
                for name, value in files.items():
                    (folder / name).write_text(value)
            except OSError as error:
                pytest.skip(f"no cgroup can be made here: {error}")
            return folder

        def launch(cpus, mebibytes):
            name, quota, limit = f"outrider-test-{os.getpid()}", str(int(cpus * 100_000)), str(mebibytes << 20)
            if (ROOT / "cgroup.controllers").exists():
                groups = [make(ROOT / name, {"cpu.max": f"{quota} 100000", "memory.max": limit})]
            else:
                groups = [make(ROOT / "cpu" / name, {"cpu.cfs_quota_us": quota}),
                          make(ROOT / "memory" / name, {"memory.limit_in_bytes": limit})]
            wrapper = tmp_path / "limited"
            enter = "".join(f"echo $$ > {group}/cgroup.procs || exit 9\n" for group in groups)
            # The harness asks for one worker; here the machine is asked.
            wrapper.write_text(f"#!/bin/bash\n{enter}exec {os.environ['OUTRIDER']} \"${{@/--concurrency/--drain-time-s}}\"\n")
            wrapper.chmod(0o755)
            return str(wrapper)

        yield launch


@pytest.mark.parametrize("cpus, workers", [(0.5, 1), (1.5, 2)])
def test_cgroup_limits_are_known(start, upstream, limited, cpus, workers):
    if len(os.sched_getaffinity(0)) < workers:
        pytest.skip("not enough CPUs")
    proxy = start(http(clusters=[cluster("app", upstream().port)]), binary=limited(cpus, 512))
    try:
        assert proxy.stat("server.concurrency") == workers
        text = proxy.log_text()
        assert f"{workers} worker" in text and f"cgroup quota of {cpus} CPUs" in text
        assert "memory limit of the cgroup: 512 MiB" in text
        assert json.loads(proxy.get_admin("/memory").body)["cgroup_limit"] == str(512 << 20)
    finally:
        proxy.process.kill()
        proxy.process.wait()
        proxy.process.returncode = 0


def test_affinity_limits_workers(start, upstream, tmp_path):
    wrapper = tmp_path / "pinned"
    wrapper.write_text(f"#!/bin/bash\nexec taskset -c {min(os.sched_getaffinity(0))} {os.environ['OUTRIDER']} \"${{@/--concurrency/--drain-time-s}}\"\n")
    wrapper.chmod(0o755)
    proxy = start(http(clusters=[cluster("app", upstream().port)]), binary=str(wrapper))
    assert proxy.stat("server.concurrency") == 1
    assert "1 worker (1 CPU in the affinity mask" in proxy.log_text()
