"""Who may do what by the admin port: a port for stats alone, changes by token or user, a Unix socket with its mode."""
import contextlib
import os
import re
import socket
import stat

import pytest
from bootstrap import bootstrap, cluster, http
from harness import Peer, connect, wait_until


def with_keys(config, **keys):
    layer = {f"outrider.admin.{key}": value for key, value in keys.items()}
    return {**config, "layered_runtime": {"layers": [{"name": "s", "static_layer": layer}]}}


def stats_port(proxy):
    return int(re.search(r"stats are on 127\.0\.0\.1:(\d+)", proxy.log_text())[1])


def ask(peer, method, path, *fields):
    with contextlib.closing(peer):
        peer.send("\r\n".join([f"{method} {path} HTTP/1.1", "host: a", "connection: close", "content-length: 0", *fields])
                  + "\r\n\r\n")
        return peer.response()


def unix(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    return Peer(sock)


def test_a_port_for_stats_alone(start):
    proxy = start(with_keys(bootstrap([], [cluster("app", 1)]), stats_address="127.0.0.1:0"))
    port = stats_port(proxy)
    assert ask(connect(port), "GET", "/ready").status == 200
    assert b"envoy_cluster_name=\"app\"" in ask(connect(port), "GET", "/stats/prometheus").body
    assert b"cluster.app." in ask(connect(port), "GET", "/stats").body
    for method, path in [("GET", "/config_dump"), ("GET", "/clusters"), ("GET", "/explain"), ("GET", "/"),
                         ("GET", "/server_info"), ("POST", "/quitquitquit"), ("POST", "/drain_listeners")]:
        assert ask(connect(port), method, path).status == 404, path
    assert proxy.get_admin("/config_dump").status == 200
    assert proxy.stat("listener.stats.downstream_cx_total") == 10 and proxy.stat("http.stats.downstream_rq_4xx") == 7


def test_it_needs_no_admin_port(start, tmp_path):
    path = tmp_path / "stats.sock"
    config = with_keys(bootstrap([], [cluster("app", 1)]), stats_address=str(path))
    del config["admin"]
    start(config)
    wait_until(lambda: path.exists() and ask(unix(path), "GET", "/ready").status == 200, "ready")


def test_changes_need_a_token(start, tmp_path):
    token = tmp_path / "token"
    token.write_text("one\n")
    proxy = start(with_keys(http(clusters=[cluster("app", 1)]), token_file=str(token)))
    refused = ask(connect(proxy.admin), "POST", "/quitquitquit")
    assert refused.status == 403 and b"outrider.admin.token_file" in refused.body
    assert ask(connect(proxy.admin), "POST", "/reopen_logs", "authorization: Bearer one").status == 200
    token.write_text("two")
    assert ask(connect(proxy.admin), "POST", "/reopen_logs", "authorization: Bearer one").status == 403
    assert ask(connect(proxy.admin), "POST", "/reopen_logs", "Authorization: bearer two").status == 200
    assert proxy.get_admin("/stats").status == 200 and proxy.stat("http.admin.rq_change_refused") == 2
    ask(connect(proxy.admin), "POST", "/quitquitquit", "authorization: Bearer two")
    assert proxy.process.wait(20) == 0


@pytest.mark.parametrize("mine", [True, False], ids=["the right user", "another user"])
def test_changes_by_user(start, tmp_path, mine):
    path = tmp_path / "admin.sock"
    config = with_keys(http(clusters=[cluster("app", 1)]), allowed_users=f"{os.getuid() if mine else 4_000_000}, 4000001")
    config["admin"] = {"address": {"pipe": {"path": str(path), "mode": 0o600}}}
    start(config, wait=False)
    wait_until(lambda: path.exists() and ask(unix(path), "GET", "/ready").status == 200, "ready")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    answer = ask(unix(path), "POST", "/reopen_logs")
    assert answer.status == (200 if mine else 403)


def test_nobody_by_tcp_is_a_user(start):
    proxy = start(with_keys(http(clusters=[cluster("app", 1)]), allowed_users=os.getuid()))
    assert ask(connect(proxy.admin), "POST", "/reopen_logs").status == 403
