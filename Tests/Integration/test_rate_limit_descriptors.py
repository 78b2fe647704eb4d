"""Local rate limits by descriptors: what a request is counted as, which buckets it takes a token of, and what clients are told."""
import contextlib

import pytest
from bootstrap import bootstrap, cluster, forward, listener, manager
from filters import ROUTER, bucket, limit, limit_settings
from harness import wait_until
from test_local_rate_limit import ask, counters, direct

PLENTY = bucket(1000)


def key(value, name=None):
    return {"generic_key": {"descriptor_value": value, **({"descriptor_key": name} if name else {})}}


def header(name, descriptor_key=None, **settings):
    return {"request_headers": {"header_name": name, "descriptor_key": descriptor_key or name, **settings}}


def rule(*actions, **settings):
    return {"actions": list(actions), **settings}


def descriptor(tokens, *entries, interval="1000s"):
    """entries: (key, value), or a key that takes any value."""
    return {"entries": [{"key": one[0], "value": one[1]} if isinstance(one, tuple) else {"key": one} for one in entries],
            "token_bucket": bucket(tokens, interval)}


def limited(*descriptors, rules=(), **settings):
    return limit(token_bucket=PLENTY, descriptors=list(descriptors), rate_limits=list(rules), **settings)


def run(either, upstream, *filters, routes=None, host=None, http=None, **settings):
    """A proxy whose routes go to `app`."""
    config = manager(routes or [forward()], http_filters=[*filters, ROUTER], **(http or {}))
    config["typed_config"]["route_config"]["virtual_hosts"][0].update(host or {})
    return either(bootstrap([listener(config)], [cluster("app", upstream().port)], **settings), arguments=[
        "--service-cluster", "shop", "--service-node", "n"])


def statuses(proxy, *requests):
    """Of requests on one connection, each a path and header lines."""
    with contextlib.closing(proxy.client()) as peer:
        return [ask(peer, *one).status for one in (each if isinstance(each, tuple) else (each,) for each in requests)]


# What a request is counted as

COUNTED = {
    "generic key": (key("x"), ("generic_key", "x"), ("/",), None),
    "named key": (key("x", "k"), ("k", "x"), ("/",), None),
    "header": (header("x-user"), ("x-user", "bob"), ("/", "x-user: bob"), ("/", "x-user: eve")),
    "first of two headers": (header("x-user"), ("x-user", "bob"), ("/", "x-user: bob", "x-user: eve"),
                             ("/", "x-user: eve", "x-user: bob")),
    "path": (header(":path", "path"), ("path", "/a?b"), ("/a?b",), ("/a",)),
    "host": (header("host", "host"), ("host", "a"), ("/",), None),
    "method": (header(":method", "method"), ("method", "GET"), ("/",), None),
    "no header": (header("x-user"), ("x-user", "bob"), None, ("/",)),
    "query": ({"query_parameters": {"query_parameter_name": "u", "descriptor_key": "q"}}, ("q", "bob"),
              ("/?a=1&u=bob",), ("/?u=eve&u=bob",)),
    "escaped query": ({"query_parameters": {"query_parameter_name": "u x", "descriptor_key": "q"}}, ("q", "b ob+"),
                      ("/?u%20x=b%20ob+",), ("/?ux=b%20ob+",)),
    "client": ({"remote_address": {}}, ("remote_address", "127.0.0.1"), ("/",), None),
    "client's net": ({"masked_remote_address": {"v4_prefix_mask_len": 9}}, ("masked_remote_address", "127.0.0.0/9"),
                     ("/",), None),
    "whole net": ({"masked_remote_address": {}}, ("masked_remote_address", "127.0.0.1/32"), ("/",), None),
    "source": ({"source_cluster": {}}, ("source_cluster", "shop"), ("/",), None),
    "destination": ({"destination_cluster": {}}, ("destination_cluster", "app"), ("/",), None),
    "header match": ({"header_value_match": {"descriptor_value": "y", "headers": [
        {"name": "x-user", "string_match": {"prefix": "b"}}, {"name": "x-other", "present_match": True}]}},
        ("header_match", "y"), ("/", "x-user: bob", "x-other: 1"), ("/", "x-user: bob")),
    "no header match": ({"header_value_match": {"descriptor_key": "k", "descriptor_value": "y", "expect_match": False, "headers": [
        {"name": "x-user", "string_match": {"exact": "bob"}}]}}, ("k", "y"), ("/",), ("/", "x-user: bob")),
    "query match": ({"query_parameter_value_match": {"descriptor_value": "y", "query_parameters": [
        {"name": "u", "string_match": {"exact": "b b"}}]}}, ("query_match", "y"), ("/?u=b%20b",), ("/?u=b",)),
    "no query match": ({"query_parameter_value_match": {"descriptor_key": "k", "descriptor_value": "y", "expect_match": False,
                        "query_parameters": [{"name": "u", "present_match": True}]}}, ("k", "y"), ("/",), ("/?u",)),
}


@pytest.mark.parametrize("of_filter", [True, False], ids=["filter", "route"])
@pytest.mark.parametrize("case", COUNTED)
def test_what_a_request_is_counted_as(either, upstream, case, of_filter):
    action, entry, counted, other = COUNTED[case]
    rules = [rule(action)]
    route = {**forward(), "route": {"cluster": "app", **({} if of_filter else {"rate_limits": rules})}}
    proxy = run(either, upstream, limited(descriptor(1, entry), rules=rules if of_filter else ()), routes=[route])
    if counted:
        assert statuses(proxy, counted, counted) == [200, 429]
    if other:
        assert statuses(proxy, other, other) == [200, 200]


def test_entries_have_to_be_the_same_in_the_same_order(either, upstream):
    rules = [rule(header("a"), header("b", skip_if_absent=True), header("c"))]
    proxy = run(either, upstream, limited(
        descriptor(0 + 1, ("a", "1"), ("c", "3")), descriptor(1, ("a", "1"), ("b", "2"), ("c", "3")),
        descriptor(1, ("c", "9"), ("a", "9")), rules=rules))
    whole, short, turned = ("/", "a: 1", "b: 2", "c: 3"), ("/", "a: 1", "c: 3"), ("/", "a: 9", "c: 9")
    assert statuses(proxy, whole, short, whole, short) == [200, 200, 429, 429]
    assert statuses(proxy, turned, turned, turned) == [200] * 3
    assert statuses(proxy, ("/", "a: 1", "b: 2"), ("/", "a: 1", "b: 2")) == [200] * 2


def test_the_addresses_of_clients_come_from_trusted_headers(either, upstream):
    proxy = run(either, upstream, limited(
        descriptor(1, ("remote_address", "2001:db8::1")), descriptor(2, ("masked_remote_address", "10.1.0.0/16")),
        rules=[rule({"remote_address": {}}), rule({"masked_remote_address": {"v4_prefix_mask_len": 16}})]),
        http={"use_remote_address": False, "xff_num_trusted_hops": 0})
    v6, first, second = (("/", f"x-forwarded-for: {one}") for one in ("2001:DB8:0::1", "10.1.2.3", "10.1.4.5"))
    assert statuses(proxy, v6, v6) == [200, 429]
    assert statuses(proxy, first, second, first, second) == [200, 200, 429, 429]


# Which rules hold


@pytest.mark.parametrize("option, includes, own, expected", [
    (None, None, True, "route"), (None, None, False, "host"), (None, True, True, "both"), ("INCLUDE", None, True, "both"),
    ("IGNORE", None, True, "route"), ("IGNORE", None, False, "none"), ("IGNORE", True, True, "both"),
    ("INCLUDE", False, True, "both"), ("OVERRIDE", None, True, "route"),
])
def test_rules_of_routes_and_of_their_virtual_hosts(either, upstream, option, includes, own, expected):
    route = {"cluster": "app"}
    if own:
        route["rate_limits"] = [rule(key("route"))]
    if includes is not None:
        route["include_vh_rate_limits"] = includes
    settings = {} if option is None else {"vh_rate_limits": option}
    proxy = run(either, upstream, limited(
        descriptor(2, ("generic_key", "route")), descriptor(1, ("generic_key", "host")), **settings),
        routes=[{**forward(), "route": route}], host={"rate_limits": [rule(key("host"))]})
    allowed = {"route": 2, "host": 1, "both": 1, "none": 3}[expected]
    assert statuses(proxy, "/", "/", "/") == [200] * allowed + [429] * (3 - allowed)


def test_stages_and_filters_of_their_own(either, upstream):
    rules = [rule(key("first")), rule(key("second"), stage=2)]
    one = limit("one", prefix="one", token_bucket=PLENTY, descriptors=[
        descriptor(3, ("generic_key", "first")), descriptor(1, ("generic_key", "second"))])
    two = limit("two", prefix="two", token_bucket=PLENTY, stage=2, descriptors=[
        descriptor(1, ("generic_key", "first")), descriptor(2, ("generic_key", "second"))])
    proxy = run(either, upstream, one, two, routes=[{**forward(), "route": {"cluster": "app", "rate_limits": rules}}])
    assert statuses(proxy, *["/"] * 5) == [200, 200, 429, 429, 429]
    # The third took the last token of the first filter's before the second refused it.
    assert counters(proxy, "one") == [5, 2, 3, 2]
    assert counters(proxy, "two") == [3, 1, 2, 1]


def test_rules_of_the_filter_come_in_place_of_the_routes(either, upstream):
    route = {"cluster": "app", "rate_limits": [rule(key("route"))]}
    proxy = run(either, upstream, limited(
        descriptor(1, ("generic_key", "route")), descriptor(2, ("generic_key", "filter")), rules=[rule(key("filter"))]),
        routes=[{**forward(), "route": route}])
    assert statuses(proxy, "/", "/", "/") == [200, 200, 429]


def test_a_route_has_descriptors_of_its_own(either, upstream):
    own = limit_settings("own", 1000, descriptors=[descriptor(1, ("generic_key", "x"))])
    route = {**forward("/own"), "typed_per_filter_config": {"limit": own},
             "route": {"cluster": "app", "rate_limits": [rule(key("x"))]}}
    plain = {**forward(), "route": {"cluster": "app", "rate_limits": [rule(key("x"))]}}
    proxy = run(either, upstream, limited(descriptor(2, ("generic_key", "x"))), routes=[route, plain])
    assert statuses(proxy, "/own", "/own", "/", "/", "/") == [200, 429, 200, 200, 429]


def test_only_routes_that_forward_have_rate_limits(either, upstream):
    proxy = run(either, upstream, limited(descriptor(1, ("generic_key", "host"))), routes=[direct("/direct"), forward()],
                host={"rate_limits": [rule(key("host"))]})
    assert statuses(proxy, *["/direct"] * 3, "/nowhere", "/nowhere") == [200, 200, 200, 200, 429]


# Buckets


@pytest.mark.parametrize("always", [None, True, False])
def test_the_bucket_for_all(either, upstream, always):
    settings = {} if always is None else {"always_consume_default_token_bucket": always}
    proxy = run(either, upstream, limit(
        tokens=2, descriptors=[descriptor(10, ("a", "1"))], rate_limits=[rule(header("a"))], **settings))
    one = ("/", "a: 1")
    assert statuses(proxy, *[one] * 4) == ([200] * 4 if always is False else [200, 200, 429, 429])
    assert statuses(proxy, "/", "/", "/") == ([200, 200, 429] if always is False else [429] * 3)


def test_without_a_bucket_for_all_only_descriptors_are_limited(either, upstream):
    only = limit(descriptors=[descriptor(1, ("a", "1"))], rate_limits=[rule(header("a"))])
    del only["typed_config"]["token_bucket"]
    proxy = run(either, upstream, only)
    assert statuses(proxy, ("/", "a: 1"), ("/", "a: 1"), "/", "/") == [200, 429, 200, 200]
    assert counters(proxy) == [4, 1, 3, 1]


def test_the_slowest_is_asked_first_and_spares_the_others(either, upstream):
    told = {"enable_x_ratelimit_headers": "DRAFT_VERSION_03"}
    proxy = run(either, upstream, limited(
        descriptor(2, ("fast", "1"), interval="10s"), descriptor(1, ("slow", "1")),
        rules=[rule(header("fast")), rule(header("slow"))], **told))
    with contextlib.closing(proxy.client()) as peer:
        answers = [ask(peer, "/", *lines) for lines in (
            ["fast: 1", "slow: 1"], ["fast: 1", "slow: 1"], ["fast: 1"], ["fast: 1"], [])]
    assert [one.status for one in answers] == [200, 429, 200, 429, 200]
    assert [(one.get("x-ratelimit-limit"), one.get("x-ratelimit-remaining")) for one in answers] == [
        ("1", "0"), ("1", "0"), ("2", "0"), ("2", "0"), ("1000", "997")]
    assert [int(one.get("x-ratelimit-reset")) > 900 for one in answers] == [True, True, False, False, False]


def test_each_connection_has_its_own_buckets(either, upstream):
    proxy = run(either, upstream, limited(
        descriptor(1, ("a", "1")), descriptor(2, "b"), rules=[rule(header("a")), rule(header("b"))],
        local_rate_limit_per_downstream_connection=True))
    for _ in range(2):
        assert statuses(proxy, ("/", "a: 1"), ("/", "a: 1"), *[("/", "b: x")] * 3, ("/", "b: y")) == [200, 429, 200, 200, 429, 200]


# Any value


def test_each_value_has_its_own_bucket(either, upstream):
    proxy = run(either, upstream, limited(
        descriptor(1, "user"), descriptor(2, ("user", "vip")), descriptor(1, ("user", "x"), "zone"),
        rules=[rule(header("user"), header("zone", skip_if_absent=True))]))
    bob, eve, vip = (("/", f"user: {one}") for one in ("bob", "eve", "vip"))
    assert statuses(proxy, bob, eve, bob, eve, vip, vip, vip) == [200, 200, 429, 429, 200, 200, 429]
    assert statuses(proxy, *[("/", "user: x", f"zone: {one}") for one in "aabb"]) == [200, 429, 200, 429]
    assert statuses(proxy, *[("/", "user: y", f"zone: {one}") for one in "aa"]) == [200, 200]
    # An empty value is a value.
    assert statuses(proxy, ("/", "user:"), ("/", "user:")) == [200, 429]


def test_values_make_room_for_each_other(either, upstream):
    proxy = run(either, upstream, limited(
        descriptor(1, "user"), rules=[rule(header("user"))], max_dynamic_descriptors=2))
    a, b, c = (("/", f"user: {one}") for one in "abc")
    assert statuses(proxy, a, b, a) == [200, 200, 429]
    assert statuses(proxy, c, a) == [200, 429]  # b has gone, which was asked for before a
    assert statuses(proxy, b, a) == [200, 429]
    assert statuses(proxy, c, b) == [200, 200]


def test_buckets_hold_over_all_workers(either, upstream):
    config = manager([forward()], http_filters=[limited(descriptor(5, "user"), rules=[rule(header("user"))]), ROUTER])
    proxy = either(bootstrap([listener(config)], [cluster("app", upstream().port)]), concurrency=4)
    answers = [statuses(proxy, ("/", "user: bob"))[0] for _ in range(20)]
    assert sorted(answers) == [200] * 5 + [429] * 15


def test_values_that_make_room_are_counted_and_told_of(start, upstream):
    proxy = run(start, upstream, limited(descriptor(1, "user"), rules=[rule(header("user"))], max_dynamic_descriptors=2))
    assert statuses(proxy, *[("/", f"user: {one}") for one in "abcda"]) == [200] * 5
    assert proxy.stat("limited.http_local_rate_limit.dynamic_descriptor_evicted") == 3
    wait_until(lambda: proxy.log_text().count("more values than max_dynamic_descriptors (2)") == 1, "one line")
