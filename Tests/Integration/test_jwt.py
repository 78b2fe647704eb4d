"""Requests that need a token: which are good, where they are found, what clients and apps are told, and where keys come from."""
import base64
import contextlib
import json
import re
import signal
import threading
import time

import pytest
from bootstrap import FILE_LOG, bootstrap, cluster, forward, listener, manager
from filters import FILTER_CONFIG, ROUTER, cors, cors_policy, jwt, route_jwt
from harness import response, serve, wait_until
from jwts import Key, encode, jwks

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"]
# One key each, for all tests: making them takes time.
KEYS = {alg: Key(alg, alg) for alg in ALGORITHMS}
HS, ES = KEYS["HS256"], KEYS["ES256"]
FORMAT = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
MISSING, FAILS, UNKNOWN = "Jwt is missing", "Jwt verification fails", "Jwt issuer is not configured"
ANYWHERE = {"prefix": "/"}


def provider(*keys, issuer="issuer", **settings):
    return {**({"issuer": issuer} if issuer else {}), "local_jwks": {"inline_string": jwks(*keys)}, **settings}


def needs(requirement, providers=None, **settings):
    """A filter that asks for the same everywhere."""
    return jwt(providers=providers or TWO, rules=[{"match": ANYWHERE, "requires": requirement}], **settings)


def one(*keys, extra=None, **settings):
    """A filter with one provider."""
    return needs({"provider_name": "p"}, {"p": provider(*(keys or [HS]), **settings)}, **(extra or {}))


P, Q = {"provider_name": "p"}, {"provider_name": "q"}
TWO = {"p": provider(HS), "q": provider(ES, issuer="other", from_headers=[{"name": "x-q"}])}


def proxy_with(either, app, check, routes=None, log=None, clusters=(), filters=(), **settings):
    more = {"access_log": [{"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(log), "log_format": {
        "text_format_source": {"inline_string": "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"}}}}]} if log else {}
    http = manager(routes or [forward()], http_filters=[*filters, check, ROUTER], generate_request_id=False, **more)
    return either(bootstrap([listener(http)], [cluster("app", app.port), *clusters], **settings),
                  arguments=["--file-flush-interval-msec", "20"])


def ask(proxy, path="/", *headers, method="GET"):
    with contextlib.closing(proxy.client()) as peer:
        peer.send("".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "host: a", *headers)) + "\r\n")
        return peer.response()


def bearer(token):
    return f"authorization: Bearer {token}"


def verdict(proxy, *headers, path="/"):
    """"ok", or what the client is told."""
    answer = ask(proxy, path, *headers)
    return "ok" if answer.status == 200 else answer.body.decode()


def counted(proxy, prefix=""):
    found = proxy.stats(r"^http\.ingress\.jwt_authn\.")
    return {name.removeprefix("http.ingress.jwt_authn." + prefix): value for name, value in found.items() if value}


@pytest.fixture
def app(upstream):
    return upstream()


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_algorithms(either, app, alg):
    key = KEYS[alg]
    proxy = proxy_with(either, app, one(*KEYS.values()))
    good = key.token()
    head, payload, signature = good.split(".")
    other = encode(json.dumps({"iss": "issuer", "admin": True}))
    assert [verdict(proxy, bearer(token)) for token in (
        good, f"{head}.{other}.{signature}", f"{head}.{payload}.{encode(b'x' * 64)}",
        f"{head}.{payload}.{signature[:-4] + ('AAAA' if signature[-4:] != 'AAAA' else 'BBBB')}")] == ["ok", FAILS, FAILS, FAILS]


def test_what_clients_and_logs_are_told(either, app, tmp_path):
    proxy = proxy_with(either, app, one(audiences=["a"]), log=tmp_path / "log")
    missing = ask(proxy, "/p?a=b&" + "x" * 300)
    path = ("/p?a=b&" + "x" * 300)[:256]
    assert (missing.status, missing.body, missing.get("www-authenticate")) == (
        401, MISSING.encode(), f'Bearer realm="http://a{path}"')
    bad = ask(proxy, "/", bearer("x"))
    assert (bad.status, bad.body, bad.get("www-authenticate")) == (
        401, FORMAT.encode(), 'Bearer realm="http://a/", error="invalid_token"')
    elsewhere = ask(proxy, "/", bearer(HS.token(aud="b")))
    assert (elsewhere.status, elsewhere.body) == (403, b"Audiences in Jwt are not allowed")
    grpc = ask(proxy, "/", "content-type: application/grpc")
    assert (grpc.status, grpc.get("grpc-status"), grpc.get("grpc-message")) == (200, "16", MISSING)
    assert verdict(proxy, bearer(HS.token(aud=["x", "a"]))) == "ok"
    lines = wait_until(lambda: len(text := (tmp_path / "log").read_text().splitlines()) == 5 and text, "five lines")
    assert lines == [
        "401 - jwt_authn_access_denied{Jwt_is_missing}",
        "401 - jwt_authn_access_denied{" + FORMAT.replace(" ", "_") + "}",
        "403 - jwt_authn_access_denied{Audiences_in_Jwt_are_not_allowed}",
        "200 - jwt_authn_access_denied{Jwt_is_missing}", "200 - via_upstream"]
    assert counted(proxy) == {"allowed": 1, "denied": 4, "jwt_cache_miss": 3}
    assert len(app.requests) == 1


def wrong(name, code):
    return f"Jwt payload [{name}] field is not {code}"


def tokens_and_verdicts():
    now, plain = int(time.time()), '{"alg":"HS256"}'
    head, payload, signature = HS.token().split(".")
    positive, integer = "a positive 64 bit integer", "an integer"
    cases = [
        ("abc", FORMAT), ("..", FORMAT), ("a..b", FORMAT), ("a.b.c.d", FORMAT),
        ("a.b.c", "Jwt header is an invalid Base64url encoded"), (HS.token_of("{", "{}"), "Jwt header is an invalid JSON"),
        (HS.token_of("[]", "{}"), "Jwt header is an invalid JSON"),
        (HS.token(header={"alg": None}), "Jwt header [alg] field is required and must be a string"),
        (HS.token(header={"alg": 1}), "Jwt header [alg] field is required and must be a string"),
        (HS.token(header={"alg": "none"}), "Jwt header [alg] is not supported"),
        (f"{encode('{}')}.{payload}.{signature}", "Jwt header [alg] field is required and must be a string"),
        (HS.token(header={"kid": 1}), "Jwt header [kid] field is not a string"),
        (HS.token(header={"kid": "other"}), "Jwks doesn't have key to match kid or alg from Jwt"),
        (HS.token(header={"kid": None}), "ok"),
        (KEYS["RS256"].token(header={"kid": "HS256"}), "Jwks doesn't have key to match kid or alg from Jwt"),
        (HS.token_of(plain, "{"), "Jwt payload is an invalid JSON"), (HS.token_of(plain, "[]"), "Jwt payload is an invalid JSON"),
        (f"{head}.*$.{signature}", "Jwt payload is an invalid Base64url encoded"),
        (f"{head}.{payload}.*$$", "Jwt signature is an invalid Base64url encoded"),
        (HS.token(aud=1), wrong("aud", "a string or string list")), (HS.token(aud=["a", 1]), wrong("aud", "a string or string list")),
        (HS.token(iss="x"), UNKNOWN), (HS.token(iss=None), UNKNOWN), (HS.token(aud="whoever"), "ok"),
        (HS.token(exp=now - 30), "ok"), (HS.token(exp=now - 90), "Jwt is expired"), (HS.token(exp=None), "ok"),
        (HS.token(exp=0), "ok"), (HS.token(nbf=now + 30), "ok"), (HS.token(nbf=now + 90), "Jwt not yet valid"),
        (HS.token(exp=1)[:-2] + "AA", "Jwt is expired"),
        (HS.token_of(plain, '{"iss":"issuer","a":' + "[" * 90 + "]" * 90 + "}"), "ok"),
        (HS.token_of(plain, '{"iss":"issuer","a":' + "[" * 120 + "]" * 120 + "}"), "Jwt payload is an invalid JSON"),
        (HS.token_of(plain, '{"iss":"x","iss":"issuer"}'), "Jwt payload is an invalid JSON"),
        (HS.token_of(plain, b'{"iss":"issuer","a":"\xff"}'), "Jwt payload is an invalid JSON"),
        (HS.token_of(plain, '{"iss":"issuer","a":NaN}'), "Jwt payload is an invalid JSON"),
        (HS.token_of(plain, '{"iss":"issuer"} x'), "Jwt payload is an invalid JSON"),
        (HS.token_of(plain, '{"iss":"issuer","a":01}'), "Jwt payload is an invalid JSON"),
        (HS.token_of(plain, '{"iss":"issuer","a":"\\ud800"}'), "Jwt payload is an invalid JSON"),
        (HS.token_of(plain, ' { "iss" : "iss\\u0075er" , "a" : [ 1 , -2.5e+3 , true , null , {} ] } '), "ok"),
    ]
    cases += [(HS.token(**{name: 1}), wrong(name, "a string")) for name in ("iss", "sub", "jti")]
    for name in ("exp", "nbf", "iat"):
        cases += [(HS.token(**{name: value}), wrong(name, integer)) for value in ("1", True)]
        cases += [(HS.token_of(plain, '{"iss":"issuer","%s":null}' % name), wrong(name, integer)), (HS.token(**{name: -1}), wrong(name, positive)),
                  (HS.token_of(plain, '{"iss":"issuer","%s":1e300}' % name), wrong(name, positive))]
    return cases


def test_tokens_that_are_none(either, app):
    proxy = proxy_with(either, app, one())
    cases = tokens_and_verdicts()
    assert [verdict(proxy, bearer(token)) for token, _ in cases] == [expected for _, expected in cases]


def test_json_is_read_strictly(start, app):
    """Envoy lets these pass."""
    proxy = proxy_with(start, app, one())
    for payload in ("{'iss':'issuer'}", '{"iss":"issuer",}', '{iss:"issuer"}', '{"iss":"issuer","a":"\t"}'):
        assert verdict(proxy, bearer(HS.token_of('{"alg":"HS256"}', payload))) == "Jwt payload is an invalid JSON"


def test_where_tokens_are_found(either, app):
    proxy = proxy_with(either, app, one())
    token = HS.token()
    cases = [((bearer(token),), "/", "ok"), ((), f"/?a=1&access_token={token}", "ok"), ((f"authorization: bearer {token}",), "/", MISSING),
             (("authorization: Basic abc",), "/", MISSING), ((f"authorization: x Bearer   {token}",), "/", "ok"),
             ((bearer(token), bearer(token)), "/", FORMAT), ((bearer(token),), f"/?access_token={token}", "ok"),
             ((bearer(token),), "/?access_token=x", FORMAT), ((bearer("x"),), f"/?access_token={token}", FORMAT)]
    assert [verdict(proxy, *headers, path=path) for headers, path, _ in cases] == [expected for _, _, expected in cases]
    # It goes no further.
    assert not any(token in request.path or request.get("authorization") for request in app.requests)
    own = proxy_with(either, app, one(from_headers=[{"name": "x-jwt"}, {"name": "X-B", "value_prefix": "JWT "}], from_params=["t"],
                                      from_cookies=["c"]))
    cases = [((f"X-Jwt: {token}",), "/", "ok"), ((f"x-b: JWT {token}",), "/", "ok"), ((f"x-b: {token}",), "/", MISSING),
             ((bearer(token),), "/", MISSING), ((f"x-jwt: {token}", "x-jwt: x"), "/", FORMAT), ((), f"/?t={token}", "ok"),
             ((), f"/?%74={token}", "ok"), ((), f"/?T={token}", MISSING), ((f"cookie: a=b; c={token}",), "/", "ok"),
             ((f'cookie: c="{token}"',), "/", "ok"), (("cookie: c=x", f"cookie: c={token}"), "/", FORMAT)]
    assert [verdict(own, *headers, path=path) for headers, path, _ in cases] == [expected for _, _, expected in cases]


def test_what_stands_around_a_token_stays(start, app):
    """Envoy decodes and sorts the query."""
    proxy = proxy_with(start, app, one())
    assert verdict(proxy, path=f"/p?z=%20&access_token={HS.token()}&a=1") == "ok"
    assert app.requests[0].path == "/p?z=%20&a=1"


def test_what_apps_are_told(either, app):
    names = {"x-sub": "sub", "x-n": "n", "x-deep": "o.p", "x-b": "b", "x-l": "l", "x-d": "d", "x-neg": "neg", "x-big": "big",
             "x-none": "none", "x-empty": "e", "x-null": "null", "x-u": "u", "x-zero": "zero"}
    check = one(forward=True, forward_payload_header="x-payload", pad_forward_payload_header=True,
                claim_to_headers=[{"header_name": header, "claim_name": claim} for header, claim in names.items()])
    proxy = proxy_with(either, app, check)
    token = HS.token(sub="me", n=12, o={"p": "deep"}, b=True, l=["a b", 1], d=1.5, neg=-3, big=12345678901234567890, e="", u="\u00fc",
                     zero=0)
    token_of_null = HS.token_of('{"alg":"HS256"}', '{"iss":"issuer","null":null}')
    assert verdict(proxy, "x-payload: fake", "x-sub: fake", "x-none: fake", bearer(token)) == "ok"
    request = app.requests[0]
    found = {name: request.get(name) for name in ("x-payload", "authorization", *names)}
    payload = token.split(".")[1]
    assert found == {
        "x-payload": payload + "=" * (-len(payload) % 4), "authorization": f"Bearer {token}", "x-sub": "me", "x-n": "12",
        "x-deep": "deep", "x-b": "true", "x-l": base64.b64encode(b'["a b",1]').decode(), "x-d": "1.500000", "x-neg": "-3.000000",
        "x-big": "12345678901234567168", "x-none": None, "x-empty": None, "x-null": None, "x-u": "\u00fc".encode().decode("latin-1"),
        "x-zero": "0"}
    assert verdict(proxy, bearer(token_of_null)) == "ok" and app.requests[1].get("x-null") is None


def test_claims_that_are_asked_for(either, app):
    now = int(time.time())
    cases = [
        ({"subjects": {"prefix": "good"}}, [("ok", {"sub": "good1"}), (FAILS, {"sub": "bad"}), (FAILS, {})]),
        ({"require_expiration": True}, [("ok", {}), (FAILS, {"exp": None}), ("ok", {"exp": now + 10**9})]),
        ({"max_lifetime": "100s"}, [("ok", {"exp": now + 50}), (FAILS, {"exp": now + 200}), (FAILS, {"exp": None}), ("ok", {"exp": now - 30})]),
        ({"clock_skew_seconds": 200}, [("ok", {"exp": now - 150}), ("Jwt is expired", {"exp": now - 300})]),
        ({"issuer": None}, [("ok", {}), ("ok", {"iss": None}), ("ok", {"iss": "x"})]),
        ({"audiences": ["a", "https://b/"]}, [("ok", {"aud": "a/"}), ("ok", {"aud": "http://b"}), ("ok", {"aud": ["x", "b"]}),
                                              ("Audiences in Jwt are not allowed", {"aud": "c"}), ("Audiences in Jwt are not allowed", {})]),
    ]
    for settings, tokens in cases:
        proxy = proxy_with(either, app, one(**settings))
        assert [verdict(proxy, bearer(HS.token(**claims))) for _, claims in tokens] == [expected for expected, _ in tokens], settings


GOOD, BAD, ELSEWHERE, OLD = (bearer(one) for one in (HS.token(), "x", HS.token(iss="zz"), HS.token(exp=1)))
OTHER, BROKEN, STRANGER = ("x-q: " + one for one in (ES.token(iss="other"), ES.token(iss="other")[:-8] + "A" * 8, ES.token(iss="zz")))
OPTIONAL, LAX = {"allow_missing": {}}, {"allow_missing_or_failed": {}}
REQUIREMENTS = {
    "any": ({"requires_any": {"requirements": [P, Q]}}, [
        ((), MISSING), ((GOOD,), "ok"), ((OTHER,), "ok"), ((GOOD, BROKEN), "ok"), ((BROKEN,), FAILS), ((BAD, OTHER), "ok"),
        ((BAD, BROKEN), FAILS), ((BAD,), FORMAT), ((ELSEWHERE,), UNKNOWN), ((STRANGER,), UNKNOWN), ((ELSEWHERE, BROKEN), FAILS),
        ((OLD, "x-q: x"), FORMAT), ((OLD, STRANGER), "Jwt is expired")]),
    "all": ({"requires_all": {"requirements": [P, Q]}}, [
        ((), MISSING), ((GOOD,), MISSING), ((OTHER,), MISSING), ((GOOD, OTHER), "ok"), ((GOOD, BROKEN), FAILS), ((BAD, BROKEN), FORMAT)]),
    "any or none": ({"requires_any": {"requirements": [OPTIONAL, P, Q]}}, [
        ((), "ok"), ((GOOD,), "ok"), ((BAD,), FORMAT), ((OTHER,), "ok"), ((BROKEN,), FAILS), ((GOOD, BROKEN), "ok")]),
    "one or none": ({"requires_any": {"requirements": [P, OPTIONAL]}}, [((), "ok"), ((BAD,), FORMAT), ((ELSEWHERE,), UNKNOWN), ((BROKEN,), "ok")]),
    "one or whatever": ({"requires_any": {"requirements": [P, LAX]}}, [((), "ok"), ((GOOD,), "ok"), ((BAD,), "ok"), ((ELSEWHERE,), "ok")]),
    "one and maybe another": ({"requires_all": {"requirements": [P, {"requires_any": {"requirements": [Q, OPTIONAL]}}]}}, [
        ((), MISSING), ((GOOD,), "ok"), ((GOOD, OTHER), "ok"), ((GOOD, BROKEN), FAILS)]),
    "none or a good one": (OPTIONAL, [((), "ok"), ((GOOD,), "ok"), ((BAD,), FORMAT), ((BROKEN,), FAILS)]),
    "whatever": (LAX, [((), "ok"), ((GOOD,), "ok"), ((BAD,), "ok"), ((BROKEN,), "ok")]),
    "nothing": ({}, [((), "ok"), ((BAD,), "ok")]),
}


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements(either, app, name):
    requirement, cases = REQUIREMENTS[name]
    proxy = proxy_with(either, app, needs(requirement))
    assert [verdict(proxy, *headers) for headers, _ in cases] == [expected for _, expected in cases]


def test_a_bad_token_beside_a_good_one(start, app):
    """Envoy looks at the last one only: it lets the other go on to the app."""
    proxy = proxy_with(start, app, needs(OPTIONAL))
    assert [verdict(proxy, GOOD, BROKEN), verdict(proxy, BAD, OTHER)] == [FAILS, FORMAT]


def test_audiences_of_a_rule(either, app):
    both = {"provider_and_audiences": {"provider_name": "p", "audiences": ["b"]}}
    proxy = proxy_with(either, app, needs(both, {"p": provider(HS, audiences=["a"])}))
    assert [verdict(proxy, bearer(HS.token(aud=aud))) for aud in ("a", "b")] == ["Audiences in Jwt are not allowed", "ok"]


def test_rules(either, app):
    rules = [{"match": {"path": "/open"}}, {"match": {"prefix": "/api"}, "requires": P},
             {"match": {"prefix": "/x", "headers": [{"name": "h", "present_match": True}]}, "requirement_name": "r"},
             {"match": {"prefix": "/q", "query_parameters": [{"name": "k", "present_match": True}]}, "requires": P},
             {"match": {"safe_regex": {"regex": "/re.*"}}, "requires": P},
             {"match": {"prefix": "/CI", "case_sensitive": False}, "requires": P},
             {"match": {"path_separated_prefix": "/sep"}, "requires": P}]
    proxy = proxy_with(either, app, jwt(providers=TWO, rules=rules, requirement_map={"r": Q}))
    cases = [("/open", ()), ("/x", ()), ("/q", ()), ("/sepa", ()), ("/x", ("h: 1", OTHER)), ("/elsewhere", ())]
    assert [verdict(proxy, *headers, path=path) for path, headers in cases] == ["ok"] * len(cases)
    cases = [("/api", ()), ("/x", ("h: 1",)), ("/q?k=1", ()), ("/regex?a", ()), ("/ciao", ()), ("/sep", ()), ("/sep/x", ())]
    assert [verdict(proxy, *headers, path=path) for path, headers in cases] == [MISSING] * len(cases)
    assert counted(proxy) == {"allowed": 6, "denied": 7, "jwt_cache_miss": 1}


def test_routes(either, app):
    def route(path, config):
        return {**forward(), "match": {"path": path}, "typed_per_filter_config": {"jwt": config}}

    routes = [route("/off", route_jwt(disabled=True)), route("/r", route_jwt(requirement_name="r")),
              route("/bad", route_jwt(requirement_name="zz")), route("/none", {"@type": FILTER_CONFIG, "disabled": True}),
              {"match": {"path": "/direct"}, "direct_response": {"status": 200}}, forward()]
    check = needs(P, requirement_map={"r": Q, "s": P})
    proxy = proxy_with(either, app, check, routes)
    assert [verdict(proxy, path=path) for path in ("/off", "/none", "/r", "/", "/direct")] == ["ok", "ok", MISSING, MISSING, MISSING]
    assert verdict(proxy, OTHER, path="/r") == "ok"
    answer = ask(proxy, "/bad")
    assert (answer.status, answer.body) == (
        403, b"Failed JWT authentication: Wrong requirement_name: zz. It should be one of [r,s]")
    assert counted(proxy) == {"allowed": 2, "denied": 4, "jwt_cache_miss": 1}


def test_preflights_and_silence(either, app):
    preflight = ("origin: x", "access-control-request-method: GET")
    proxy = proxy_with(either, app, one(extra={"bypass_cors_preflight": True, "stat_prefix": "mine", "strip_failure_response": True}))
    assert ask(proxy, "/", *preflight, method="OPTIONS").status == 200
    denied = ask(proxy, "/", method="OPTIONS")
    assert (denied.status, denied.body, denied.get("www-authenticate")) == (401, b"", None)
    assert counted(proxy, "mine.") == {"allowed": 1, "cors_preflight_bypassed": 1, "denied": 1}
    # A filter for other origins that comes first lets browsers see why.
    policy = {"typed_per_filter_config": {"cors": cors_policy(allow_origin_string_match=[{"exact": "x"}])}}
    seen = proxy_with(either, app, one(), [{**forward(), **policy}], filters=[cors()])
    answer = ask(seen, "/", "origin: x")
    assert (answer.status, answer.get("access-control-allow-origin")) == (401, "x")


KEY_SETS = {
    "a key without alg and kid": ([HS.jwk(alg=None, kid=None)], HS, "ok"), "a key of no known kind": ([{"kty": "zz"}, HS], HS, "ok"),
    "no key at all": (["x", {}, {"kty": "RSA", "n": "AA"}, HS], HS, "ok"), "a curve that does not fit": ([ES.jwk(crv="P-384"), HS], HS, "ok"),
    "a key of another algorithm": ([HS.jwk(alg="RS256"), ES], HS, "Jwks doesn't have key to match kid or alg from Jwt"),
    "several keys": ([Key("HS256").jwk(), ES.jwk(kid=None, alg=None)], ES, "ok"), "a key for another use": ([HS.jwk(use="enc")], HS, "ok"),
    "the wrong key": ([ES.jwk(kid=None, alg=None)], HS, FAILS),
}


@pytest.mark.parametrize("name", KEY_SETS)
def test_key_sets(either, app, name):
    keys, key, expected = KEY_SETS[name]
    assert verdict(proxy_with(either, app, one(*keys)), bearer(key.token())) == expected


def test_keys_as_certificates(either, app):
    """Some issuers publish these, by the ids of their keys."""
    rs, text = KEYS["RS256"], json.dumps({"RS256": KEYS["RS256"].certificate(), "other": KEYS["RS384"].certificate()})
    proxy = proxy_with(either, app, needs(P, {"p": {"issuer": "issuer", "local_jwks": {"inline_string": text}}}))
    assert [verdict(proxy, bearer(rs.token(header={"kid": kid}))) for kid in ("RS256", "other", None)] == ["ok", FAILS, "ok"]


def test_long_tokens(either, app):
    proxy = proxy_with(either, app, one(forward=True))
    long = HS.token(a="x" * 30_000)
    nested = HS.token_of('{"alg":"HS256"}', "[" * 30_000)
    assert [verdict(proxy, bearer(token)) for token in (long, nested, long[:-5] + "AAAAA", "." * 40_000, "a." * 20_000)] == [
        "ok", "Jwt payload is an invalid JSON", FAILS, FORMAT, FORMAT]
    assert app.requests[0].get("authorization") == f"Bearer {long}"


def test_a_key_set_in_a_file(either, app, tmp_path):
    (tmp_path / "keys").write_text(jwks(ES))
    proxy = proxy_with(either, app, needs(P, {"p": {"issuer": "issuer", "local_jwks": {"filename": str(tmp_path / "keys")}}}))
    assert verdict(proxy, bearer(ES.token())) == "ok"


def test_a_file_of_keys_that_changes(start, app, tmp_path):
    path = tmp_path / "keys"
    path.write_text(jwks(HS))
    check = needs(P, {"p": {"issuer": "issuer", "local_jwks": {"filename": str(path)}, "jwt_cache_config": {}}})
    proxy = proxy_with(start, app, check)
    assert [verdict(proxy, bearer(HS.token(sub="x"))) for _ in range(2)] == ["ok", "ok"]
    path.write_text("{")
    wait_until(lambda: "Jwks is an invalid JSON: those from before stay in use" in proxy.log_text(), "a line of the log")
    assert verdict(proxy, bearer(HS.token(sub="x"))) == "ok"
    (tmp_path / "newer").write_text(jwks(ES))
    (tmp_path / "newer").rename(path)
    wait_until(lambda: verdict(proxy, bearer(ES.token())) == "ok", "the new keys")
    assert verdict(proxy, bearer(HS.token(sub="x"))) != "ok"
    path.write_text(jwks(HS))
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: verdict(proxy, bearer(HS.token())) == "ok", "the keys from before")


# MARK: keys of others

def fetching(port, **settings):
    uri = {"uri": "http://keys.example:8080/path/jwks?x=1", "cluster": "keys", "timeout": "2s"}
    return needs(P, {"p": {"issuer": "issuer", "remote_jwks": {"http_uri": uri, **settings}}}), [cluster("keys", port)]


@pytest.fixture
def keys(upstream):
    """A server of keys, whose answers can be changed."""
    def answer(request):
        return response(server.status, server.body.encode())

    server = upstream(serve(answer))
    server.status, server.body = 200, jwks(HS)
    return server


def remote_proxy(either, app, keys, **settings):
    check, clusters = fetching(keys.port, **settings)
    return proxy_with(either, app, check, clusters=clusters)


def test_keys_are_fetched_once(either, app, keys):
    proxy = remote_proxy(either, app, keys)
    assert [verdict(proxy, bearer(token)) for token in (HS.token(), HS.token(sub="x"), HS.token()[:-4] + "AAAA")] == ["ok", "ok", FAILS]
    assert [(one.start, one.get("host"), one.get("x-envoy-expected-rq-timeout-ms")) for one in keys.requests] == [
        ("GET /path/jwks?x=1 HTTP/1.1", "keys.example:8080", "2000")]
    assert counted(proxy) == {"allowed": 2, "denied": 1, "jwks_fetch_success": 1, "jwt_cache_miss": 3}
    assert proxy.stat("cluster.keys.upstream_rq_200") == 1


@pytest.mark.parametrize("status, body", [(500, "{}"), (200, "{"), (200, ""), (200, '{"keys": []}'), (404, jwks(HS))])
def test_keys_that_cannot_be_had(either, app, keys, status, body):
    keys.status, keys.body = status, body
    proxy = remote_proxy(either, app, keys)
    answer = ask(proxy, "/", bearer(HS.token()))
    assert (answer.status, answer.body) == (401, b"Jwks remote fetch is failed")
    assert counted(proxy) == {"denied": 1, "jwks_fetch_failed": 1, "jwt_cache_miss": 1}
    keys.status, keys.body = 200, jwks(HS)
    wait_until(lambda: verdict(proxy, bearer(HS.token())) == "ok", "keys that are good")


def test_keys_end(either, app, keys):
    proxy = remote_proxy(either, app, keys, cache_duration="1s")
    assert verdict(proxy, bearer(HS.token())) == "ok"
    keys.body = jwks(ES)
    wait_until(lambda: verdict(proxy, bearer(ES.token())) == "ok", "the new keys")
    assert verdict(proxy, bearer(HS.token())) != "ok"


def test_keys_that_come_ahead(either, app, keys):
    proxy = remote_proxy(either, app, keys, async_fetch={}, cache_duration="1s")
    wait_until(lambda: counted(proxy).get("jwks_fetch_success"), "keys before any request")
    assert verdict(proxy, bearer(HS.token())) == "ok"
    keys.body = jwks(ES)
    wait_until(lambda: verdict(proxy, bearer(ES.token())) == "ok", "the next keys")


def test_a_server_of_keys_that_is_down_is_left_in_peace(start, app, keys):
    keys.status = 503
    proxy = remote_proxy(start, app, keys, async_fetch={"failed_refetch_duration": "600s"})
    wait_until(lambda: counted(proxy).get("jwks_fetch_failed"), "the first try")
    assert [verdict(proxy, bearer(HS.token())) for _ in range(5)] == ["Jwks remote fetch is failed"] * 5
    assert len(keys.requests) == 1
    assert "keys of provider 'p' (cluster 'keys'): HTTP status 503" in proxy.log_text()


def test_requests_share_a_fetch(start, app, upstream):
    free = threading.Event()

    def slowly(peer, _number):
        while peer.request():
            free.wait(20)
            peer.send(response(200, jwks(HS).encode()))

    keys = upstream(slowly)
    proxy = remote_proxy(start, app, keys)
    peers = [proxy.client() for _ in range(4)]
    for index, peer in enumerate(peers):
        token = HS.token() if index else "x"
        peer.send(f"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n{bearer(token)}\r\n\r\nabc")
    assert peers[0].response().body == FORMAT.encode()
    wait_until(lambda: proxy.stat("http.ingress.downstream_rq_active") == 3, "three that wait")
    peers[3].close()
    wait_until(lambda: proxy.stat("http.ingress.downstream_rq_active") == 2, "one less")
    free.set()
    assert [peer.response().status for peer in peers[1:3]] == [200, 200]
    assert len(keys.requests) == 1 and [request.body for request in app.requests] == [b"abc", b"abc"]


def test_verified_tokens_are_remembered(either, app):
    proxy = proxy_with(either, app, one(jwt_cache_config={"jwt_cache_size": 2}))
    first, second, third = (HS.token(sub=str(number)) for number in range(3))
    order = [first, first, second, third, second, first, first[:-4] + "AAAA", first[:-4] + "AAAA"]
    assert [verdict(proxy, bearer(token)) for token in order] == ["ok"] * 6 + [FAILS] * 2
    found = counted(proxy)
    assert (found["jwt_cache_hit"], found["jwt_cache_miss"]) == (2, 6)


def test_tokens_are_found_by_audience_though_remembered(either, app):
    check = jwt(providers={"p": provider(HS, jwt_cache_config={})}, rules=[
        {"match": {"path": "/b"}, "requires": {"provider_and_audiences": {"provider_name": "p", "audiences": ["b"]}}},
        {"match": ANYWHERE, "requires": P}])
    proxy = proxy_with(either, app, check)
    token = bearer(HS.token(aud="a"))
    assert [verdict(proxy, token, path=path) for path in ("/", "/b", "/")] == ["ok", "Audiences in Jwt are not allowed", "ok"]


def test_the_log_says_who_was_refused(start, app):
    proxy = proxy_with(start, app, one())
    ask(proxy, "/secret?x=1", BAD)
    line = wait_until(lambda: re.search(r"GET /secret of 127.0.0.1:\d+ was refused by 'jwt': Jwt is not in the form", proxy.log_text()), "a line")
    assert "x=1" not in line[0]
