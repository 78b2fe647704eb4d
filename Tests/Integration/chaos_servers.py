"""Servers of the chaos world: good ones, whose every answer tells whose it is, and bad ones, which do whatever they like."""
import hashlib
import random
import re
import struct
import threading

from http2_peers import (
    CONTINUATION, DATA, END, END_HEADERS, GOAWAY, HEADERS, PING, RST, SETTINGS, WINDOW, H2Peer, block, fields_of, frame, number)


def pattern(name, size):
    """The body that belongs to a name: no two names share one, so that a mix-up is seen."""
    line = hashlib.sha256(name.encode()).hexdigest().encode() + b"\n"
    return (line * (size // len(line) + 1))[:size]


def checksum(data):
    return hashlib.sha1(data).hexdigest()


class Dice(random.Random):
    """For several threads."""

    def __init__(self, seed):
        super().__init__(seed)
        self.lock = threading.Lock()

    def draw(self, *choices):
        with self.lock:
            return self.choice(choices)

    def number(self, below):
        with self.lock:
            return self.randrange(below)


def asked(path):
    """The name and the size that a path asks for: /NAME/SIZE."""
    _, name, size = path.split("/")[:3]
    return name, int(size)


def good(dice):
    """Answers `/NAME/SIZE` with the body of the name, framed in one way or another."""

    def script(peer, _number):
        while request := peer.request():
            name, size = asked(request.path)
            body, head = pattern(name, size), f"x-name: {name}\r\nx-sum: {checksum(request.body)}\r\n"
            style = dice.draw("length", "length", "chunked", "trailers", "close", "hints")
            if style == "hints":
                peer.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
            if style in ("length", "hints"):
                peer.send(f"HTTP/1.1 200 OK\r\n{head}content-length: {size}\r\n\r\n".encode() + body)
            elif style == "close":
                return peer.send(f"HTTP/1.1 200 OK\r\n{head}connection: close\r\n\r\n".encode() + body)
            else:
                step = dice.draw(100, 5000, 70_000)
                parts = [body[at:at + step] for at in range(0, size, step)]
                chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
                end = b"0\r\nx-end: 1\r\n\r\n" if style == "trailers" else b"0\r\n\r\n"
                peer.send(f"HTTP/1.1 200 OK\r\n{head}transfer-encoding: chunked\r\n\r\n".encode() + chunks + end)

    return script


def bad(dice, calm):
    """The same path, and every way to answer it wrong. A 200 with a name has that name's body, as far as it goes."""

    def script(peer, _number):
        while head := peer.until(b"\r\n\r\n"):
            if not head.startswith((b"GET /", b"POST /")):
                return  # what is left of a body
            name, size = asked(head.decode("latin-1").split(" ")[1])
            mood = "whole" if calm.is_set() else dice.draw(
                "whole", "whole", "early", "reset", "close", "cut head", "cut body", "cut chunks", "only head", "stall", "long",
                "short", "storm", "garbage", "503", "endless", "late 408", "twice", "reset body")
            body, start = pattern(name, size), f"HTTP/1.1 200 OK\r\nx-name: {name}\r\nx-size: "
            whole = f"{start}{size}\r\ncontent-length: {size}\r\n\r\n".encode() + body
            match mood:
                case "whole" | "early": peer.send(whole)
                case "twice": peer.send(whole + whole)
                case "reset": return peer.reset()
                case "close": return
                case "cut head": return peer.send(whole[:dice.number(60)])
                case "cut body": return peer.send(whole[:len(whole) - dice.number(size + 1)])
                case "reset body":
                    peer.send(whole[:len(whole) - dice.number(size + 1)])
                    return peer.reset()
                case "cut chunks":
                    return peer.send(f"{start}{size}\r\ntransfer-encoding: chunked\r\n\r\n{size + 10:x}\r\n".encode() + body)
                case "only head": return peer.send(whole[:whole.index(b"\r\n\r\n") + 4])
                case "stall": return peer.rest()
                case "long": peer.send(whole + b"z" * 1000)
                case "short":
                    peer.send(f"{start}{size // 2}\r\ncontent-length: {size // 2}\r\n\r\n".encode() + body)
                case "storm":
                    peer.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 500 + whole)
                case "garbage": return peer.send("no HTTP at all\r\n\r\n" * 20)
                case "503": peer.send("HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno")
                case "late 408":
                    peer.send(whole + b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                    return
                case "endless":
                    peer.send(f"{start}endless\r\ntransfer-encoding: chunked\r\n\r\n")
                    while True:
                        peer.send(b"400\r\n" + b"e" * 1024 + b"\r\n")
            # What is left of a request with a body is no head: such a connection serves one request.
            if not head.startswith(b"GET"):
                return

    return script


class H2Side:
    """The server's end of an HTTP/2 connection, with wide open windows."""

    def __init__(self, peer):
        self.h2 = H2Peer(peer, settings=b"\0\4" + number(1 << 30))
        self.peer = peer
        peer.send(frame(WINDOW, payload=number(1 << 30)))
        self.paths, self.bodies = {}, {}

    def requests(self):
        """(stream, path, body) as they are whole."""
        while found := self.h2.next():
            kind, flags, stream, payload = found
            if kind == HEADERS and stream not in self.paths:
                self.paths[stream] = dict(fields_of(self.h2.decoder, payload))[":path"]
                self.bodies[stream] = b""
            elif kind == HEADERS:
                fields_of(self.h2.decoder, payload)
            elif kind == DATA:
                self.bodies[stream] += payload
                self.peer.send(frame(WINDOW, payload=number(max(1, len(payload)))))
            elif kind == RST:
                self.paths.pop(stream, None)
            if kind in (HEADERS, DATA) and flags & END and stream in self.paths:
                yield stream, self.paths.pop(stream), self.bodies.pop(stream)

    def answer(self, stream, fields, body, ends=True):
        self.peer.send(frame(HEADERS, END_HEADERS, stream, block(*fields)))
        for at in range(0, len(body), 16_384):
            self.peer.send(frame(DATA, 0, stream, body[at:at + 16_384]))
        if ends:
            self.peer.send(frame(DATA, END, stream))


def good_h2(peer, _number):
    side = H2Side(peer)
    for stream, path, body in side.requests():
        name, size = asked(path)
        side.answer(stream, [(":status", "200"), ("x-name", name), ("x-sum", checksum(body))], pattern(name, size))


def bad_h2(dice, calm):
    def script(peer, _number):
        side = H2Side(peer)
        for stream, path, _body in side.requests():
            name, size = asked(path)
            fields = [(":status", "200"), ("x-name", name), ("x-size", str(size))]
            mood = "whole" if calm.is_set() else dice.draw(
                "whole", "whole", "refused", "reset", "reset body", "goaway", "goaway mid", "close", "cut", "wrong length",
                "odd frames", "storm", "no status", "stall", "ping flood")
            match mood:
                case "whole": side.answer(stream, fields, pattern(name, size))
                case "refused": peer.send(frame(RST, 0, stream, number(7)))
                case "reset": peer.send(frame(RST, 0, stream, number(dice.number(14))))
                case "reset body":
                    side.answer(stream, fields, pattern(name, size)[:size // 2], ends=False)
                    peer.send(frame(RST, 0, stream, number(2)))
                case "goaway":
                    peer.send(frame(GOAWAY, 0, 0, number(max(0, stream - 2)) + number(0)))
                case "goaway mid":
                    peer.send(frame(GOAWAY, 0, 0, number(stream) + number(0)))
                    side.answer(stream, fields, pattern(name, size))
                case "close": return peer.reset()
                case "cut":
                    side.answer(stream, fields, pattern(name, size)[:size // 2], ends=False)
                    return
                case "wrong length":
                    side.answer(stream, [*fields, ("content-length", str(size + 1))], pattern(name, size))
                case "odd frames":
                    peer.send(frame(dice.number(256), dice.number(256), dice.draw(0, stream, stream + 2), b"\0" * dice.number(40)))
                case "storm":
                    for _ in range(200):
                        peer.send(frame(HEADERS, END_HEADERS, stream, block((":status", "103"), ("link", "</a>"))))
                    side.answer(stream, fields, pattern(name, size))
                case "no status": peer.send(frame(HEADERS, END_HEADERS | END, stream, block(("x-name", name))))
                case "ping flood": peer.send(frame(PING, 0, 0, b"\0" * 8) * 3000)
                case "stall": pass

    return script


def echo(peer, _number):
    """TCP: everything comes back."""
    while peer.fill():
        peer.send(peer.buffer)
        peer.buffer = b""


def bad_echo(dice):
    def script(peer, _number):
        peer.fill()
        match dice.draw("reset", "close", "half", "flood"):
            case "reset": peer.reset()
            case "half": peer.send(peer.buffer[:len(peer.buffer) // 2])
            case "flood": peer.send(b"f" * 3_000_000)

    return script
