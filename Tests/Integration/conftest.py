"""Fixtures: proxies and upstreams that end with their test, and certificates of its own."""
import contextlib
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import Proxy, Upstream, ok_upstream  # noqa: E402
from pki import Authority, Files  # noqa: E402

ENVOY = pathlib.Path(sys.executable).with_name("envoy")


@pytest.fixture
def start():
    """start(config, ...) -> a running Outrider."""
    with contextlib.ExitStack() as stack:

        def launch(config, **settings):
            proxy = Proxy(config, **settings)
            stack.callback(proxy.stop)
            return proxy

        yield launch


@pytest.fixture
def start_envoy(start):
    """The same for the real Envoy."""
    return lambda config, **settings: start(config, binary=str(ENVOY), **settings)


@pytest.fixture(params=["outrider", "envoy"])
def either(request, start, start_envoy):
    """The same test for both proxies."""
    return start if request.param == "outrider" else start_envoy


@pytest.fixture
def upstream():
    """upstream(script) -> a scripted server; without a script it answers 200 "hello"."""
    with contextlib.ExitStack() as stack:

        def launch(script=None, tls=None):
            server = Upstream(script, tls) if script else ok_upstream()
            stack.callback(server.close)
            return server

        yield launch


@pytest.fixture
def named():
    """named(b"x") -> a server that answers with its name."""
    with contextlib.ExitStack() as stack:

        def launch(name):
            server = ok_upstream(name)
            stack.callback(server.close)
            return server

        yield launch


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "mounted")


@pytest.fixture
def ca(tmp_path):
    return Authority(tmp_path, "first ca")


@pytest.fixture
def other_ca(tmp_path):
    return Authority(tmp_path, "second ca")
