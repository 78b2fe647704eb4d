"""Requests from other origins: what preflights are answered, what responses tell browsers, and what is counted."""
import contextlib

from bootstrap import FILE_LOG, bootstrap, cluster, forward, listener, manager
from filters import ALWAYS, FILTER_CONFIG, ROUTER, cors, cors_policy, rbac, rules
from harness import response, serve, wait_until

NEVER = {"default_value": {"numerator": 0, "denominator": "HUNDRED"}}
HERE = [{"exact": "https://here"}]
PREFLIGHT = ("access-control-request-method: PUT", "access-control-request-headers: x-a,x-b")
NAMES = ("access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods",
         "access-control-allow-headers", "access-control-expose-headers", "access-control-max-age",
         "access-control-allow-private-network")
ALL = {"allow_origin_string_match": HERE, "allow_methods": "GET,PUT", "allow_headers": "x-a", "expose_headers": "x-seen",
       "max_age": "60", "allow_credentials": True}


def proxy_with(either, app, policy=None, *, host=None, config=None, route=None, routes=None, filters=None, log=None,
               **settings):
    one = forward(**({"cors": route} if route else {}))
    if policy is not None:
        one["typed_per_filter_config"] = {"cors": policy}
    more = {"access_log": [log]} if log else {}
    http = manager(routes or [one], virtual_host=host, route_config=config, http_filters=[*(filters or [cors()]), ROUTER],
                   **more)
    return either(bootstrap([listener(http)], [cluster("app", app.port)], **settings),
                  arguments=["--file-flush-interval-msec", "20"])


def ask(proxy, *headers, method="GET", path="/"):
    with contextlib.closing(proxy.client()) as peer:
        peer.send("".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "host: a", *headers)) + "\r\n")
        return peer.response(head_only=method == "HEAD")


def told(answer):
    """What browsers look at."""
    return {name.removeprefix("access-control-"): answer.all(name) for name in NAMES if answer.all(name)}


def counted(proxy):
    found = proxy.stats(r"^http\.ingress\.cors\.")
    return found["http.ingress.cors.origin_valid"], found["http.ingress.cors.origin_invalid"]


def test_requests_of_an_allowed_origin(either, upstream):
    app = upstream()
    proxy = proxy_with(either, app, cors_policy(**ALL))
    answer = ask(proxy, "origin: https://here")
    assert answer.body == b"hello"
    assert told(answer) == {"allow-origin": ["https://here"], "allow-credentials": ["true"], "expose-headers": ["x-seen"]}
    assert told(ask(proxy, "origin: https://there")) == {}
    assert told(ask(proxy)) == told(ask(proxy, "origin:")) == {}
    assert counted(proxy) == (1, 1)


def test_preflights_are_answered(either, upstream, tmp_path):
    app = upstream()
    log = {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(tmp_path / "log"), "log_format": {
        "text_format_source": {"inline_string": "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS%\n"}}}}
    proxy = proxy_with(either, app, cors_policy(**ALL), log=log)
    answer = ask(proxy, "origin: https://here", *PREFLIGHT, method="OPTIONS")
    assert (answer.status, answer.body, app.requests) == (200, b"", [])
    assert told(answer) == {
        "allow-origin": ["https://here"], "allow-credentials": ["true"], "allow-methods": ["GET,PUT"],
        "allow-headers": ["x-a"], "max-age": ["60"], "expose-headers": ["x-seen"]}
    assert [name for name, _ in answer.headers if name.startswith("access-control")] == [
        "access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods",
        "access-control-allow-headers", "access-control-max-age", "access-control-expose-headers"]
    # Without the method there is no preflight, and other methods are none.
    assert ask(proxy, "origin: https://here", method="OPTIONS").body == b"hello"
    assert ask(proxy, "origin: https://here", *PREFLIGHT, method="POST").body == b"hello"
    assert ask(proxy, "origin: https://here", "access-control-request-method:", method="OPTIONS").body == b"hello"
    assert len(app.requests) == 3 and counted(proxy) == (4, 0)
    lines = wait_until(lambda: len(text := (tmp_path / "log").read_text().splitlines()) == 4 and text, "four lines")
    assert lines == ["200 cors_response -"] + ["200 via_upstream -"] * 3


def test_stars_are_what_the_client_asks_for(either, upstream):
    everything = cors_policy(allow_origin_string_match=[{"prefix": "*"}], allow_methods="*", allow_headers="*")
    proxy = proxy_with(either, upstream(), everything)
    # A matcher that lets "*" pass lets all origins pass.
    assert told(ask(proxy, "origin: x", *PREFLIGHT, method="OPTIONS")) == {
        "allow-origin": ["x"], "allow-methods": ["PUT"], "allow-headers": ["x-a,x-b"]}
    assert told(ask(proxy, "origin: x", PREFLIGHT[0], method="OPTIONS")) == {
        "allow-origin": ["x"], "allow-methods": ["PUT"], "allow-headers": [""]}


def test_preflights_of_other_origins(either, upstream):
    app = upstream()
    proxy = proxy_with(either, app, cors_policy(**ALL))
    assert ask(proxy, "origin: https://there", *PREFLIGHT, method="OPTIONS").body == b"hello"
    strict = proxy_with(either, app, cors_policy(**ALL, forward_not_matching_preflights=False))
    answer = ask(strict, "origin: https://there", *PREFLIGHT, method="OPTIONS")
    assert told(answer) == {"allow-credentials": ["true"], "allow-methods": ["GET,PUT"], "allow-headers": ["x-a"],
                            "max-age": ["60"]}
    assert (answer.status, len(app.requests), counted(strict)) == (200, 1, (0, 1))


def test_private_networks(either, upstream):
    asked = ("origin: https://here", *PREFLIGHT, "access-control-request-private-network: true")
    for allowed, expected in ((True, ["true"]), (False, None)):
        policy = cors_policy(allow_origin_string_match=HERE, allow_private_network_access=allowed)
        proxy = proxy_with(either, upstream(), policy)
        assert told(ask(proxy, *asked, method="OPTIONS")).get("allow-private-network") == expected
        assert "allow-private-network" not in told(ask(proxy, *asked[:-1], method="OPTIONS"))


def test_what_the_app_says_is_replaced(either, upstream):
    app = upstream(serve(lambda _request: response(200, b"x", [
        ("access-control-allow-origin", "*"), ("access-control-expose-headers", "x-app"), ("access-control-max-age", "1")])))
    proxy = proxy_with(either, app, cors_policy(allow_origin_string_match=HERE, expose_headers="x-seen"))
    assert told(ask(proxy, "origin: https://here")) == {
        "allow-origin": ["https://here"], "expose-headers": ["x-seen"], "max-age": ["1"]}
    assert told(ask(proxy, "origin: https://there")) == {
        "allow-origin": ["*"], "expose-headers": ["x-app"], "max-age": ["1"]}


def test_levels_complete_each_other(either, upstream):
    config = {"typed_per_filter_config": {"cors": cors_policy(allow_origin_string_match=HERE, max_age="1", allow_methods="A")}}
    host = {"typed_per_filter_config": {"cors": cors_policy(max_age="2", allow_credentials=True, filter_enabled=NEVER)}}
    proxy = proxy_with(either, upstream(), cors_policy(expose_headers="x"), host=host, config=config)
    assert told(ask(proxy, "origin: https://here", *PREFLIGHT, method="OPTIONS")) == {
        "allow-origin": ["https://here"], "allow-credentials": ["true"], "allow-methods": ["A"], "max-age": ["2"],
        "expose-headers": ["x"]}


def test_switches(either, upstream):
    for settings, seen, count in [
            ({"filter_enabled": NEVER}, {}, (0, 0)), ({"filter_enabled": NEVER, "shadow_enabled": ALWAYS}, {}, (1, 1)),
            ({"filter_enabled": ALWAYS, "shadow_enabled": ALWAYS}, {"allow-origin": ["https://here"]}, (1, 1)),
            ({"filter_enabled": {**ALWAYS, "runtime_key": "my.cors"}}, {}, (0, 0))]:
        layer = {"layers": [{"name": "static", "static_layer": {"my.cors": 0}}]}
        proxy = proxy_with(either, upstream(), cors_policy(allow_origin_string_match=HERE, **settings), layered_runtime=layer)
        assert told(ask(proxy, "origin: https://here")) == seen
        ask(proxy, "origin: https://there")
        assert counted(proxy) == count
        preflight = ask(proxy, "origin: https://here", *PREFLIGHT, method="OPTIONS")
        assert preflight.body == (b"" if seen else b"hello")


def test_the_older_field(either, upstream):
    old = {"allow_origin_string_match": HERE, "allow_methods": "OLD", "filter_enabled": ALWAYS}
    app = upstream()
    both = proxy_with(either, app, route=old, host={"cors": {"max_age": "7", "filter_enabled": NEVER}})
    assert told(ask(both, "origin: https://here", *PREFLIGHT, method="OPTIONS")) == {
        "allow-origin": ["https://here"], "allow-methods": ["OLD"], "max-age": ["7"]}
    # It counts where no level has the newer kind.
    newer = proxy_with(either, app, route=old,
                       config={"typed_per_filter_config": {"cors": cors_policy(allow_origin_string_match=HERE)}})
    assert told(ask(newer, "origin: https://here", *PREFLIGHT, method="OPTIONS")) == {"allow-origin": ["https://here"]}


def test_where_the_filter_does_nothing(either, upstream):
    policy = {"cors": cors_policy(**ALL)}
    off = {"cors": {"@type": FILTER_CONFIG, "disabled": True}}
    wrapped = {"cors": {"@type": FILTER_CONFIG, "config": cors_policy(**ALL)}}
    direct = {"direct_response": {"status": 200, "body": {"inline_string": "direct"}}, "match": {"path": "/direct"}}
    moved = {"redirect": {"path_redirect": "/x"}, "match": {"path": "/moved"}}
    routes = [{**direct, "typed_per_filter_config": policy}, {**moved, "typed_per_filter_config": policy},
              {**forward(), "match": {"path": "/off"}, "typed_per_filter_config": off},
              {**forward(), "match": {"path": "/wrapped"}, "typed_per_filter_config": wrapped}, forward()]
    proxy = proxy_with(either, upstream(), routes=routes)
    for path, status in (("/direct", 200), ("/moved", 301), ("/off", 200), ("/else", 200)):
        answer = ask(proxy, "origin: https://here", *PREFLIGHT, method="OPTIONS", path=path)
        assert (answer.status, told(answer)) == (status, {}), path
    assert counted(proxy) == (0, 0)
    assert ask(proxy, "origin: https://here", *PREFLIGHT, method="OPTIONS", path="/wrapped").body == b""


def test_answers_of_other_filters(either, upstream):
    """Browsers may see them, if the filter for origins came first; preflights are not changed by the route."""
    denying = rbac(rules=rules("DENY", all={"permissions": [{"any": True}], "principals": [{"any": True}]}))
    added = {"response_headers_to_add": [{"header": {"key": "x-route", "value": "1"}}]}
    app = upstream()
    for filters, seen in (([cors(), denying], {"allow-origin": ["https://here"]}), ([denying, cors()], {})):
        proxy = proxy_with(either, app, cors_policy(allow_origin_string_match=HERE), filters=filters, config=added)
        answer = ask(proxy, "origin: https://here")
        assert (answer.status, told(answer), answer.get("x-route")) == (403, seen, "1")
    proxy = proxy_with(either, app, cors_policy(allow_origin_string_match=HERE), config=added)
    assert ask(proxy, "origin: https://here").get("x-route") == "1"
    preflight = ask(proxy, "origin: https://here", *PREFLIGHT, method="OPTIONS")
    assert told(preflight) == {"allow-origin": ["https://here"]} and preflight.get("x-route") is None
    assert preflight.get("content-length") == "0" and preflight.get("server") == "envoy"
