"""Filters before the router whose routes come by RDS: what routes change about filters holds from the next request on, and
has to be meant for the filters of everybody who serves by them."""
import contextlib

import pytest
from bootstrap import cluster, forward, listener
from control_plane import LISTENER, ROUTES
from filters import FILTER_CONFIG, ROUTER, limit, limit_settings, rbac, route_rbac, rules
from harness import wait_until
from xds_world import VARIANTS, Planned, ask, body, direct, rds_manager, routes, wait_body


@pytest.fixture(params=[*VARIANTS])
def world(request):
    made = Planned(**VARIANTS[request.param])
    yield made
    made.plane.stop()


@pytest.fixture
def aggregated():
    made = Planned()
    yield made
    made.plane.stop()


def listen(world, *filters, name="main", **settings):
    return listener(rds_manager(world, http_filters=[*filters, ROUTER], **settings), name)


def changed(text, **overrides):
    """A route that answers with `text`, and changes filters."""
    return {**direct(text), "typed_per_filter_config": overrides}


DENIED, OPEN = {"rules": rules()}, route_rbac()
OFF = {"@type": FILTER_CONFIG, "disabled": True}


def test_routes_change_filters_under_a_connection(either, world):
    world.put(ROUTES, routes(direct("one")))
    world.put(LISTENER, listen(world, rbac(**DENIED), limit(tokens=1)))
    proxy = either(world.bootstrap())
    wait_until(lambda: body(proxy) == 403, "nobody is let in")
    with contextlib.closing(proxy.client()) as peer:
        assert ask(peer).status == 403
        world.put(ROUTES, routes(changed("two", rbac=OPEN, limit=limit_settings("own", 2))))
        wait_until(lambda: ask(peer).status == 200, "the route's own rules")
        # Its own limit has counted none of the refused ones: of two tokens one is left.
        assert [ask(peer).status for _ in range(3)] == [200, 429, 429]
        world.put(ROUTES, routes(changed("three", rbac=OPEN, limit=OFF)))
        wait_until(lambda: ask(peer).body == b"three", "no limit")
        assert {ask(peer).status for _ in range(5)} == {200}
        world.put(ROUTES, routes(changed("four", limit=OFF)))
        wait_until(lambda: ask(peer).status == 403, "the connection manager's own rules")
    assert proxy.stat("own.http_local_rate_limit.rate_limited") >= 2
    assert proxy.stat("limited.http_local_rate_limit.enabled") == 0


def test_each_connection_manager_reads_the_same_routes_with_its_own_filters(either, aggregated):
    aggregated.put(ROUTES, routes(changed("open", first=OFF)))
    aggregated.put(LISTENER, listen(aggregated, rbac("first", **DENIED)),
                   listen(aggregated, rbac("second", **DENIED), name="other"), listen(aggregated, name="plain"))
    proxy = either(aggregated.bootstrap())
    wait_body(proxy, b"open")
    wait_until(lambda: body(proxy, name="other") == 403, "the other's own rules")
    wait_body(proxy, b"open", name="plain")
    aggregated.put(ROUTES, routes(changed("turned", second=OPEN)))
    wait_body(proxy, b"turned", name="other")
    wait_until(lambda: body(proxy) == 403, "the first's own rules")
    wait_body(proxy, b"turned", name="plain")


# The real Envoy takes what follows, and then serves as if it were not there.


@pytest.mark.parametrize("place", ["routes", "virtual host", "route", "weighted cluster"])
def test_routes_that_change_another_filter_are_refused(start, world, place):
    world.put(ROUTES, routes(direct("one")))
    world.put(LISTENER, listen(world, limit(tokens=1000), server_name="here"))
    proxy = start(world.bootstrap([cluster("app", 1)]))
    wait_body(proxy, b"one")
    wrong, path = {"limit": OPEN}, ""
    if place == "routes":
        broken = routes(direct("two"), typed_per_filter_config=wrong)
    else:
        broken = routes(forward() if place == "weighted cluster" else direct("two"))
        at = broken["virtual_hosts"][0]
        path = "virtual_hosts[0]."
        if place != "virtual host":
            at, path = at["routes"][0], path + "routes[0]."
        if place == "weighted cluster":
            at["route"] = {"weighted_clusters": {"clusters": [{"name": "app", "weight": 1}]}}
            at, path = at["route"]["weighted_clusters"]["clusters"][0], path + "route.weighted_clusters.clusters[0]."
        at["typed_per_filter_config"] = wrong
    world.put(ROUTES, broken)
    error = world.plane.wait_nack(ROUTES).message
    assert f"rds 'routes': {path}typed_per_filter_config" in error
    assert "RBACPerRoute is not for the filter \"limit\"" in error
    assert body(proxy) == b"one"
    assert proxy.stat("http.ingress.rds.routes.update_rejected") >= 1
    world.put(ROUTES, routes(changed("three", limit=OFF)))
    wait_body(proxy, b"three")


def test_routes_have_to_fit_everybody_who_serves_by_them(start, aggregated):
    aggregated.put(ROUTES, routes(direct("one")))
    aggregated.put(LISTENER, listen(aggregated, rbac("gate", shadow_rules=rules())),
                   listen(aggregated, limit("gate", tokens=1000), name="other"))
    proxy = start(aggregated.bootstrap())
    wait_body(proxy, b"one")
    wait_body(proxy, b"one", name="other")
    aggregated.put(ROUTES, routes(changed("two", gate=OPEN)))
    assert "RBACPerRoute is not for the filter \"gate\"" in aggregated.plane.wait_nack(ROUTES).message
    assert (body(proxy), body(proxy, name="other")) == (b"one", b"one")
    aggregated.remove(LISTENER, "other")
    aggregated.plane.wait_ack(LISTENER)
    aggregated.put(ROUTES, routes(changed("three", gate=OPEN)))
    wait_body(proxy, b"three")


def test_a_listener_that_does_not_fit_the_routes_is_refused(start, world):
    world.put(ROUTES, routes(changed("one", gate=OPEN)))
    world.put(LISTENER, listen(world, rbac("gate", **DENIED)))
    proxy = start(world.bootstrap())
    wait_body(proxy, b"one")
    world.put(LISTENER, listen(world, limit("gate", tokens=1), name="other"))
    error = world.plane.wait_nack(LISTENER).message
    assert "lds 'other'" in error
    assert "rds 'routes': virtual_hosts[0].routes[0].typed_per_filter_config" in error
    assert "RBACPerRoute is not for the filter \"gate\"" in error
    assert body(proxy, name="other") is None
    assert body(proxy) == b"one"
    world.put(LISTENER, listen(world, rbac("gate", **DENIED), name="other"))
    wait_body(proxy, b"one", name="other")
