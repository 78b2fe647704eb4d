"""Clusters of type ORIGINAL_DST: destinations come with the requests, are shown, and go when nobody uses them."""
import time

from bootstrap import http
from harness import response, serve

HEADER = "x-envoy-original-dst-host"


def original(name="app", **settings):
    return {"name": name, "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "2s", **settings}


def by_header(**settings):
    return original(original_dst_lb_config={"use_http_header": True}, **settings)


def ask(client, *destinations):
    fields = "".join(f"{HEADER}: {destination}\r\n" for destination in destinations)
    client.send(f"GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n")
    return client.response()


def test_the_header_names_the_host(start, upstream):
    one, two = upstream(), upstream(serve(lambda _request: response(body=b"two")))
    proxy = start(http(clusters=[by_header()]))
    client = proxy.client()
    for _ in range(2):
        assert ask(client, f"127.0.0.1:{one.port}").body == b"hello"
        assert ask(client, f"127.0.0.1:{two.port}", "nonsense").body == b"two"
    assert (one.connections, two.connections) == (1, 1)
    assert proxy.stat("cluster.app.membership_total") == proxy.stat("cluster.app.membership_healthy") == 2
    assert proxy.stat("cluster.app.membership_change") == 2
    page = proxy.get_admin("/clusters").body.decode()
    assert f"app::127.0.0.1:{one.port}::rq_success::2\n" in page
    assert f"app::127.0.0.1:{two.port}::cx_active::1\n" in page
    assert f"app::127.0.0.1:{two.port}::hostname::app127.0.0.1:{two.port}\n" in page


def test_no_destination_is_no_healthy_upstream(start, upstream):
    proxy = start(http(clusters=[by_header()]))
    client = proxy.client()
    bad = ["bad", "127.0.0.1", "localhost:80", f"127.0.0.1:{upstream().port},127.0.0.1:80", "::1:80"]
    for destinations in [[], *[[one] for one in bad], ["bad", f"127.0.0.1:{upstream().port}"]]:
        answer = ask(client, *destinations)
        assert (answer.status, answer.body) == (503, b"no healthy upstream")
    assert proxy.stat("cluster.app.original_dst_host_invalid") == len(bad) + 1
    assert proxy.stat("cluster.app.upstream_cx_none_healthy") == len(bad) + 2
    assert proxy.stat("cluster.app.membership_total") == 0


def test_a_port_of_the_clusters_own(start, upstream):
    config = {"use_http_header": True, "http_header_name": "x-where", "upstream_port_override": upstream().port}
    proxy = start(http(clusters=[original(original_dst_lb_config=config)]))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-where: 127.0.0.1:1\r\n\r\n")
    assert client.response().body == b"hello"


def test_unused_destinations_go(start, upstream):
    quick = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": "0.3s"},
        "explicit_http_config": {"http_protocol_options": {}}}}
    proxy = start(http(clusters=[by_header(cleanup_interval="0.1s", typed_extension_protocol_options=quick)]))
    client = proxy.client()
    assert ask(client, f"127.0.0.1:{upstream().port}").status == 200
    proxy.wait_stat("cluster.app.membership_total", 0)
    assert proxy.stat("cluster.app.membership_change") == 2
    proxy.wait_stat("cluster.app.upstream_cx_active", 0)


def test_a_destination_in_use_stays(start, upstream):
    def slow(peer, _number):
        peer.request()
        time.sleep(0.6)
        peer.send(response(body=b"late"))
        peer.closed()

    proxy = start(http(clusters=[by_header(cleanup_interval="0.05s")]))
    client = proxy.client()
    assert ask(client, f"127.0.0.1:{upstream(slow).port}").body == b"late"
    assert proxy.stat("cluster.app.membership_total") == 1


def test_connections_over_http2(start):
    """The pool speaks what the cluster says."""
    h2 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}}}}
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "by h2"}}}
    other = start(http([answer]))
    proxy = start(http(clusters=[by_header(typed_extension_protocol_options=h2)]))
    client = proxy.client()
    for _ in range(3):
        assert ask(client, f"127.0.0.1:{other.port('main')}").body == b"by h2"
    assert proxy.stat("cluster.app.upstream_cx_http2_total") == 1
    assert other.stat("http.ingress.downstream_cx_http2_total") == 1


# What Envoy does not do: its answer to the following is one request after the other, until something gives out.


def test_a_loop_by_header_is_refused(start):
    proxy = start(http(clusters=[by_header()]))
    answer = ask(proxy.client(), f"127.0.0.1:{proxy.port('main')}")
    assert answer.status == 503
    assert answer.body == b"no healthy upstream: the original destination is listener 'main' of this proxy"
    assert proxy.stat("cluster.app.original_dst_loop_refused") == 1
    assert proxy.stat("cluster.app.upstream_cx_total") == 0
    assert f"127.0.0.1:{proxy.port('main')} refused: the original destination is listener 'main'" in proxy.log_text()


def test_a_wildcard_listener_is_found_by_any_address(start):
    configuration = http(clusters=[by_header()])
    configuration["static_resources"]["listeners"][0]["address"]["socket_address"]["address"] = "0.0.0.0"
    proxy = start(configuration)
    for host in ["127.0.0.1", "127.8.7.6", "[::ffff:127.0.0.1]"]:
        assert ask(proxy.client(), f"{host}:{proxy.port('main')}").status == 503
    assert proxy.stat("cluster.app.original_dst_loop_refused") == 3


def test_the_number_of_destinations_is_bounded(start, upstream):
    layer = {"name": "s", "static_layer": {"outrider.upstream.max_original_dst_hosts": 2}}
    servers = [upstream() for _ in range(3)]
    proxy = start({**http(clusters=[by_header()]), "layered_runtime": {"layers": [layer]}})
    client = proxy.client()
    assert [ask(client, f"127.0.0.1:{server.port}").status for server in servers[:2]] == [200, 200]
    answer = ask(client, f"127.0.0.1:{servers[2].port}")
    assert (answer.status, answer.get("x-envoy-overloaded")) == (503, "true")
    assert b"outrider.upstream.max_original_dst_hosts 2" in answer.body
    assert proxy.stat("cluster.app.original_dst_host_overflow") == 1
    assert ask(client, f"127.0.0.1:{servers[0].port}").status == 200
