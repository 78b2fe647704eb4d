"""`outrider redirect` in network namespaces: what each tool sets, and where connections really go."""
import contextlib
import os
import pathlib
import shlex
import subprocess

import pytest
from harness import WAIT
from netns import greeter, hosts, original_destination, plain  # noqa: F401

BACKENDS = ["nft", "iptables", "iptables-nft", "iptables-legacy"]
INBOUND, OUTBOUND = 15006, 15001
OUT = ["--outbound", str(OUTBOUND), "--proxy-uid", "1337"]
IN = ["--inbound", str(INBOUND)]

everywhere = pytest.mark.parametrize("backend", BACKENDS)
families = pytest.mark.parametrize("family", ["v4", "v6"])


def redirect(host, *arguments, before=(), **settings):
    """Runs the command on a host; the finished process."""
    return subprocess.run(host.words(*before, os.environ["OUTRIDER"], "redirect", *arguments), capture_output=True, text=True,
                          timeout=60, **settings)


def done(host, *arguments, **settings):
    run = redirect(host, *arguments, **settings)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def rules(host):
    """All rules of all tools, without what counts packets or tells the time."""
    tools = [["nft", "list", "ruleset"]]
    tools += [[f"{ip}tables-{kind}-save"] for ip in ("ip", "ip6") for kind in ("legacy", "nft")]
    tools += [["ip", family, "rule"] for family in ("-4", "-6")]
    text = "\n".join(host.run(*tool) for tool in tools)
    # Tables that the tools make when they first look are nobody's rules.
    return [line for line in text.splitlines() if line.startswith("-A") or "return" in line or "redirect" in line or "fwmark" in line]


def said(sock):
    with sock:
        return sock.recv(100).decode()


@contextlib.contextmanager
def taken(server):
    """The connection that came to a listening socket, and where it wanted to go."""
    sock, _peer = server.accept()
    with sock:
        yield original_destination(sock)


# Setting, comparing, undoing.


@everywhere
@pytest.mark.parametrize("mode", ["redirect", "tproxy"])
def test_set_check_again_undo(hosts, backend, mode):
    """All that can be asked for reads back as it was written; twice is once; others' rules stay."""
    a, _b = hosts
    for tool in ("iptables-legacy", "ip6tables-nft"):
        a.run(tool, "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", "7", "-j", "RETURN")
    before = rules(a)
    wish = [*IN, *OUT, "--inbound-mode", mode, "--backend", backend, "--inbound-ports", "80,8000-8010", "--exclude-inbound-ports", "22",
            "--exclude-inbound-cidrs", "192.0.2.0/24,2001:db8::/32", "--outbound-ports", "1-65000", "--exclude-outbound-ports", "25,26",
            "--exclude-outbound-cidrs", "169.254.169.254,fd00:ec2::254", "--proxy-gid", "1337", "--proxy-mark", "1337",
            "--exclude-uids", "2000-3000", "--exclude-gids", "7"]
    missing = redirect(a, *wish, "--check")
    assert missing.returncode == 1 and "missing: " in missing.stdout
    assert f"{backend}: inbound to 15006" in done(a, *wish)
    first = rules(a)
    assert first != before
    assert "as wanted" in done(a, *wish, "--check")
    done(a, *wish)
    assert rules(a) == first
    # Another wish takes the place of the first one.
    other = [*IN, "--backend", backend]
    wrong = redirect(a, *other, "--check")
    assert wrong.returncode == 1 and "not wanted: " in wrong.stdout
    done(a, *other)
    assert "as wanted" in done(a, *other, "--check")
    assert redirect(a, *wish, "--check").returncode == 1
    assert f"{backend}: undone" in done(a, "--undo", "--backend", backend)
    assert rules(a) == before
    assert "nothing to undo" in done(a, "--undo", "--backend", backend)


def test_undo_finds_what_any_tool_has_set(hosts):
    a, _b = hosts
    before = rules(a)
    for backend in ("nft", "iptables-nft", "iptables-legacy"):
        done(a, *IN, "--inbound-mode", "tproxy", "--backend", backend)
    assert "undone" in done(a, "--undo")
    assert rules(a) == before


@everywhere
def test_dry_run_is_what_the_tool_takes(hosts, backend):
    """Without a capability it prints; what it prints does what the command does."""
    a, b = hosts
    wish = [*IN, *OUT, "--backend", backend, "--inbound-mode", "tproxy"]
    text = done(a, *wish, "--dry-run", before=["setpriv", "--bounding-set", "-net_admin,-net_raw"])
    for block in text.split("# ")[1:]:
        line, script = block.split("\n", 1)
        a.run(*shlex.split(line), input=script, stdin=None)
    done(b, *wish)
    assert rules(a) == rules(b)
    assert "as wanted" in done(a, *wish, "--check")


def test_auto_without_nft(hosts, tmp_path):
    """The first tool that works is taken; none at all is said, one by one."""
    a, _b = hosts
    nft = os.path.realpath("/usr/sbin/nft")
    hide = ["unshare", "-m", "sh", "-c", f'mount --bind /dev/null {nft} && exec "$@"', "sh"]
    assert "iptables: inbound" in done(a, *IN, before=hide)
    run = redirect(a, *IN, "--backend", "nft", before=hide)
    assert run.returncode == 1 and "nft is not installed" in run.stderr


@pytest.mark.parametrize("backend, capability", [("nft", "net_admin"), ("iptables", "net_admin"), ("auto", "net_admin"),
                                                 ("iptables-legacy", "net_raw")])
def test_the_missing_capability_is_named(hosts, backend, capability):
    a, _b = hosts
    run = redirect(a, *IN, "--backend", backend, before=["setpriv", "--bounding-set", f"-{capability}"])
    assert run.returncode == 1
    assert f"CAP_{capability.upper()} is missing" in run.stderr and "runAsUser: 0" in run.stderr
    assert not [rule for rule in rules(a) if "15006" in rule]


@pytest.mark.parametrize("was", [[], ["--inbound", "15007", "--backend", "iptables-legacy"]])
def test_a_failure_leaves_what_was_there(hosts, tmp_path, was):
    """IPv6 cannot be set: what was done for IPv4 is taken back."""
    a, _b = hosts
    if was:
        done(a, *was)
    before = rules(a)
    broken = tmp_path / "ip6tables-legacy-restore"
    broken.write_text("#!/bin/sh\necho 'no such luck' >&2\nexit 3\n")
    broken.chmod(0o755)
    run = redirect(a, *IN, *OUT, "--backend", "iptables-legacy", env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert run.returncode == 1 and "exit code 3: no such luck" in run.stderr
    assert rules(a) == before


@pytest.mark.parametrize("arguments, words", [
    ([], "nothing to redirect"), (["--outbound", "1"], "--proxy-uid"), ([*IN, "--check", "--undo"], "one of them"),
    ([*IN, "--inbound-ports", "80x"], "'80x' is neither a port"), ([*IN, "--inbound-ports", "0"], "'0' is neither a port"),
    ([*OUT, "--exclude-outbound-cidrs", "10.0.0.0/33"], "'10.0.0.0/33' is neither"),
    (["--outbound", "1", "--proxy-uid", "nobody-knows"], "'nobody-knows' is neither a number nor a name"),
    ([*IN, "--exclude-cgroups", "a b"], "cgroup 'a b'"),
])
def test_wishes_that_are_refused(arguments, words):
    run = subprocess.run([os.environ["OUTRIDER"], "redirect", *arguments], capture_output=True, text=True, timeout=60)
    assert run.returncode == 64 and words in run.stderr, run.stderr


# Where connections go.


@everywhere
@families
def test_inbound(hosts, greeter, backend, family):
    a, b = hosts
    proxy, address = b.listen(INBOUND), getattr(b, family)
    for port in (53, 22, 9000):
        greeter(b, port, f"app {port}")
    done(b, *IN, "--backend", backend, "--exclude-inbound-ports", "22")
    with a.connect(address, 9000), taken(proxy) as wanted:
        assert wanted == (address, 9000)
    # DNS and excluded ports, and what does not come from outside.
    assert said(a.connect(address, 53)) == "app 53"
    assert said(a.connect(address, 22)) == "app 22"
    assert said(b.connect(address, 9000)) == "app 9000"
    done(b, *IN, "--backend", backend, "--inbound-ports", "8000-8010", "--exclude-inbound-cidrs", "192.0.2.0/24,2001:db8::/32")
    assert said(a.connect(address, 9000)) == "app 9000"
    with a.connect(address, 8003), taken(proxy) as wanted:
        assert wanted == (address, 8003)
    done(b, *IN, "--backend", backend, "--exclude-inbound-cidrs", f"{a.v4},{a.v6}")
    assert said(a.connect(address, 9000)) == "app 9000"
    done(b, "--undo", "--backend", backend)
    assert said(a.connect(address, 9000)) == "app 9000"


@everywhere
@families
def test_outbound(hosts, greeter, backend, family):
    a, b = hosts
    proxy, address = a.listen(OUTBOUND), getattr(b, family)
    for port in (53, 25, 9000):
        greeter(b, port, f"server {port}")
    greeter(a, 9000, "neighbour")
    done(a, *OUT, "--backend", backend, "--exclude-outbound-ports", "25", "--proxy-gid", "1338", "--proxy-mark", "77",
         "--exclude-uids", "2000-2005")
    with a.connect(address, 9000), taken(proxy) as wanted:
        assert wanted == (address, 9000)
    # The proxy's own, by whatever it is known; DNS; an excluded port; and this host.
    for who in ({"user": 1337}, {"group": 1338}, {"mark": 77}, {"user": 2003}):
        assert said(a.connect(address, 9000, **who)) == "server 9000", who
    assert said(a.connect(address, 53)) == "server 53"
    assert said(a.connect(address, 25)) == "server 25"
    assert said(a.connect(getattr(a, family), 9000)) == "neighbour"
    assert said(a.connect("::1" if family == "v6" else "127.0.0.1", 9000)) == "neighbour"
    done(a, *OUT, "--backend", backend, "--exclude-outbound-cidrs", "10.77.0.0/24,fd77::/64")
    assert said(a.connect(address, 9000)) == "server 9000"
    done(a, *OUT, "--backend", backend, "--outbound-ports", "80")
    assert said(a.connect(address, 9000)) == "server 9000"


@everywhere
def test_ipv6_is_left_alone_when_asked(hosts, greeter, backend):
    a, b = hosts
    proxy = b.listen(INBOUND)
    greeter(b, 9000, "app")
    done(b, *IN, "--backend", backend, "--no-ipv6")
    assert said(a.connect(b.v6, 9000)) == "app"
    with a.connect(b.v4, 9000), taken(proxy) as wanted:
        assert wanted == (b.v4, 9000)


@everywhere
@families
def test_tproxy(hosts, greeter, backend, family):
    """The proxy has the client's connection as it is, and speaks to the app from the client's address."""
    a, b = hosts
    proxy, address, client_address = b.listen(INBOUND, transparent=True), getattr(b, family), getattr(a, family)
    app = greeter(b, 9000, "app")
    server = greeter(a, 9001, "server")
    # A connection that is there before the rules keeps working.
    early = a.connect(address, 9000)
    assert early.recv(100) == b"app"
    done(b, *IN, "--inbound-mode", "tproxy", "--backend", backend)
    client = a.connect(address, 9000)
    sock, peer = proxy.accept()
    assert (plain(sock.getsockname()[0]), sock.getsockname()[1]) == (address, 9000)
    assert plain(peer[0]) == client_address
    upstream = b.connect(address, 9000, source=client_address, mark=1338)
    assert said(upstream) == "app"
    assert app.peers[-1][0] == client_address
    # Answers to this host's own connections are none of the proxy's.
    assert said(b.connect(client_address, 9001)) == "server"
    assert server.peers
    assert said(b.connect(address, 9000)) == "app"
    for one in (client, sock, early):
        one.close()


@pytest.mark.parametrize("backend", ["nft", "iptables-nft", "iptables-legacy"])
def test_a_cgroup_is_left_alone(hosts, greeter, backend):
    """By name; a tree of its own is mounted where the tools look for it."""
    a, b = hosts
    proxy = a.listen(OUTBOUND)
    greeter(b, 9000, "server")
    name = f"outrider-test-{os.getpid()}/proxy"
    mount = ["unshare", "-m", "sh", "-c", 'mount -t cgroup2 none /sys/fs/cgroup && "$@"', "sh"]
    make = subprocess.run([*mount, "mkdir", "-p", f"/sys/fs/cgroup/{name}"], capture_output=True, text=True)
    if make.returncode != 0:
        pytest.skip(f"no cgroup v2 tree: {make.stderr}")
    try:
        done(a, *OUT, "--backend", backend, "--exclude-cgroups", f"/{name}", before=mount)
        assert "as wanted" in done(a, *OUT, "--backend", backend, "--exclude-cgroups", name, "--check", before=mount)
        ask = f"import socket; print(socket.create_connection(('{b.v4}', 9000), timeout={WAIT}).recv(100).decode())"
        inside = f"echo $$ > /sys/fs/cgroup/{name}/cgroup.procs && exec python3 -c \"$0\""
        assert a.run(*mount, "sh", "-c", inside, ask) == "server\n"
        with a.connect(b.v4, 9000), taken(proxy) as wanted:
            assert wanted == (b.v4, 9000)
    finally:
        a.run("sh", "-c", f"{os.environ['OUTRIDER']} redirect --undo")
        subprocess.run([*mount, "rmdir", f"/sys/fs/cgroup/{name}", f"/sys/fs/cgroup/{pathlib.Path(name).parent}"], capture_output=True)
