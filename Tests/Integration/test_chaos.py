"""Everything at once: good and bad clients over every protocol, good and bad servers, configuration and certificates that
change all the time, scrapes, and a hot restart in the middle. Afterwards every good client has had its own right answers, and
the proxy is as it was.

OUTRIDER_CHAOS=COUNT makes it longer (requests of each client), OUTRIDER_CHAOS_SEED=N is another course of events.
"""
import os
import re
import signal
import time

import pytest
from chaos_world import World
from harness import Proxy, wait_until
from test_hostile import AT_REST, MIB, NOT_AT_REST, open_files

COUNT = int(os.environ.get("OUTRIDER_CHAOS", "60"))
SEED = int(os.environ.get("OUTRIDER_CHAOS_SEED", "1"))


def held(proxy):
    """Gauges that are not 0 though nobody is connected. What a pool keeps is no leftover, and fills a breaker."""
    found = proxy.stats(AT_REST + r"|streams_active|outbound_.*active|pending_send_bytes")
    return {name: value for name, value in found.items() if value and not re.search(
        NOT_AT_REST + r"|write_buffered|cx_open|upstream_cx_active|cluster\.xds|ejections_active|control_plane", name)}


@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_chaos(start, tmp_path, seed):
    with World(seed, tmp_path, delta=seed % 2 == 0) as world:
        path = f"@outrider-chaos-{os.getpid()}-{time.monotonic_ns()}"
        flags = ["--hot-restart-path", path, "--drain-time-s", "2", "--parent-shutdown-time-s", "60", "-l", "warning"]

        def launch():
            proxy = start(world.bootstrap(), arguments=flags, concurrency=2)
            world.proxies.append(proxy)
            return proxy

        first = launch()
        mistakes = world.run(COUNT, launch)
        last = world.proxies[-1]
        assert mistakes == []
        assert len(world.proxies) == 2
        assert first.process.wait(60) == 0
        wait_until(lambda: not held(last), lambda: f"gauges at rest: {held(last)}")
        pooled = sum(last.stats(r"^cluster\..*upstream_cx_active$").values())
        wait_until(lambda: open_files(last) < 120 + pooled, lambda: f"{open_files(last)} files, {pooled} of pools")
        assert last.memory() < 400 * MIB
        requests = last.stat("http.ingress.downstream_rq_total")
        last.signal(signal.SIGTERM)
        assert last.process.wait(20) == 0
        # Each request has its line, whichever process it ran in.
        assert (tmp_path / "access.log").read_bytes().count(b"\n") == requests
        for proxy in world.proxies:
            assert "Fatal error" not in proxy.log_text()
