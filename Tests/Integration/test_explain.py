"""`outrider explain`: what became of a request or a connection is told by its id, and what failed without one."""
import contextlib
import json
import os
import subprocess

import pytest
from bootstrap import bootstrap, cluster, forward, http, listener, manager, tcp_proxy
from filters import ROUTER, network_rbac, policy, rbac, rules
from harness import connect, free_port, response, serve, wait_until
from pki import client_context
from test_tls import downstream, refused, upstream_tls


def explain(proxy, *arguments):
    done = subprocess.run(
        [os.environ["OUTRIDER"], "explain", "--admin", f"127.0.0.1:{proxy.admin}", *arguments],
        capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def records(proxy, query=""):
    """What the admin port tells programs, the newest first."""
    answer = proxy.get_admin(f"/explain?format=json{query}")
    return [] if answer.status == 404 else json.loads(answer.body)["records"]


def only(proxy, query=""):
    """The one record that there is in the end: a stream may end after its client has its answer."""
    return wait_until(lambda: records(proxy, query), "a record")[0]


def ask(proxy, path="/", request_id="one", fields="", method="GET"):
    with contextlib.closing(proxy.client()) as client:
        client.send(f"{method} {path} HTTP/1.1\r\nhost: shop.test\r\nx-request-id: {request_id}\r\n{fields}\r\n")
        return client.response()


def test_a_host_that_is_not_there(start):
    port = free_port()
    proxy = start(http([{"name": "api", **forward(retry_policy={"retry_on": "connect-failure", "num_retries": 2})}],
                       [cluster("app", port)]))
    assert ask(proxy, "/a?b=c").status == 503
    wait_until(lambda: records(proxy), "a record")
    code, text, _ = explain(proxy, "one")
    assert code == 0
    for words in ["503 for GET shop.test/a?b=c, at ", "one, HTTP/1.1, on connection ", "listener 'main'",
                  "route 'api' of virtual host 'all', cluster 'app'", "UF (UpstreamConnectionFailure): no connection",
                  "URX (UpstreamRetryLimitExceeded)", "answer      of this proxy: upstream connect error",
                  f"1. 127.0.0.1:{port}: remote connection failure", f"3. 127.0.0.1:{port}: remote connection failure",
                  "route 'api' timeout: 15s", "stream_idle_timeout: 300s", "cluster 'app' connect_timeout: 2s"]:
        assert words in text, (words, text)
    record = only(proxy)
    assert record["failure"] and record["response_flags"] == ["URX", "UF"] and record["try_count"] == 3
    assert [one["host"] for one in record["tries"]] == [f"127.0.0.1:{port}"] * 3
    assert proxy.stat("explain.recorded") == 1 and proxy.stat("explain.overwritten") == 0


def test_a_timeout_names_the_setting_and_its_value(start, upstream):
    app = upstream(lambda peer, _: (peer.request(), peer.fill()))
    proxy = start(http([{"name": "slow", **forward(timeout="0.05s")}], [cluster("app", app.port)]))
    assert ask(proxy).status == 504
    record = only(proxy)
    assert record["decided_by"] == "route 'slow' timeout 50ms" and record["response_flags"] == ["UT"]
    assert record["tries"][0]["end"] == "the route's timeout" and record["tries"][0]["connection_id"] > 0
    assert record["reply"] == "upstream request timeout: route 'slow' timeout 50ms"
    assert {"setting": "route 'slow' timeout", "value_ns": 50_000_000} in record["limits"]


def test_a_retry_that_helps_is_told_too(start, upstream):
    def script(peer, _number):
        while request := peer.request():
            peer.send(response(200 if len(app.requests) > 1 else 502, b"x"))

    app = upstream(script)
    proxy = start(http([forward(retry_policy={"retry_on": "5xx"})], [cluster("app", app.port)]))
    assert ask(proxy).status == 200
    record = only(proxy, "&failed")
    assert [one["end"] for one in record["tries"]] == ["answered 502", "answered 200"]
    assert record["response_code"] == 200 and "reply" not in record and record["bytes_sent"] == 1


def test_a_connection_that_was_replaced(start, upstream):
    def script(peer, number):
        peer.request()
        peer.send(response(body=b"1"))
        if number == 1:
            peer.request()
            peer.close()

    app = upstream(script)
    proxy = start(http(clusters=[cluster("app", app.port)]))
    assert ask(proxy, request_id="first").status == 200
    assert ask(proxy, request_id="second").status == 200
    record = only(proxy, "&id=second")
    assert record["failure"] and [one["end"] for one in record["tries"]] == ["connection termination", "answered 200"]


def test_what_the_upstream_itself_answers(start, upstream):
    app = upstream(serve(lambda request: response(500 if request.path == "/bad" else 200, b"no")))
    proxy = start(http(clusters=[cluster("app", app.port)]))
    assert ask(proxy, "/bad", "bad").status == 500 and ask(proxy, "/good", "good").status == 200
    bad, good = only(proxy, "&id=bad"), only(proxy, "&id=good")
    assert bad["failure"] and bad["response_code_details"] == "via_upstream" and "reply" not in bad
    assert bad["tries"][0]["end"] == "answered 500"
    assert not good["failure"] and good["tries"][0]["end"] == "answered 200"
    # Without an id the command tells of failures, unless it is asked for all.
    assert "500 for GET" in explain(proxy)[1] and "200 for GET" not in explain(proxy)[1]
    assert explain(proxy, "--all")[1].count(" for GET ") == 2
    assert explain(proxy, "--all", "--last", "1")[1].startswith("200 for GET")
    assert json.loads(explain(proxy, "--json")[1])["records"][0]["request_id"] == "bad"


def test_nothing_to_forward_to(start):
    routes = [forward("/none", to="empty"), {"match": {"prefix": "/direct"}, "direct_response": {"status": 403}}]
    proxy = start(http(routes, [cluster("empty")]))
    assert [ask(proxy, path, path[1:]).status for path in ("/none", "/nowhere", "/direct")] == [503, 404, 403]
    none, nowhere = only(proxy, "&id=none"), only(proxy, "&id=nowhere")
    assert none["response_flags"] == ["UH"] and none["tries"] == [{"host": "-", "took_ns": none["tries"][0]["took_ns"],
                                                                  "end": "no healthy host"}]
    assert nowhere["response_flags"] == ["NR"] and "cluster" not in nowhere
    # What a route itself answers is no failure.
    assert not only(proxy, "&id=direct")["failure"]


def test_the_log_and_rbac_lead_to_it(start, upstream, ca):
    server, client = ca.leaf("server", dns=["localhost"]), ca.leaf("client", uri=["spiffe://test/client"])
    nobody = policy(principals=[{"authenticated": {"principal_name": {"exact": "x"}}}])
    config = http([forward()], [cluster("app", upstream().port)], http_filters=[rbac(rules=rules(nobody=nobody)), ROUTER])
    config["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"] = downstream(server, ca, True)
    proxy = start(config)
    with contextlib.closing(proxy.client(tls=client_context(ca, client), server_name="localhost")) as peer:
        peer.send("GET /secret HTTP/1.1\r\nhost: a\r\nx-request-id: who-1\r\n\r\n")
        assert peer.response().status == 403
    assert "; outrider explain who-1" in proxy.log_text()
    record = only(proxy, "&id=who-1")
    assert record["client_certificate"] == "spiffe://test/client" and record["client_tls"] == "TLSv1.3"
    assert record["server_name"] == "localhost" and record["reply"] == "RBAC: access denied"
    assert record["response_code_details"] == "rbac_access_denied_matched_policy[none]"


def test_the_upstreams_certificate(start, upstream, ca, other_ca):
    server = ca.leaf("server", uri=["spiffe://test/app"], dns=["app.test"])
    app = upstream(serve(lambda _: response(500)), tls=server.server_context())
    clusters = [cluster("app", app.port, **upstream_tls(ca, sni="app.test")),
                cluster("wrong", app.port, **upstream_tls(other_ca, sni="app.test"))]
    proxy = start(http([forward("/wrong", to="wrong"), forward()], clusters))
    assert ask(proxy, "/", "right").status == 500 and ask(proxy, "/wrong", "wrong").status == 503
    right, wrong = only(proxy, "&id=right"), only(proxy, "&id=wrong")
    assert right["upstream_certificate"] == "spiffe://test/app" and right["upstream_server_name"] == "app.test"
    assert "certificate" in wrong["tries"][0]["detail"].lower()


def test_tls_clients_that_are_not_let_in(start, ca):
    server = ca.leaf("server", dns=["localhost"])
    chain = {"transport_socket": downstream(server, ca, True)}
    proxy = start(bootstrap([listener(tcp_proxy(), chain=chain)], [cluster("app", free_port())]))
    assert refused(proxy, client_context(ca))
    record = only(proxy, "&failed")
    assert record["kind"] == "connection" and record["listener"] == "main"
    assert "certificate" in record["transport_failure"]
    code, text, _ = explain(proxy, str(record["connection_id"]))
    assert code == 0 and text.startswith("connection of 127.0.0.1:") and "failed, or was cut off" in text


def test_tcp_connections(start, upstream):
    port = free_port()
    app = upstream(lambda peer, _: peer.send(b"hi"))
    refusing = listener(tcp_proxy("app"), "denied")
    refusing["filter_chains"][0]["filters"].insert(0, network_rbac(rules=rules("DENY", all=policy())))
    proxy = start(bootstrap(
        [listener(tcp_proxy("gone", max_connect_attempts=2), "gone"), listener(tcp_proxy("empty"), "empty"),
         listener(tcp_proxy("app"), "good"), refusing],
        [cluster("gone", port), cluster("empty"), cluster("app", app.port)]))
    for name in ("gone", "empty", "good", "denied"):
        with contextlib.closing(proxy.client(name)) as client:
            assert client.rest() == (b"hi" if name == "good" else b"")
        wait_until(lambda: any(one["listener"] == name for one in records(proxy)), name)
    found = {one["listener"]: one for one in records(proxy)}
    assert found["gone"]["response_flags"] == ["URX", "UF"] and len(found["gone"]["tries"]) == 2
    assert found["gone"]["cluster"] == "gone" and found["gone"]["tries"][0]["end"] == "remote connection failure"
    assert found["empty"]["response_flags"] == ["UH"]
    assert not found["good"]["failure"] and found["good"]["bytes_sent"] == 2
    assert found["denied"]["failure"] and "it was refused by the rules" in found["denied"]["decided_by"]
    assert found["denied"]["close_reason"] == "rbac_deny_close"


def test_an_idle_tcp_connection_names_its_timeout(start, upstream):
    app = upstream(lambda peer, _: peer.fill())
    proxy = start(bootstrap([listener(tcp_proxy(idle_timeout="0.05s"))], [cluster("app", app.port)]))
    with contextlib.closing(proxy.client()) as client:
        assert client.rest() == b""
    record = only(proxy)
    assert record["decided_by"] == "idle_timeout 50ms" and record["connection_termination_details"] == "idle_timeout"


def test_clients_that_go_away_and_messages_that_are_none(start, upstream):
    app = upstream(lambda peer, _: (peer.request(), peer.fill()))
    proxy = start(http(clusters=[cluster("app", app.port)]))
    with contextlib.closing(proxy.client()) as client:
        client.send("GET /left HTTP/1.1\r\nhost: a\r\nx-request-id: left\r\n\r\n")
        wait_until(lambda: app.requests, "the request")
    assert only(proxy, "&id=left")["response_flags"] == ["DC"]
    with contextlib.closing(proxy.client()) as client:
        client.send("GET / HTTP/1.1\r\nhost: a\r\nbad\x1b[2Jname: b\r\n\r\n")
        assert client.response().status == 400
    broken = wait_until(lambda: [one for one in records(proxy) if "DPE" in one.get("response_flags", [])], "DPE")[0]
    assert broken["response_code"] == 400
    # What clients send cannot move a terminal's cursor.
    assert "\x1b" not in explain(proxy)[1]


def test_it_is_bounded(start):
    keys = {"outrider.explain.max_kib": 64, "outrider.explain.others_per_second": 0}
    runtime = {"layered_runtime": {"layers": [{"name": "s", "static_layer": keys}]}}
    routes = [forward("/none", to="empty"), {"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
    proxy = start({**http(routes, [cluster("empty")]), **runtime})
    with contextlib.closing(proxy.client()) as client:
        client.send("GET /good HTTP/1.1\r\nhost: a\r\nx-request-id: good\r\n\r\n")
        assert client.response().status == 200
        for number in range(300):
            client.send(f"GET /none{'x' * 400} HTTP/1.1\r\nhost: a\r\nx-request-id: n{number}\r\n\r\n")
            assert client.response().status == 503
    wait_until(lambda: proxy.stat("explain.recorded") == 300, "300 records")
    left = records(proxy, "&last=1000")
    assert 10 < len(left) < 300 and left[0]["request_id"] == "n299"
    assert len(left) + proxy.stat("explain.overwritten") == 300
    code, _, error = explain(proxy, "good")
    assert code == 1 and "answered 404: no request with the x-request-id" in error
    assert "outrider.explain.max_kib" in proxy.get_admin("/explain?id=good").body.decode()


def test_it_can_be_off(start):
    keys = {"outrider.explain.max_kib": 0}
    proxy = start({**http([forward(to="empty")], [cluster("empty")]),
                   "layered_runtime": {"layers": [{"name": "s", "static_layer": keys}]}})
    assert ask(proxy).status == 503
    assert b"outrider.explain.max_kib is 0" in proxy.get_admin("/explain").body
    assert "explain.recorded" not in proxy.stats()


def test_nobody_answers():
    port = free_port()
    done = subprocess.run([os.environ["OUTRIDER"], "explain", "--admin", f"127.0.0.1:{port}"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == "" and "refused" in done.stderr and "--admin" in done.stderr


@pytest.mark.parametrize("query", ["last=0", "last=x", "last=1001", "format=xml"])
def test_what_cannot_be_asked(start, query):
    proxy = start(http([forward(to="empty")], [cluster("empty")]))
    assert proxy.get_admin(f"/explain?{query}").status == 400


def test_a_unix_socket(start, tmp_path):
    config = http([forward(to="empty")], [cluster("empty")])
    path = tmp_path / "admin.sock"
    config["admin"] = {"address": {"pipe": {"path": str(path)}}}
    start(config, wait=False)
    wait_until(path.exists, "the socket")
    done = subprocess.run([os.environ["OUTRIDER"], "explain", "--admin", str(path)], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("nothing that went wrong is recorded.")
