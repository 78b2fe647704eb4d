"""Clients of the chaos world: good ones, which check every byte that they are answered, and bad ones."""
import contextlib
import ssl
import struct
import threading

import grpc
from chaos_servers import checksum, pattern
from harness import WAIT, connect
from http2_peers import DATA, END, END_HEADERS, GOAWAY, H2, HEADERS, PING, RST, SETTINGS, WINDOW, block, fields_of, frame, number

SIZES = (0, 1, 700, 16_384, 70_000, 300_000)
GONE = (OSError, EOFError, ssl.SSLError, AttributeError, ValueError, IndexError, AssertionError, TypeError)


class Good:
    """One client that asks again and again. `mistakes` are answers that were not its own, or none."""

    def __init__(self, world, label, count):
        self.world, self.label, self.count = world, label, count
        self.dice = world.dice_for(label)
        self.mistakes, self.served = [], 0

    def run(self):
        for turn in range(self.count):
            name = f"{self.label}-{turn}"
            try:
                self.ask(name)
                self.served += 1
            except Exception as error:  # whatever went wrong is a mistake of the proxy's
                self.mistakes.append(f"{name}: {error!r}")
        self.end()

    def end(self):
        pass

    def message(self):
        return self.dice.choice(SIZES), pattern("up" + self.label, self.dice.choice((0, 0, 1, 5000, 200_000)))

    def check(self, name, size, sent, status, get, body):
        if (status, get("x-name"), get("x-sum")) != (200, name, checksum(sent)) or body != pattern(name, size):
            raise AssertionError(f"{status} {get('x-name')} {get('x-sum')} {len(body)} of {size}: {body[:200]}")


class GoodHTTP1(Good):
    """With or without TLS; keeps its connection for some requests. A kept connection may end between two of them."""

    peer = None

    def __init__(self, world, label, count, listener, tls=None):
        super().__init__(world, label, count)
        self.listener, self.tls = listener, tls

    def open(self):
        self.peer = connect(self.world.port(self.listener))
        if self.tls:
            self.peer.sock = self.tls.wrap_socket(self.peer.sock, server_hostname="localhost")

    def ask(self, name):
        size, sent = self.message()
        is_kept = self.peer is not None
        if not is_kept:
            self.open()
        try:
            answer = self.exchange(name, size, sent)
        except (OSError, EOFError):
            self.close()
            if not is_kept:
                raise
            answer = None
        if answer is None and is_kept:
            # It was closed while nothing was under way; the request did not get there, or was not answered: asked anew.
            self.close()
            self.open()
            answer = self.exchange(name, size, sent)
        self.check(name, size, sent, answer.status, answer.get, answer.body)
        if answer.get("connection") == "close" or self.dice.random() < 0.2:
            self.close()

    def exchange(self, name, size, sent):
        peer, head = self.peer, f"/good/{name}/{size} HTTP/1.1\r\nhost: good\r\n"
        if not sent:
            peer.send(f"GET {head}\r\n")
        elif self.dice.random() < 0.5:
            peer.send(f"POST {head}content-length: {len(sent)}\r\n\r\n".encode() + sent)
        else:
            half = len(sent) // 2
            parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (sent[:half], sent[half:]) if part)
            peer.send(f"POST {head}transfer-encoding: chunked\r\n\r\n".encode() + parts + b"0\r\n\r\n")
        while answer := peer.response():
            if answer.status >= 200:
                return answer

    def close(self):
        if self.peer:
            self.peer.close()
        self.peer = None

    end = close


class GoodHTTP2(Good):
    """Several requests at once over a connection of their own; then they are read together."""

    def ask(self, name):
        h2 = H2(self.world.port("plain"), settings=b"\0\4" + number(1 << 24))
        with contextlib.closing(h2.peer):
            asked = {}
            for index in range(self.dice.randint(1, 8)):
                stream, (size, sent) = 1 + 2 * index, self.message()
                sent = sent[:5000]
                fields = [(":method", "POST" if sent else "GET"), (":scheme", "http"), (":authority", "good"),
                          (":path", f"/{self.dice.choice(('good', 'good2'))}/{name}.{index}/{size}")]
                h2.headers(stream, fields, end=not sent)
                if sent:
                    h2.send(frame(DATA, END, stream, sent))
                asked[stream] = (f"{name}.{index}", size, sent)
            for stream, (status, fields, body) in self.answers(h2, set(asked)).items():
                self.check(*asked[stream], status, dict(fields).get, body)

    def answers(self, h2, open_streams):
        found = {stream: [None, [], bytearray()] for stream in open_streams}
        while open_streams:
            got = h2.next()
            assert got, f"the connection ended before streams {open_streams}"
            kind, flags, stream, payload = got
            if kind == HEADERS:
                fields = fields_of(h2.decoder, payload)
                status = dict(fields).get(":status")
                if status and int(status) >= 200:
                    found[stream][:2] = int(status), fields
            elif kind == DATA:
                found[stream][2] += payload
            elif kind == RST:
                raise AssertionError(f"stream {stream} was reset with {struct.unpack('>I', payload)[0]}")
            if kind in (HEADERS, DATA) and flags & END:
                open_streams.discard(stream)
        return {stream: (status, fields, bytes(body)) for stream, (status, fields, body) in found.items()}


class GoodGRPC(Good):
    """Unary calls and conversations over a channel that lives as long as it likes."""

    def ask(self, name):
        with grpc.insecure_channel(f"127.0.0.1:{self.world.port('plain')}",
                                   options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            metadata = [("x-name", name)]
            body = pattern(name, self.dice.choice(SIZES))
            unary = channel.unary_unary("/s/unary")
            assert unary(body, timeout=WAIT, metadata=metadata) == body
            parts = [pattern(f"{name}{index}", self.dice.choice((0, 10, 5000))) for index in range(5)]
            talk = channel.stream_stream("/s/talk")
            assert list(talk(iter(parts), timeout=WAIT, metadata=metadata)) == [b"<" + part + b">" for part in parts]


class GoodTCP(Good):
    def ask(self, name):
        data = pattern(name, self.dice.choice((1, 5000, 400_000)))
        with contextlib.closing(connect(self.world.port("tcp"))) as peer:
            threading.Thread(target=self.send, args=(peer, data), daemon=True).start()
            assert peer.exactly(len(data)) == data
            assert peer.closed()

    @staticmethod
    def send(peer, data):
        with contextlib.suppress(OSError):
            peer.send(data)
            peer.sock.shutdown(1)


class Bad:
    """Does whatever it likes, to good servers and to bad ones. What it is answered in full must still be its own."""

    def __init__(self, world, label, count):
        self.world, self.label, self.count = world, label, count
        self.dice = world.dice_for(label)
        self.mistakes = []

    def run(self):
        moods = (self.get, self.get, self.post, self.half, self.pipeline, self.unread, self.garbage, self.http2, self.http2,
                 self.tcp, self.handshake, self.drip, self.upload)
        for turn in range(self.count):
            with contextlib.suppress(*GONE):
                self.dice.choice(moods)(f"{self.label}-{turn}")

    def connect(self, listener="plain"):
        peer = connect(self.world.port(listener))
        peer.sock.settimeout(self.dice.choice((0.05, 0.5, 2)))
        return peer

    def leave(self, peer):
        if self.dice.random() < 0.5:
            peer.reset()
        peer.close()

    def path(self, name):
        size = self.dice.choice(SIZES)
        return f"/{self.dice.choice(('bad', 'bad', 'bad2', 'mixed', 'good'))}/{name}/{size}"

    def check(self, name, answer):
        """A whole 200 with a name is the asked one's."""
        if answer and answer.status == 200 and answer.get("x-name"):
            size = answer.get("x-size", str(len(answer.body)))
            if answer.get("x-name") != name or size != "endless" and answer.body != pattern(name, int(size)):
                self.mistakes.append(f"{name}: {answer.get('x-name')} {size} {len(answer.body)} {answer.body[:80]}")

    def get(self, name):
        peer = self.connect()
        peer.send(f"GET {self.path(name)} HTTP/1.1\r\nhost: bad\r\n\r\n")
        while (answer := peer.response()) and answer.status < 200:
            pass
        self.check(name, answer)
        self.leave(peer)

    def post(self, name):
        peer = self.connect("small")
        body = b"p" * self.dice.choice((1, 5000, 500_000))
        peer.send(f"POST {self.path(name)} HTTP/1.1\r\nhost: bad\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        while (answer := peer.response()) and answer.status < 200:
            pass
        self.check(name, answer)
        self.leave(peer)

    def upload(self, name):
        """Begins an upload, and gives it up."""
        peer = self.connect("small")
        peer.send(f"POST {self.path(name)} HTTP/1.1\r\nhost: bad\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n")
        for _ in range(self.dice.randint(0, 20)):
            peer.send(b"1000\r\n" + b"u" * 4096 + b"\r\n")
        if self.dice.random() < 0.3:
            peer.send(b"zz\r\n")
        self.leave(peer)

    def half(self, name):
        peer = self.connect()
        text = f"GET {self.path(name)} HTTP/1.1\r\nhost: bad\r\nx: y\r\n\r\n"
        peer.send(text[:self.dice.randrange(len(text))])
        self.leave(peer)

    def pipeline(self, name):
        """Many at once; reads some of them."""
        peer = self.connect(self.dice.choice(("plain", "small")))
        count = self.dice.randint(2, 20)
        peer.send("".join(f"GET {self.path(f'{name}.{turn}')} HTTP/1.1\r\nhost: bad\r\n\r\n" for turn in range(count)))
        for turn in range(self.dice.randint(0, count)):
            while (answer := peer.response()) and answer.status < 200:
                pass
            self.check(f"{name}.{turn}", answer)
        self.leave(peer)

    def unread(self, name):
        peer = self.connect()
        peer.send(f"GET /{self.dice.choice(('good', 'bad'))}/{name}/3000000 HTTP/1.1\r\nhost: bad\r\n\r\n")
        peer.fill()
        self.world.pause(self.dice.random() * 0.2)
        self.leave(peer)

    def garbage(self, _name):
        peer = self.connect(self.dice.choice(("plain", "tls", "tcp", "small")))
        peer.send(self.dice.randbytes(self.dice.choice((1, 100, 20_000))))
        self.leave(peer)

    def drip(self, name):
        peer = self.connect()
        for byte in f"GET {self.path(name)} HTTP/1.1\r\nhost: bad\r\n\r\n"[:self.dice.randrange(80)]:
            peer.send(byte)
        self.leave(peer)

    def handshake(self, name):
        """TLS that is cut at a random point."""
        outgoing = ssl.MemoryBIO()
        client = self.world.tls.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        hello = outgoing.read()
        peer = self.connect("tls")
        peer.send(hello[:self.dice.randrange(len(hello) + 1)] + self.dice.randbytes(self.dice.choice((0, 0, 50))))
        self.leave(peer)

    def tcp(self, name):
        peer = self.connect(self.dice.choice(("tcp", "badtcp")))
        peer.send(pattern(name, self.dice.choice((1, 5000, 2_000_000))))
        if self.dice.random() < 0.5:
            peer.sock.shutdown(1)
            peer.fill()
        self.leave(peer)

    def http2(self, name):
        """Streams that are begun, reset, starved and forgotten, and frames that nobody expects."""
        h2 = H2(self.world.port(self.dice.choice(("plain", "small"))),
                settings=b"\0\4" + number(self.dice.choice((0, 1, 65_535, 1 << 20))), window=self.dice.random() < 0.5)
        peer = h2.peer
        peer.sock.settimeout(0.5)
        for index in range(self.dice.randint(1, 20)):
            stream = 1 + 2 * index
            fields = [(":method", self.dice.choice(("GET", "POST", "HEAD", "CONNECT"))), (":scheme", "http"),
                      (":path", self.path(f"{name}.{index}")), (":authority", "bad")]
            if self.dice.random() < 0.1:
                fields.append(self.dice.choice([("content-length", "7"), ("te", "gzip"), ("connection", "close"), ("x", "a\r\nb"),
                                                (":path", "/again"), ("X-Upper", "1")]))
            h2.headers(stream, fields, end=self.dice.random() < 0.5)
            match self.dice.randrange(8):
                case 0: h2.send(frame(RST, 0, stream, number(8)))
                case 1: h2.send(frame(DATA, self.dice.choice((0, END)), stream, b"d" * self.dice.choice((0, 1, 16_000))))
                case 2: h2.send(frame(WINDOW, 0, self.dice.choice((0, stream)), number(self.dice.choice((1, 1 << 20, (1 << 31) - 1)))))
                case 3: h2.send(frame(SETTINGS, 0, 0, b"\0\4" + number(self.dice.choice((0, 1, 1 << 20)))))
                case 4: h2.send(frame(self.dice.randrange(256), self.dice.randrange(256), self.dice.choice((0, stream, 9999)),
                                      self.dice.randbytes(self.dice.randrange(30))))
                case 5: h2.send(frame(PING, 0, 0, b"\0" * 8) * 50)
                case 6 if self.dice.random() < 0.2: h2.send(frame(GOAWAY, 0, 0, number(0) + number(0)))
                case 7: h2.send(frame(HEADERS, END_HEADERS | END, stream, block(("x-trailer", "1"))))
        with contextlib.suppress(*GONE):
            for _ in range(self.dice.randrange(30)):
                h2.next()
        self.leave(peer)
