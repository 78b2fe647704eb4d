// An address to listen on, with what belongs to its socket.
import Reactor

/// One address of a listener or of the admin port.
public struct ListenAddress: Sendable {
    public var address: SocketAddress
    public var socketOptions: SocketOptions
    /// `Pipe.mode`: permission bits of the socket's file; nil leaves the umask's.
    public var unixMode: UInt32?
    /// `ipv4_compat`: an IPv6 socket takes IPv4 connections too.
    public var acceptsIPv4 = false

    public init(_ address: SocketAddress, socketOptions: SocketOptions = SocketOptions()) {
        self.address = address
        self.socketOptions = socketOptions
    }

    /// As the reactor wants it.
    public var listenOptions: ListenOptions {
        var options = ListenOptions()
        options.socket = socketOptions
        options.unixMode = unixMode
        options.acceptsIPv4 = acceptsIPv4
        return options
    }
}
