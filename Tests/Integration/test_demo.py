"""`outrider demo` and `outrider certs`: the results, and that nothing stays behind."""
import os
import pathlib
import re
import signal
import ssl
import stat
import subprocess

import pytest

from harness import WAIT, wait_until


def outrider(*arguments, **settings):
    return subprocess.run(
        [os.environ["OUTRIDER"], *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        **settings)


def processes_naming(text):
    """Numbers of the processes whose command line has `text` in it."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if text.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


@pytest.fixture
def temporary(tmp_path):
    """The folder that the demo makes its own in."""
    return tmp_path, {**os.environ, "TMPDIR": str(tmp_path)}


def assert_nothing_left(folder):
    assert list(folder.iterdir()) == []
    assert processes_naming(str(folder)) == []


def test_requests_succeed_over_mtls(temporary):
    folder, environment = temporary
    run = outrider("demo", "--requests", "100", env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^100 requests: 100 succeeded, 0 failed", run.stdout, re.M)
    assert re.search(r"mTLS +[1-9]\d* handshakes? .*, 0 certificates refused", run.stdout)
    assert "called by spiffe://outrider.demo/ns/default/sa/frontend" in run.stdout
    assert re.search(r"plain text to 127\.0\.0\.1:\d+ is refused", run.stdout)
    assert re.search(r"^ +upstream_rq_retry +\+[1-9]", run.stdout, re.M), "ten percent fail, so some are retried"
    assert re.search(r"^ +downstream_rq_total +\+100$", run.stdout, re.M)
    assert "All 100 requests succeeded, all over mutual TLS." in run.stdout
    assert_nothing_left(folder)


def test_failures_fail_the_run(temporary):
    folder, environment = temporary
    run = outrider("demo", "--requests", "5", "--failures", "100", env=environment)
    assert run.returncode == 1
    assert re.search(r"^5 requests: 0 succeeded, 5 failed", run.stdout, re.M)
    assert "5 of 5 requests failed, the first one with status 503" in run.stdout
    assert_nothing_left(folder)


def test_keep_keeps_bootstraps_that_validate(temporary):
    folder, environment = temporary
    run = outrider("demo", "--requests", "1", "--failures", "0", "--keep", env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    kept = pathlib.Path(re.search(r"^Kept: (.+)$", run.stdout, re.M)[1])
    assert kept.parent == folder
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    for name in ("inbound", "outbound"):
        assert str(kept / f"{name}.yaml") in run.stdout
        assert outrider("validate", str(kept / f"{name}.yaml")).returncode == 0
    assert processes_naming(str(folder)) == []


@pytest.fixture
def live(temporary):
    """A demo that shows its figures, past its second line of them."""
    folder, environment = temporary
    process = subprocess.Popen(
        [os.environ["OUTRIDER"], "demo"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        env=environment)
    try:
        for line in process.stdout:
            if line.startswith("2 s: "):
                break
        else:
            raise AssertionError("the demo ended before it showed anything")
        yield process, folder, line
    finally:
        process.kill()
        process.wait(WAIT)
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_live_until_signal(live, number):
    process, folder, line = live
    assert re.search(r"^2 s: \d+ requests/s, p50 [\d.]+ m?s, p99 [\d.]+ m?s, 0 failed; \d+ retries/s; \d+ handshakes?", line)
    assert len(processes_naming(str(folder))) == 2
    process.send_signal(number)
    assert process.wait(WAIT) == 0
    assert_nothing_left(folder)


def test_killed_demo_takes_its_sidecars_with_it(live):
    process, folder, _line = live
    process.kill()
    process.wait(WAIT)
    wait_until(lambda: not processes_naming(str(folder)), "the sidecars' end")


def test_a_sidecar_that_dies_ends_the_demo(live):
    process, folder, _line = live
    os.kill(processes_naming(str(folder))[0], signal.SIGKILL)
    assert process.wait(WAIT) == 1
    assert_nothing_left(folder)


def test_wrong_flags():
    for arguments, message in [
        (["--requests", "0"], "--requests 0 is not in 1..."),
        (["--failures", "101"], "--failures 101 is not in 0...100"),
        (["--rate", "0"], "--rate 0 is not in 1..."),
    ]:
        run = outrider("demo", *arguments)
        assert run.returncode != 0 and message in run.stderr


def test_certs(tmp_path):
    out = tmp_path / "pki"
    run = outrider("certs", "--out", str(out), "--trust-domain", "prod.example", "--service", "api", "--days", "3")
    assert run.returncode == 0, run.stderr
    names = {"ca", "server", "client", "api"}
    assert {path.name for path in out.iterdir()} == {f"{n}.{end}" for n in names for end in ("crt", "key")}
    for name in names:
        assert stat.S_IMODE((out / f"{name}.key").stat().st_mode) == 0o600
        assert str(out / f"{name}.crt") in run.stdout
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(out / f"{name}.crt", out / f"{name}.key")
        verified = subprocess.run(
            ["openssl", "verify", "-CAfile", str(out / "ca.crt"), str(out / f"{name}.crt")], capture_output=True)
        assert verified.returncode == 0
    text = subprocess.run(
        ["openssl", "x509", "-in", str(out / "api.crt"), "-noout", "-ext", "subjectAltName"], capture_output=True,
        text=True).stdout
    assert "URI:spiffe://prod.example/ns/default/sa/api" in text
    assert "DownstreamTlsContext" in run.stdout

    before = (out / "ca.crt").read_bytes()
    again = outrider("certs", "--out", str(out), "--service", "api")
    assert again.returncode != 0 and "ca.crt" in again.stderr and "--force" in again.stderr
    assert (out / "ca.crt").read_bytes() == before
    assert outrider("certs", "--out", str(out), "--service", "api", "--force").returncode == 0
    assert (out / "ca.crt").read_bytes() != before


@pytest.mark.parametrize("arguments", [["--service", "../x"], ["--service", "ca"], ["--days", "0"], ["--trust-domain", "A"]])
def test_certs_refuses_names_it_cannot_use(tmp_path, arguments):
    run = outrider("certs", "--out", str(tmp_path / "pki"), *arguments)
    assert run.returncode != 0
    assert not (tmp_path / "pki").exists()
