"""What tests of filters share: names of types, and the parts of a bootstrap."""
FILTERS = "type.googleapis.com/envoy.extensions.filters."
HTTP_RBAC = FILTERS + "http.rbac.v3.RBAC"
ROUTE_RBAC = FILTERS + "http.rbac.v3.RBACPerRoute"
NETWORK_RBAC = FILTERS + "network.rbac.v3.RBAC"
HTTP_LIMIT = FILTERS + "http.local_ratelimit.v3.LocalRateLimit"
NETWORK_LIMIT = FILTERS + "network.local_ratelimit.v3.LocalRateLimit"
FAULT = FILTERS + "http.fault.v3.HTTPFault"
FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
ROUTER = {"name": "router", "typed_config": {"@type": FILTERS + "http.router.v3.Router"}}
# Without it Envoy's rules do not see the name that the client asked for.
INSPECTED = {"listener_filters": [{"name": "tls", "typed_config": {"@type": FILTERS + "listener.tls_inspector.v3.TlsInspector"}}]}
ANY = {"any": True}


def policy(permissions=(ANY,), principals=(ANY,)):
    return {"permissions": list(permissions), "principals": list(principals)}


def rules(action="ALLOW", **policies):
    return {"action": action, "policies": policies}


def rbac(name="rbac", disabled=None, **settings):
    found = {"name": name, "typed_config": {"@type": HTTP_RBAC, **settings}}
    return found if disabled is None else {**found, "disabled": disabled}


def route_rbac(**settings):
    """`typed_per_filter_config` of a route with rules of its own; without any, none hold there."""
    return {"@type": ROUTE_RBAC, **({"rbac": settings} if settings else {})}


def network_rbac(**settings):
    return {"name": "rbac", "typed_config": {"@type": NETWORK_RBAC, "stat_prefix": "gate", **settings}}


ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


def bucket(tokens, interval="1000s", fill=1):
    return {"max_tokens": tokens, "tokens_per_fill": fill, "fill_interval": interval}


def limit_settings(prefix="limited", tokens=2, **settings):
    return {"@type": HTTP_LIMIT, "stat_prefix": prefix, "token_bucket": bucket(tokens), "filter_enabled": ALWAYS,
            "filter_enforced": ALWAYS, **settings}


def limit(name="limit", **settings):
    return {"name": name, "typed_config": limit_settings(**settings)}


def network_limit(tokens=1, **settings):
    return {"name": "limit", "typed_config": {
        "@type": NETWORK_LIMIT, "stat_prefix": "gate", "token_bucket": bucket(tokens), **settings}}


def fault_settings(**settings):
    return {"@type": FAULT, **settings}


def fault(name="fault", **settings):
    return {"name": name, "typed_config": fault_settings(**settings)}


CORS = FILTERS + "http.cors.v3.Cors"
CORS_POLICY = FILTERS + "http.cors.v3.CorsPolicy"


def cors(name="cors"):
    return {"name": name, "typed_config": {"@type": CORS}}


def cors_policy(**settings):
    return {"@type": CORS_POLICY, **settings}


MUTATION = FILTERS + "http.header_mutation.v3.HeaderMutation"
ROUTE_MUTATION = FILTERS + "http.header_mutation.v3.HeaderMutationPerRoute"


def mutation(name="mutation", wins=None, **mutations):
    more = {} if wins is None else {"most_specific_header_mutations_wins": wins}
    return {"name": name, "typed_config": {"@type": MUTATION, "mutations": mutations, **more}}


def route_mutation(**mutations):
    return {"@type": ROUTE_MUTATION, "mutations": mutations}


def add(key, value, action="APPEND_IF_EXISTS_OR_ADD", **more):
    """One step of a header mutation."""
    return {"append": {"header": {"key": key, "value": value}, "append_action": action, **more}}


def parameter(key, value, action="APPEND_IF_EXISTS_OR_ADD"):
    """One step of a query parameter mutation."""
    return {"append": {"record": {"key": key, "value": value}, "action": action}}


HEALTH_CHECK = FILTERS + "http.health_check.v3.HealthCheck"


def health_check(name="health", passes=False, path="/hc", **settings):
    """Answers checks, which are the requests for a path."""
    headers = [{"name": ":path", "string_match": {"prefix": path}}]
    return {"name": name, "typed_config": {"@type": HEALTH_CHECK, "pass_through_mode": passes, "headers": headers, **settings}}


JWT = FILTERS + "http.jwt_authn.v3.JwtAuthentication"
ROUTE_JWT = FILTERS + "http.jwt_authn.v3.PerRouteConfig"


def jwt(name="jwt", **settings):
    return {"name": name, "typed_config": {"@type": JWT, **settings}}


def route_jwt(**settings):
    return {"@type": ROUTE_JWT, **settings}
