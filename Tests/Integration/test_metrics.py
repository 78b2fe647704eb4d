"""Stats and the Prometheus page: what a scrape gets, and that Prometheus' own tools have nothing to complain of."""
import contextlib
import json
import re
import shutil
import subprocess

import pytest
from bootstrap import DOWNSTREAM_TLS, UPSTREAM_TLS, bootstrap, cluster, forward, http, listener, manager, tcp_proxy
from harness import connect, serve, response, wait_until
from pki import Authority, client_context
from prometheus_client.parser import text_string_to_metric_families

LISTENER = re.compile(r"^listener\.127\.0\.0\.1_\d+\.")


def served(start, upstream, **settings):
    """A proxy that has answered 200 twice and 404 once, with everything flushed."""
    app = upstream(serve(lambda request: response(404 if request.path == "/missing" else 200, b"hello")))
    full = bootstrap(
        [listener(manager([forward()])), listener(tcp_proxy(), name="second", stat_prefix="named")],
        [cluster("app", app.port)], stats_flush_interval="0.2s", **settings)
    proxy = start(full)
    client = proxy.client()
    for path in ("/", "/again", "/missing"):
        client.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
        assert client.response().body == b"hello"
    proxy.wait_stat("http.ingress.downstream_rq_completed", 3)
    wait_until(lambda: "http.ingress.downstream_rq_time: P0(" in text(proxy, "/stats?filter=ingress.downstream_rq_time"),
               "histograms are flushed")
    return proxy


def text(proxy, path="/stats/prometheus"):
    answer = proxy.get_admin(path)
    assert answer.status == 200, answer.body
    return answer.body.decode()


def samples(page):
    """{(name, labels without the address): value}. The page has to parse; names are read as they stand, because the
    parser calls every counter `..._total`."""
    parsed = sum(len(family.samples) for family in text_string_to_metric_families(page))
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    assert parsed == len(lines)
    found = {}
    for line in lines:
        name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()
        pairs = [pair for pair in re.findall(r'(\w+)="([^"]*)"', labels) if pair[0] != "envoy_listener_address"]
        found[(name, tuple(sorted(pairs)))] = float(value)
    return found


def test_prometheus_parses_and_names_are_envoys(start, upstream):
    page = text(served(start, upstream))
    found = samples(page)
    app = ("envoy_cluster_name", "app")
    ingress = ("envoy_http_conn_manager_prefix", "ingress")
    for key, value in {
        ("envoy_cluster_upstream_rq", (app, ("envoy_response_code", "200"))): 2,
        ("envoy_cluster_upstream_rq", (app, ("envoy_response_code", "404"))): 1,
        ("envoy_cluster_upstream_rq_xx", (app, ("envoy_response_code_class", "2"))): 2,
        ("envoy_cluster_upstream_rq_completed", (app,)): 3,
        ("envoy_cluster_upstream_rq_time_count", (app,)): 3,
        ("envoy_cluster_upstream_cx_total", (app,)): 1,
        ("envoy_cluster_upstream_cx_active", (app,)): 1,
        ("envoy_cluster_circuit_breakers_default_rq_open", (app,)): 0,
        ("envoy_cluster_membership_healthy", (app,)): 1,
        ("envoy_http_downstream_rq_xx", (ingress, ("envoy_response_code_class", "4"))): 1,
        ("envoy_http_downstream_rq_total", (ingress,)): 3,
        ("envoy_listener_http_downstream_rq_xx", (ingress, ("envoy_response_code_class", "2"))): 2,
        ("envoy_tcp_downstream_cx_total", (("envoy_tcp_prefix", "tcp"),)): 0,
        ("envoy_server_live", ()): 1,
        ("envoy_server_state", ()): 0,
        ("envoy_server_concurrency", ()): 1,
        ("envoy_listener_manager_workers_started", ()): 1,
        ("envoy_cluster_manager_active_clusters", ()): 1,
    }.items():
        assert found.get(key) == value, key
    assert "envoy_listener_admin_downstream_cx_total{} " in page
    assert 'envoy_listener_downstream_cx_total{envoy_listener_address="named"} 0\n' in page
    assert re.search(r'\nenvoy_listener_downstream_cx_total\{envoy_listener_address="127\.0\.0\.1_\d+"\} 1\n', page)
    assert re.search(r'\nenvoy_listener_worker_downstream_cx_total\{envoy_worker_id="0",envoy_listener_address="127', page)


def test_prometheus_page_is_well_formed(start, upstream):
    proxy = served(start, upstream)
    answer = proxy.get_admin("/stats/prometheus")
    assert answer.get("content-type").startswith("text/plain")
    page = answer.body.decode()
    types, seen, current = {}, set(), None
    order = []
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, current, kind = line.split()
            assert current not in types, f"{current} stands twice"
            types[current] = kind
            order.append((["counter", "gauge", "histogram"].index(kind), current))
            continue
        assert re.fullmatch(r'[a-zA-Z_][a-zA-Z0-9_]*\{([a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*)?\} \S+', line), line
        series = line.rsplit(" ", 1)[0]
        assert series not in seen, f"{series} stands twice"
        seen.add(series)
        name = series.split("{")[0]
        assert name == current or types[current] == "histogram" and name.rsplit("_", 1)[0] == current, line
    assert [kind for kind, _ in order] == sorted(kind for kind, _ in order)
    assert page.endswith("\n") and "# HELP" not in page


def test_histograms_are_cumulative(start, upstream):
    families = {family.name: family for family in text_string_to_metric_families(text(served(start, upstream)))}
    family = families["envoy_http_downstream_rq_time"]
    assert family.type == "histogram"
    ingress = [one for one in family.samples if one.labels["envoy_http_conn_manager_prefix"] == "ingress"]
    buckets = [(one.labels["le"], one.value) for one in ingress if one.name.endswith("_bucket")]
    assert [bound for bound, _ in buckets] == [
        "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "30000", "60000",
        "300000", "600000", "1800000", "3600000", "+Inf"]
    values = [value for _, value in buckets]
    assert values == sorted(values)
    count = next(one.value for one in ingress if one.name.endswith("_count"))
    assert values[-1] == count == 3


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool")
def test_promtool_finds_no_error(start, upstream):
    page = text(served(start, upstream))
    result = subprocess.run(["promtool", "check", "metrics"], input=page, text=True, capture_output=True)
    # It calls Envoy's names bad style (no HELP, counters without _total); what it must not find is an error.
    complaints = [line for line in result.stderr.splitlines() if line]
    style = re.compile(r"no help text|counter metrics should have|non-counter metrics should not have|non-histogram and|"
                       r"metric names should not contain|use base unit|should be written in")
    assert result.returncode in (0, 3), result.stderr
    assert [line for line in complaints if not style.search(line)] == []


def test_usedonly_and_filter(start, upstream):
    proxy = served(start, upstream)
    whole, used = samples(text(proxy)), samples(text(proxy, "/stats/prometheus?usedonly"))
    assert set(used) < set(whole)
    assert ("envoy_cluster_upstream_rq_retry", (("envoy_cluster_name", "app"),)) in set(whole) - set(used)
    page = text(proxy, "/stats/prometheus?filter=app.upstream_rq_200$")
    assert page == ('# TYPE envoy_cluster_upstream_rq counter\n'
                    'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="app"} 2\n')
    assert page == text(proxy, "/stats?format=prometheus&filter=app.upstream_rq_200$")


def test_text_and_json_agree(start, upstream):
    proxy = served(start, upstream)
    lines = dict(line.split(": ", 1) for line in text(proxy, "/stats?filter=^cluster").splitlines())
    entries = json.loads(text(proxy, "/stats?format=json&filter=^cluster"))["stats"]
    values = {one["name"]: str(one["value"]) for one in entries if "name" in one}
    histograms = entries[-1]["histograms"]
    names = {one["name"] for one in entries if "name" in one}
    assert {name: value for name, value in lines.items() if name in names} == values
    computed = {value.get("name") for value in histograms["computed_quantiles"]}
    assert histograms["supported_quantiles"] == [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]
    assert set(lines) - set(values) == computed
    assert re.match(r"P0\((nan|[\d.]+),[\d.]+\) P25\(", lines["cluster.app.upstream_cx_connect_ms"])
    assert list(values) == sorted(values)


def test_wrong_parameters_are_refused(start):
    proxy = start(http(clusters=[cluster("app", 1)]))
    for path, body in {
        "/stats?filter=(": "Invalid re2 regex: missing ): (",
        "/stats?type=foo": "invalid &type= param",
        "/stats?format=xx": "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n",
        "/stats?histogram_buckets=foo":
            "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n",
        "/stats?hidden=foo": "usage: /stats?hidden=(include|only|exclude)\n\n",
        "/stats/prometheus?histogram_buckets=disjoint": "unsupported prometheus histogram bucket mode",
    }.items():
        answer = proxy.get_admin(path)
        assert (answer.status, answer.body.decode()) == (400, body), path


def test_types_and_formats(start):
    proxy = start(http(clusters=[cluster("app", 1)]))
    assert text(proxy, "/stats?type=Gauges&filter=^server.live") == "server.live: 1\n"
    assert text(proxy, "/stats?type=Counters&filter=^server.live") == ""
    assert text(proxy, "/stats?type=&filter=^server.live&histogram_buckets=") == "server.live: 1\n"
    assert text(proxy, "/stats?filter=^server.live&format=json") == '{"stats":[{"name":"server.live","value":1}]}'
    assert "server.live" not in text(proxy, "/stats?filter=^server.live&invert_filter")
    page = text(proxy, "/stats?format=html&filter=^server.live")
    assert "<form" in page and "server.live: 1" in page


def test_stats_matcher_tags_and_buckets(start, upstream):
    proxy = served(
        start, upstream,
        stats_config={
            "stats_matcher": {"exclusion_list": {"patterns": [{"prefix": "cluster_manager."}, {"suffix": "rq_3xx"}]}},
            "stats_tags": [{"tag_name": "zone", "fixed_value": "z1"}],
            "histogram_bucket_settings": [{"match": {"suffix": "downstream_rq_time"}, "buckets": [1, 100000]}],
        })
    page = text(proxy)
    assert "envoy_cluster_manager_" not in page and not proxy.stats("rq_3xx$")
    assert 'zone="z1"' in page
    bounds = re.findall(r'envoy_http_downstream_rq_time_bucket\{[^}]*conn_manager_prefix="ingress"[^}]*le="([^"]*)"', page)
    assert bounds == ["1", "100000", "+Inf"]


def test_a_slow_reader_of_a_long_page_costs_little(start):
    """Thousands of stats, read slowly by many."""
    clusters = [cluster(f"cluster-with-a-long-name-{number:04}", 1) for number in range(300)]
    proxy = start(http([forward(to="cluster-with-a-long-name-0000")], clusters))
    size = len(text(proxy))
    assert size > 2_000_000
    before = proxy.memory()
    peers = []
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            peer = stack.enter_context(contextlib.closing(connect(proxy.admin)))
            peer.send("GET /stats/prometheus HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            peers.append(peer)
        for peer in peers:
            peer.until(b"\r\n\r\n")
        assert proxy.get_admin("/ready").status == 200
        # One page for each reader, and the buffers of its connection; never a second copy.
        assert proxy.memory() - before < 8 * size + (32 << 20)
        for peer in peers:
            assert abs(len(peer.rest()) - size) < size // 10


def compare(ours, theirs):
    """Names of families that one of two pages lacks."""
    types = lambda page: dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.M))
    one, other = types(ours), types(theirs)
    return {name for name in one if other.get(name) != one[name]}, {name for name in other if one.get(name) != other[name]}


# Families of subsystems that Outrider does not have, or only where they are asked for: watchdogs, lazy clusters, matching
# hosts to transport sockets, the overload manager.
ELSEWHERE = re.compile(
    r"envoy_(cluster_default_total_match_count|(envoy_)?overload_\w+|\w*watchdog_\w+|thread_local_cluster_manager_\w+)")


def test_families_are_envoys(start, start_envoy, upstream):
    page = text(served(start, upstream))
    theirs = text(served(start_envoy, upstream))
    extra, missing = compare(page, theirs)
    assert sorted(name for name in missing if not ELSEWHERE.fullmatch(name)) == []
    # What Outrider counts beyond Envoy is its own, and little.
    assert len(extra) < 12, sorted(extra)


@pytest.fixture
def mutual(tmp_path, upstream):
    """A listener and a cluster with mutual TLS and their client; the upstream answers over TLS too."""
    authority = Authority(tmp_path)
    server, client = authority.leaf("server", dns=["localhost"]), authority.leaf("client", dns=["client"])
    trusted = {"trusted_ca": {"filename": str(authority.path)}}
    downstream = {"@type": DOWNSTREAM_TLS, "require_client_certificate": True, "common_tls_context": {
        "tls_certificates": [server.config], "validation_context": trusted}}
    up = {"@type": UPSTREAM_TLS, "sni": "localhost", "common_tls_context": {
        "tls_certificates": [client.config], "validation_context": trusted}}
    app = upstream(serve(lambda _request: response(body=b"hello")), server.server_context(authority))
    config = bootstrap(
        [listener(manager([forward()]), chain={"transport_socket": {"name": "tls", "typed_config": downstream}},
                  stat_prefix="main")],
        [cluster("app", app.port, transport_socket={"name": "tls", "typed_config": up},
                 track_cluster_stats={"per_endpoint_stats": True})])
    return config, client_context(authority, client, check_hostname=False), app.port, server.certificate


def test_certificates_and_endpoints_have_gauges(start, mutual):
    config, tls, app, certificate = mutual
    proxy = start(config)
    client = proxy.client(tls=tls)
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert client.response().status == 200
    found = samples(text(proxy))
    name = ("envoy_cluster_name", "app")
    expires = int(certificate.not_valid_after_utc.timestamp())
    for kind in ("unnamed_cert_e3b0c442", "unnamed_ca_cert_e3b0c442"):
        value = found[("envoy_cluster_ssl_certificate_expiration_unix_time_seconds",
                       (name, ("envoy_tls_certificate", kind)))]
        assert abs(value - expires) < 60
        assert ("envoy_listener_ssl_certificate_expiration_unix_time_seconds", (("envoy_tls_certificate", kind),)) in found
    assert found[("envoy_server_days_until_first_cert_expiring", ())] in (29, 30)
    endpoint = (name, ("envoy_endpoint_address", f"127.0.0.1:{app}"))
    assert found[("envoy_cluster_endpoint_rq_success", endpoint)] == 1
    assert found[("envoy_cluster_endpoint_healthy", endpoint)] == 1
    assert found[("envoy_server_total_connections", ())] == 1
    client.close()
    proxy.wait_stat("server.total_connections", 0)


def test_without_certificates_none_expires(start):
    proxy = start(http(clusters=[cluster("app", 1)]))
    assert proxy.stat("server.days_until_first_cert_expiring") == 2**32 - 1


def test_accepted_connections_are_counted_by_event(start, upstream):
    config = bootstrap(
        [listener(manager([forward()]), stat_prefix="main", max_connections_to_accept_per_socket_event=1)],
        [cluster("app", upstream().port)], stats_flush_interval="0.1s")
    proxy = start(config)
    clients = [proxy.client() for _ in range(5)]
    proxy.wait_stat("listener.main.downstream_cx_active", 5)
    family = "envoy_listener_connections_accepted_per_socket_event"
    wait_until(lambda: samples(text(proxy)).get((family + "_count", ())) == 5, "five events of one connection each")
    assert 5 <= samples(text(proxy))[(family + "_sum", ())] < 6  # bins have a width
    for client in clients:
        client.close()
