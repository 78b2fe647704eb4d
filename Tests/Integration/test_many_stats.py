"""Many metrics: a scrape in pieces, compressed for whom takes that, and a limit on their number."""
import contextlib
import gzip

from bootstrap import bootstrap, cluster
from harness import connect, wait_until


def ask(proxy, path, *fields):
    """The answer with its head fields, whatever its framing."""
    with contextlib.closing(connect(proxy.admin)) as peer:
        peer.send("\r\n".join([f"GET {path} HTTP/1.1", "host: admin", "connection: close", *fields]) + "\r\n\r\n")
        return peer.response()


def many(count, **settings):
    return bootstrap([], [cluster(f"cluster-{number}", 1) for number in range(count)], **settings)


def samples(page):
    """Without values that move by themselves."""
    return [line.split(b" ")[0] for line in page.splitlines()]


def test_a_scrape_is_compressed_for_whom_takes_that(start):
    proxy = start(many(40))
    plain = ask(proxy, "/stats/prometheus")
    packed = ask(proxy, "/stats/prometheus", "accept-encoding: gzip")
    assert plain.get("content-encoding") is None and packed.get("content-encoding") == "gzip"
    assert plain.get("vary") == packed.get("vary") == "accept-encoding"
    assert plain.get("content-length") is None and plain.get("transfer-encoding") == "chunked"
    page = gzip.decompress(packed.body)
    assert samples(page) == samples(plain.body) and len(packed.body) * 10 < len(page)
    assert page.count(b"envoy_cluster_name=\"cluster-39\"") > 50
    for path in ("/stats", "/stats?format=json", "/stats?format=html", "/clusters", "/config_dump", "/help"):
        assert gzip.decompress(ask(proxy, path, "accept-encoding: gzip").body)[:9] == ask(proxy, path).body[:9], path


def test_others_are_served_while_a_page_is_read(start):
    proxy = start(many(300))
    with contextlib.closing(connect(proxy.admin)) as slow:
        slow.send("GET /stats/prometheus HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")
        assert ask(proxy, "/ready").status == 200
        page = slow.response()
    assert page.status == 200 and page.body.count(b'envoy_cluster_name="cluster-299"') > 50
    # HTTP/1.0 has no pieces: the end of the connection is the page's.
    with contextlib.closing(connect(proxy.admin)) as old:
        old.send("GET /stats/prometheus HTTP/1.0\r\n\r\n")
        assert old.response().body.count(b"\n") == page.body.count(b"\n")


def test_their_number_has_a_limit(start, upstream):
    limit = {"layered_runtime": {"layers": [{"name": "s", "static_layer": {"outrider.stats.max_series": 500}}]}}
    proxy = start(many(40, **limit))
    wait_until(lambda: proxy.stat("stats.overflow") > 1000, "the overflow is counted")
    lines = ask(proxy, "/stats").body.splitlines()
    assert len(lines) == 500
    line = "outrider.stats.max_series (500)"
    assert proxy.log_text().count(line) == 1
