"""Envoy's flags, each with what it changes."""
import json
import pathlib
import re
import subprocess

import pytest
from bootstrap import FILE_LOG, cluster, forward, http
from harness import wait_until

GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def ask(proxy):
    client = proxy.client()
    client.send(GET)
    return client.response()


def info(proxy):
    return json.loads(proxy.get_admin("/server_info").body)


def levels(proxy):
    return dict(re.findall(r"^  (\w+): (\w+)$", proxy.get_admin("/logging", "POST").body.decode(), re.M))


def test_the_node(start, upstream):
    flags = ["--service-cluster", "c", "--service-node", "n", "--service-zone", "z"]
    node = info(start(http(clusters=[cluster("app", upstream().port)]), arguments=flags))["node"]
    assert (node["cluster"], node["id"], node["locality"]["zone"]) == ("c", "n", "z")


def test_log_levels(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]), arguments=["-l", "warning", "--component-log-level", "main:debug,http:trace"])
    found = levels(proxy)
    assert (found["main"], found["http"]) == ("debug", "trace")
    assert {level for name, level in found.items() if name not in ("main", "http")} == {"warning"}
    # Nothing but what was asked for is written.
    assert not [line for line in proxy.log_text().splitlines() if "[info]" in line and "[main]" not in line]


def test_tags_on_everything(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]), arguments=["--stats-tag", "region:eu", "--stats-tag", "pod:p-1"])
    assert ask(proxy).status == 200
    samples = [line for line in proxy.get_admin("/stats/prometheus").body.decode().splitlines() if not line.startswith("#")]
    assert len(samples) > 100
    without = [line for line in samples if 'region="eu"' not in line or 'pod="p-1"' not in line]
    assert not without, without[:3]


def test_options_are_shown(start, upstream):
    flags = ["--drain-time-s", "7", "--drain-strategy", "immediate", "--parent-shutdown-time-s", "11", "--file-flush-interval-msec", "50"]
    options = info(start(http(clusters=[cluster("app", upstream().port)]), arguments=flags))["command_line_options"]
    assert (options["drain_time"], options["drain_strategy"], options["parent_shutdown_time"]) == ("7s", "Immediate", "11s")
    assert options["file_flush_interval"] == "0.050s"



@pytest.mark.parametrize("count", ["1", "3"])
def test_one_thread_for_each_worker(start, upstream, count):
    proxy = start(http(clusters=[cluster("app", upstream().port)]), arguments=["--concurrency", count])
    names = [(task / "comm").read_text().strip() for task in pathlib.Path(f"/proc/{proxy.process.pid}/task").iterdir()]
    assert sum("worker" in name or "wrk" in name for name in names) == int(count), names


@pytest.mark.parametrize("flags, least", [(["--file-flush-min-size-kb", "1"], 1024), (["--file-flush-interval-msec", "30"], 1)])
def test_when_files_are_written(start, upstream, tmp_path, flags, least):
    """By size, long before the ten seconds are over; or by time."""
    path = tmp_path / "log"
    log = {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(path), "log_format": {
        "text_format_source": {"inline_string": "x" * 200 + "\n"}}}}
    proxy = start(http(clusters=[cluster("app", upstream().port)], access_log=[log]), arguments=flags)
    client = proxy.client()
    for _ in range(1 if least == 1 else 8):
        client.send(GET)
        assert client.response().status == 200
    wait_until(lambda: path.exists() and path.stat().st_size >= least, "lines in the file", timeout=5)


def test_one_file_over_another(start, upstream):
    server = upstream()
    overlay = {"node": {"id": "over"}, "static_resources": {"clusters": [cluster("second", server.port)]}}
    proxy = start(http([forward("/second", to="second"), forward()], clusters=[cluster("app", server.port)]),
                  arguments=["--config-yaml", json.dumps(overlay)])
    assert info(proxy)["node"]["id"] == "over"
    client = proxy.client()
    client.send(GET.replace(" / ", " /second "))
    assert client.response().status == 200
    assert proxy.stat("cluster.second.upstream_rq_200") == 1


def test_help_is_worth_reading():
    import os
    for subcommand in ([], ["validate"], ["wait"], ["redirect"], ["sidecar"], ["demo"], ["certs"]):
        done = subprocess.run([os.environ["OUTRIDER"], *subcommand, "--help"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0 and len(done.stdout) > 300, subcommand
