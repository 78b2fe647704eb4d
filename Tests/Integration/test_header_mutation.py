"""The header mutation filter: steps in their order, levels of routes, queries, and the proxy's own answers."""
import contextlib

import pytest
from bootstrap import bootstrap, cluster, forward, listener, manager
from filters import ROUTER, add, mutation, parameter, rbac, route_mutation, rules
from harness import response, serve

SET, ABSENT, PRESENT = "OVERWRITE_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS"


@pytest.fixture
def app(upstream):
    return upstream(serve(lambda _request: response(200, b"x", [("x-r", "1"), ("X-R", "2"), ("server", "app")])))


def proxy_with(either, app, filters, routes=None, host=None, config=None):
    http = manager(routes or [forward()], virtual_host=host, route_config=config, http_filters=[*filters, ROUTER],
                   generate_request_id=False)
    return either(bootstrap([listener(http)], [cluster("app", app.port)]))


def ask(proxy, path="/", *headers):
    with contextlib.closing(proxy.client()) as peer:
        peer.send("".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "host: a", *headers)) + "\r\n")
        return peer.response()


def own(message):
    """The fields whose names the tests have made up."""
    return [(name.lower(), value) for name, value in message.headers if name.lower().startswith(("x-", "user-")) and
            not name.lower().startswith(("x-envoy", "x-forwarded", "x-request"))]


def test_steps_see_what_those_before_have_done(either, app):
    steps = [add("x-one", "2"), add("x-one", "3", ABSENT), add("x-two", "2", ABSENT), add("x-two", "4", PRESENT),
             add("x-three", "4", PRESENT), add("x-four", "%REQ(x-one)%", SET), add("user-agent", "v"),
             add("x-none", "%REQ(nope)%"), add("x-empty", "%REQ(nope)%", keep_empty_value=True), {"remove": "x-one"},
             add("x-after", "%REQ(x-one)%|")]
    back = [add("x-r", "3"), add("x-code", "%RESPONSE_CODE% %REQ(x-four)% %RESP(x-r)%"), add("x-r2", "%RESP(x-r)%", SET)]
    proxy = proxy_with(either, app, [mutation(request_mutations=steps, response_mutations=back)])
    answer = ask(proxy, "/", "x-one: 1", "user-agent: ua")
    assert own(app.requests[0]) == [
        ("user-agent", "ua,v"), ("x-two", "4"), ("x-four", "1"), ("x-empty", ""), ("x-after", "|")]
    assert own(answer) == [("x-r", "1"), ("x-r", "2"), ("x-r", "3"), ("x-code", "200 1 1"), ("x-r2", "1")]


def test_names_that_match_are_removed(either, app):
    steps = [{"remove_on_match": {"key_matcher": {"prefix": "x-"}}}]
    back = [{"remove_on_match": {"key_matcher": {"exact": "X-R", "ignore_case": True}}}, {"remove": "server"}]
    proxy = proxy_with(either, app, [mutation(request_mutations=steps, response_mutations=back)])
    answer = ask(proxy, "/", "X-One: 1", "y-one: 1")
    assert [name.lower() for name, _ in app.requests[0].headers] == ["host", "y-one", "x-envoy-expected-rq-timeout-ms"]
    assert own(answer) == [] and answer.get("server") == "envoy"


@pytest.mark.parametrize("wins, order", [(False, "filter route host config"), (True, "filter config host route")])
def test_levels(either, app, wins, order):
    def both(value):
        steps = [add("x-all", value), add("x-last", value, SET)]
        return {"request_mutations": steps, "response_mutations": steps}

    def level(value):
        return {"typed_per_filter_config": {"mutation": route_mutation(**both(value))}}

    proxy = proxy_with(either, app, [mutation(wins=wins, **both("filter"))], [{**forward(), **level("route")}],
                       host=level("host"), config=level("config"))
    answer = ask(proxy)
    # Where a field stands that is overwritten is not the same in both proxies.
    for message in (app.requests[0], answer):
        assert message.all("x-all") == order.split() and message.all("x-last") == order.split()[-1:]


def test_a_filter_that_routes_give_something_to_do(either, app):
    level = {"typed_per_filter_config": {"mutation": route_mutation(response_mutations=[{"remove": "x-r"}])}}
    proxy = proxy_with(either, app, [mutation()], [{**forward(), "match": {"path": "/one"}, **level}, forward()])
    assert own(ask(proxy, "/one")) == [] and own(ask(proxy, "/other")) == [("x-r", "1"), ("x-r", "2")]


def test_the_proxys_own_answers(either, app):
    steps = [add("x-f", "%RESPONSE_CODE% %REQ(x-q)% %RESPONSE_CODE_DETAILS%")]
    routes = [{"match": {"path": "/direct"}, "direct_response": {"status": 201, "body": {"inline_string": "d"}}},
              {"match": {"path": "/moved"}, "redirect": {"path_redirect": "/x"}},
              {**forward(), "match": {"path": "/denied"}}]
    denying = rbac(rules=rules("DENY", all={"permissions": [{"url_path": {"path": {"exact": "/denied"}}}],
                                            "principals": [{"any": True}]}))
    proxy = proxy_with(either, app, [mutation(request_mutations=[add("x-q", "q")], response_mutations=steps), denying], routes)
    assert [ask(proxy, path).get("x-f") for path in ("/direct", "/moved", "/nowhere", "/denied")] == [
        "201 q direct_response", "301 q direct_response", "404 q route_not_found",
        "403 q rbac_access_denied_matched_policy[all]"]
    # Before there was anything to change of a request.
    for request, expected in (("GET / HTTP/1.1\r\n\r\n", "400  missing_host_header"),
                              ("GET / HTTP/1.0\r\nhost: a\r\n\r\n", "426  low_version")):
        with contextlib.closing(proxy.client()) as peer:
            peer.send(request)
            assert peer.response().get("x-f") == expected
    first = proxy_with(either, app, [denying, mutation(request_mutations=[add("x-q", "q")], response_mutations=steps)], routes)
    assert ask(first, "/denied").get("x-f") == "403  rbac_access_denied_matched_policy[all]"


def test_the_route_is_not_chosen_anew_and_sees_the_changes(either, app):
    other = {**forward(), "match": {"prefix": "/", "headers": [{"name": "x-to", "present_match": True}]},
             "request_headers_to_add": [{"header": {"key": "x-other", "value": "1"}}]}
    rewritten = {**forward(prefix_rewrite="/r/"), "match": {"prefix": "/p/"},
                 "request_headers_to_add": [{"header": {"key": "x-path", "value": "%REQ(:path)%"}}]}
    proxy = proxy_with(either, app, [mutation(request_mutations=[add("x-to", "b")],
                                              query_parameter_mutations=[parameter("new", "1")])], [other, rewritten])
    ask(proxy, "/p/x?a=1")
    assert app.requests[0].path == "/r/x?a=1&new=1"
    assert own(app.requests[0]) == [("x-to", "b"), ("x-path", "/p/x?a=1&new=1")]


# Names in the order of the alphabet, as Envoy puts them.
QUERIES = {
    "/p?a=1&b=2&d=4": "/p?a=1&a=2&b=9&c=1%20%2B%26&e=", "/p": "/p?a=2&c=1%20%2B%26&e=", "/p?": "/p?a=2&c=1%20%2B%26&e=",
    "/p?b=1&b=2&c=": "/p?a=2&b=9&c=&e=", "/p?d=1&d=2&e=5": "/p?a=2&c=1%20%2B%26&e=",
}


def test_queries(either, app):
    steps = [parameter("a", "2"), parameter("c", "%REQ(x-one)% +&", ABSENT), parameter("b", "9", PRESENT),
             parameter("zz", "9", PRESENT), parameter("e", "", SET), {"remove": "d"}]
    proxy = proxy_with(either, app, [mutation(query_parameter_mutations=steps)])
    for path in QUERIES:
        ask(proxy, path, "x-one: 1")

    def in_order(path):
        start, _, query = path.partition("?")
        return start, sorted(query.split("&"), key=lambda one: one.split("=")[0])

    assert [in_order(request.path) for request in app.requests] == [in_order(path) for path in QUERIES.values()]


def test_what_no_step_is_about_stays_as_it_was(start, app):
    """Envoy decodes and sorts the whole query, after which `a=x y` stands in the request line."""
    proxy = proxy_with(start, app, [mutation(query_parameter_mutations=[{"remove": "d%"}, parameter("b", "9", SET)])])
    for path in ("/p?z=1&%62=%20&a=x%20y&k&d%25=1&b=2&l=%zz", "/p?k=a=b&m=+"):
        ask(proxy, path)
    assert [request.path for request in app.requests] == ["/p?z=1&b=9&a=x%20y&k&l=%zz", "/p?k=a=b&m=+&b=9"]
