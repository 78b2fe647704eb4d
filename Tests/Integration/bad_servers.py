"""What servers do that do not answer a request as they should: scripts for `Upstream`."""


def silent(peer, _number):
    peer.request()
    peer.rest()


def closes(peer, _number):
    peer.request()


def resets(peer, _number):
    peer.request()
    peer.reset()


def garbage(peer, _number):
    peer.request()
    peer.send("nothing like HTTP\r\n\r\n")


def cut(peer, _number):
    peer.request()
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
