// Addresses, address ranges and socket options.
import DataPlane
import EnvoyAPI
import Glibc
import Reactor

extension SpecContext {
    /// An address to listen on, with what the file says about its socket.
    func listenAddress(_ address: API.Address, isSet: Bool = true, _ path: FieldPath) -> ListenAddress? {
        guard let found = place(address, isSet: isSet, path) else { return nil }
        var listen = ListenAddress(found)
        listen.acceptsIPv4 = address.socketAddress.ipv4Compat
        if address.pipe.mode != 0 {
            if address.pipe.path.hasPrefix("@") {
                bad(path.field("pipe.mode"), "an abstract socket has no file and so no permissions")
            }
            listen.unixMode = address.pipe.mode
        }
        return listen
    }

    /// An IP address with its port, or a Unix socket, that is not listened on. Names are refused: only clusters resolve
    /// them.
    func address(_ address: API.Address, isSet: Bool = true, _ path: FieldPath) -> SocketAddress? {
        noteListenOnly(address, path)
        return place(address, isSet: isSet, path)
    }

    /// Notes the fields of an address that only mean something to who listens on it.
    func noteListenOnly(_ address: API.Address, _ path: FieldPath) {
        if address.pipe.mode != 0 {
            report.skip(
                "Pipe.mode of a peer", reason: "permissions are set by who listens on the socket",
                path: path.field("pipe.mode"))
        }
        if address.socketAddress.ipv4Compat {
            report.skip(
                "SocketAddress.ipv4_compat of a peer", reason: "it is about what a listening socket takes",
                path: path.field("socket_address.ipv4_compat"))
        }
    }

    private func place(_ address: API.Address, isSet: Bool, _ path: FieldPath) -> SocketAddress? {
        guard isSet else {
            missing(path)
            return nil
        }
        switch address.address {
        case .socketAddress(let socket)?: return self.address(socket, path.field("socket_address"))
        case .pipe(let pipe)?: return unixAddress(pipe.path, path.field("pipe.path"))
        case .envoyInternalAddress?, nil:
            missing(path, "one of socket_address, pipe is required")
            return nil
        }
    }

    func address(_ address: API.SocketAddress, _ path: FieldPath) -> SocketAddress? {
        let port = port(address.portValue, path.field("port_value"))
        if address.address.isEmpty { return nil }
        guard let found = SocketAddress(parsing: address.address, port: port) else {
            bad(path.field("address"), "\(quotedForMessage(address.address)) is not an IP address")
            return nil
        }
        return found
    }

    func unixAddress(_ name: String, _ path: FieldPath) -> SocketAddress? {
        if name.isEmpty { return nil }
        guard name.utf8.count <= SocketAddress.maxUnixPathLength, !name.utf8.contains(0) else {
            bad(path, "a Unix socket's path has at most \(SocketAddress.maxUnixPathLength) bytes and no NUL")
            return nil
        }
        return .unix(path: name)
    }

    func range(_ range: API.CIDR, _ path: FieldPath) -> CIDRRange? {
        guard let address = IPAddress(range.addressPrefix) else {
            if !range.addressPrefix.isEmpty {
                bad(path.field("address_prefix"), "\(quotedForMessage(range.addressPrefix)) is not an IP address")
            }
            return nil
        }
        let length = Int(range.prefixLen.value)
        var bits = 128
        if case .v4 = address { bits = 32 }
        if length > bits {
            bad(path.field("prefix_len"), "must be at most \(bits) for \(range.addressPrefix), found \(length)")
        }
        if !range.hasPrefixLen, !address.isAny {
            report.warn(path: path, "without prefix_len this range is \(range.addressPrefix)/0: every address")
        }
        return CIDRRange(address, length: length)
    }

    func ranges(_ ranges: [API.CIDR], _ path: FieldPath) -> [CIDRRange] {
        ranges.enumerated().compactMap { range($1, path[$0]) }
    }

    func socketOptions(_ options: [API.SocketOption], _ path: FieldPath) -> [RawSocketOption] {
        options.enumerated().compactMap { socketOption($1, path[$0]) }
    }

    private func socketOption(_ option: API.SocketOption, _ path: FieldPath) -> RawSocketOption? {
        guard let level = Int32(exactly: option.level) else {
            bad(path.field("level"), "is out of range")
            return nil
        }
        guard let name = Int32(exactly: option.name) else {
            bad(path.field("name"), "is out of range")
            return nil
        }
        let value: RawSocketOption.Value
        switch option.value {
        case .intValue(let number)?:
            guard let number = Int32(exactly: number) else {
                bad(path.field("int_value"), "must fit 32 bits, found \(number)")
                return nil
            }
            value = .int(number)
        case .bufValue(let bytes)?: value = .bytes([UInt8](bytes))
        case nil: return nil
        }
        if option.type.hasDatagram, !option.type.hasStream {
            report.skip(
                "socket option for datagrams", reason: "there are only stream sockets here", path: path)
            return nil
        }
        return RawSocketOption(level: level, name: name, value: value, state: option.state.socketState)
    }

    func keepalive(_ options: Envoy_Config_Core_V3_TcpKeepalive) -> TCPKeepalive {
        TCPKeepalive(
            idleSeconds: options.hasKeepaliveTime ? options.keepaliveTime.value : nil,
            intervalSeconds: options.hasKeepaliveInterval ? options.keepaliveInterval.value : nil,
            probes: options.hasKeepaliveProbes ? options.keepaliveProbes.value : nil)
    }

    /// A back-off; `max` is ten times `base` where it is not set.
    func backoff(
        base: API.Duration, max: API.Duration, hasMax: Bool, _ path: FieldPath
    ) -> BackoffSpec {
        let base = amount(base)
        let most = hasMax ? amount(max) : base * 10
        if most < base { bad(path.field("max_interval"), "must be at least base_interval (\(base)), found \(most)") }
        return BackoffSpec(base: base, max: most)
    }
}

extension RawSocketOption {
    /// `tcp_fast_open_queue_length`: how many connections may bring data with their SYN; 0 switches that off.
    static func tcpFastOpen(queueLength: UInt32) -> RawSocketOption {
        RawSocketOption(
            level: Int32(IPPROTO_TCP), name: TCP_FASTOPEN, value: .int(Int32(clamping: queueLength)),
            state: .listening)
    }
}

extension API.SocketOption.SocketState {
    fileprivate var socketState: RawSocketOption.State {
        switch self {
        case .stateBound: .afterBind
        case .stateListening: .listening
        default: .beforeBind
        }
    }
}
