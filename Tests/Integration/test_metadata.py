"""Metadata of the configuration in access logs and headers, as Envoy has it."""
import contextlib
import json

from bootstrap import address, bootstrap, cluster, forward, listener, manager, tcp_proxy
from harness import response, serve
from test_access_log import QUICK, ask, lines, logger

VALUES = {"zeta": 1, "s": "text", "neg": -3, "b": True, "nul": None, "list": [1, "a", {"q": "w", "c": "d"}], "es": "",
          "st": {"y": {"z": "q"}, "x": 'a"bé'}, "a.b": "dot", "q": 'a"b\n'}
PATHS = ["n", "n:zeta", "n:s", "n:neg", "n:b", "n:nul", "n:list", "n:es", "n:st", "n:st:y", "n:st:y:z", "n:st:y:z:w", "n:list:0",
         "n:no", "n:a.b", "n:q", "no", "n:"]
OTHERS = ["METADATA(ROUTE)", "METADATA(ROUTE:n:s):2", "METADATA(VIRTUAL_HOST:v:x)", "METADATA(CLUSTER:c:k)", "CLUSTER_METADATA(c:k)",
          "CLUSTER_METADATA(c)", "METADATA(UPSTREAM_HOST:u:k)", "UPSTREAM_METADATA(u:k)", "UPSTREAM_METADATA(u)",
          "METADATA(LISTENER:l:a)", "METADATA(LISTENER_FILTER_CHAIN:f:a)", "METADATA(UPSTREAM_HOST:locality:a)"]
OPERATORS = [f"METADATA(ROUTE:{path})" for path in PATHS] + OTHERS


def metadata(**namespaces):
    return {"metadata": {"filter_metadata": namespaces}}


def described(to, port):
    """The cluster `to` and its endpoint, both with metadata."""
    assignment = {"cluster_name": to, "endpoints": [{
        **metadata(locality={"a": "b"}),
        "lb_endpoints": [{"endpoint": {"address": address(port)}, **metadata(u={"k": [1, 2]}, w={"k": to})}]}]}
    return {**cluster(to), "load_assignment": assignment, **metadata(c={"k": to})}


def test_requests_are_told_of_as_by_envoy(start, start_envoy, upstream, tmp_path):
    """Routes with metadata and without, one that finds no cluster, and one that answers itself."""
    server = upstream(serve(lambda request: response(body=request.get("x-told").encode())))
    told = "%METADATA(ROUTE:n:s)% %METADATA(CLUSTER:c:k)% %UPSTREAM_METADATA(w:k)% %METADATA(ROUTE:n:no)%."
    found = []
    for number, launch in enumerate([start, start_envoy]):
        text, fields = tmp_path / f"{number}.txt", tmp_path / f"{number}.json"
        hcm = manager(
            [{**forward("/all"), **metadata(n=VALUES)},
             {"match": {"prefix": "/direct"}, "direct_response": {"status": 200}, **metadata(n={"s": "direct"})},
             {**forward("/none", to="none"), **metadata(n={"s": "none"})},
             forward("/")],
            virtual_host={**metadata(v={"x": 1}),
                          "request_headers_to_add": [{"header": {"key": "x-told", "value": told}}],
                          "response_headers_to_add": [{"header": {"key": "x-told", "value": told}}]},
            route_config={"validate_clusters": False},
            access_log=[logger(text, text="|".join(f"%{one}%" for one in OPERATORS) + "\n"),
                        logger(fields, fields={**{one: f"%{one}%" for one in OPERATORS}, "mixed": "x%METADATA(ROUTE:n:st)%"})])
        proxy = launch(
            bootstrap([listener(hcm, chain=metadata(f={"a": "chain"}), **metadata(l={"a": "listener"}))],
                      [described("app", server.port)]), arguments=QUICK)
        answers = [ask(proxy, path=path) for path in ("/all", "/direct", "/none", "/")]
        assert answers[0].body == b"text app  ."
        # What is said of a cluster that is not there is our own.
        found.append(([(one.status, one.body if one.status == 200 else None, one.get("x-told")) for one in answers], lines(text, 5),
                      [json.loads(line) for line in lines(fields, 4)]))
    assert found[0] == found[1]
    assert found[0][2][0]["METADATA(ROUTE:n)"] == VALUES and found[0][2][0]["METADATA(UPSTREAM_HOST:u:k)"] == [1, 2]


def test_tcp_sessions_are_told_of_as_by_envoy(start, start_envoy, upstream, tmp_path):
    server = upstream(lambda peer, _number: peer.send(peer.exactly(4)))
    found = []
    for number, launch in enumerate([start, start_envoy]):
        text = tmp_path / f"{number}.txt"
        proxy_filter = tcp_proxy(access_log=[logger(text, text="|".join(f"%{one}%" for one in OPERATORS) + "\n")])
        proxy = launch(bootstrap([listener(proxy_filter, **metadata(l={"a": "listener"}))], [described("app", server.port)]),
                       arguments=QUICK)
        with contextlib.closing(proxy.client()) as peer:
            peer.send(b"ping")
            assert peer.exactly(4) == b"ping"
        found.append(lines(text, 1))
    assert found[0] == found[1]


def test_after_a_redirect_the_last_route_counts(start, start_envoy, upstream, tmp_path):
    """Which has no metadata, and goes to a cluster without any. Envoy tells of the last one in the line of the redirect, too."""
    def moves(request):
        return response(302, headers=[("location", "http://a/last")]) if request.path == "/first" else response()

    server = upstream(serve(moves))
    found = []
    for number, launch in enumerate([start, start_envoy]):
        text = tmp_path / f"{number}.txt"
        hcm = manager([{**forward("/first", internal_redirect_policy={}), **metadata(n={"s": "first"})}, forward("/", to="other")],
                      access_log=[logger(text, text="%RESPONSE_CODE% %UPSTREAM_CLUSTER% %METADATA(ROUTE:n:s)% %METADATA(CLUSTER:c:k)%\n")])
        proxy = launch(bootstrap([listener(hcm)], [described("app", server.port), cluster("other", server.port)]), arguments=QUICK)
        ask(proxy, path="/first")
        found.append(lines(text, 2))
    assert found[0] == ["302 app first app", "200 other - -"]
    assert found[1][-1] == "200 other - -"
