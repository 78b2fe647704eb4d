"""`local_reply_config`: both proxies get the same file and the same requests, and have to answer the same."""
import pytest
from bootstrap import http
from conftest import ENVOY


def direct(path, status, body=None):
    answer = {"status": status, **({"body": {"inline_string": body}} if body else {})}
    return {"match": {"path": path}, "direct_response": answer}


def status_is(code):
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": {"default_value": code, "runtime_key": "none"}}}}


ROUTES = [
    {**direct("/typed", 200, "typed"), "response_headers_to_add": [
        {"header": {"key": "content-type", "value": "text/x"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]},
    direct("/plain", 418, "tea"), direct("/empty", 404), direct("/status", 500, "given"), direct("/format", 501, "given"),
    direct("/header", 502, "given"), {"match": {"path": "/away"}, "redirect": {"path_redirect": "/x"}},
]
MAPPERS = [
    {"filter": status_is(500), "status_code": 555, "body": {"inline_string": "mapped"}, "headers_to_add": [
        {"header": {"key": "x-was", "value": "%RESPONSE_CODE% %RESP(:status)%"}}]},
    {"filter": status_is(501), "body": {"inline_string": "M"}, "body_format_override": {
        "text_format": "<%LOCAL_REPLY_BODY%|%RESPONSE_CODE%|%REQ(:PATH)%|%RESPONSE_CODE_DETAILS%>",
        "content_type": "text/html; charset=UTF-8"}},
    {"filter": {"header_filter": {"header": {"name": ":path", "string_match": {"exact": "/header"}}}}, "status_code": 200,
     "headers_to_add": [{"header": {"key": "x-a", "value": "1"}}]},
    {"filter": status_is(404), "body_format_override": {"text_format": "nothing here"}},
]
FORMATS = {
    "none": {},
    "json": {"body_format": {"json_format": {"body": "%LOCAL_REPLY_BODY%", "code": "%RESPONSE_CODE%", "path": "%REQ(:PATH)%"}}},
    "text": {"body_format": {"text_format": "[%LOCAL_REPLY_BODY%]\n"}},
}
REQUESTS = [
    (method, path, fields)
    for path in ("/typed", "/plain", "/empty", "/status", "/format", "/header", "/away", "/nowhere")
    for method, fields in (("GET", ""), ("POST", "content-type: application/grpc\r\ncontent-length: 0\r\n"), ("HEAD", ""))
    if (method, path) != ("HEAD", "/away")  # Envoy says `transfer-encoding: chunked` to a HEAD without a body
]


def answers(proxy):
    found = []
    for method, path, fields in REQUESTS:
        client = proxy.client()
        client.send(f"{method} {path} HTTP/1.1\r\nhost: a\r\n{fields}\r\n")
        answer = client.response(head_only=method == "HEAD")
        kept = sorted((name, value) for name, value in answer.headers if name not in ("date", "server"))
        # What stands behind Envoy's words is ours: which route and which setting.
        body = b"" if path == "/nowhere" else answer.body
        found.append((method, path, answer.status, kept, body))
        client.close()
    return found


@pytest.mark.skipif(not ENVOY.exists(), reason="no Envoy")
@pytest.mark.parametrize("name", FORMATS)
def test_answers_are_envoys(start, start_envoy, name):
    config = http(ROUTES, local_reply_config={"mappers": MAPPERS, **FORMATS[name]})
    ours, theirs = answers(start(config)), answers(start_envoy(config))
    assert ours == theirs


def test_a_malformed_request_is_mapped_too(start):
    proxy = start(http(ROUTES, local_reply_config={"mappers": [
        {"filter": status_is(400), "status_code": 422, "body_format_override": {"json_format": {"p": "%REQ(:PATH)%"}}}]}))
    client = proxy.client()
    client.send("GET /x HTTP/1.1\r\nhost: a\r\nbad header: 1\r\n\r\n")
    answer = client.response()
    assert (answer.status, answer.get("content-type"), answer.body) == (422, "application/json", b'{"p":null}\n')
    assert client.closed()
