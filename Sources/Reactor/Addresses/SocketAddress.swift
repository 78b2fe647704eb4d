// Addresses of sockets: IPv4, IPv6 and Unix, to and from the kernel's form.
import CLinux
import Glibc

/// Where a socket is bound or connected to.
public enum SocketAddress: Hashable, Sendable {
    case v4(IPv4Address, port: UInt16)
    /// `scope` is the interface index of link-local addresses, otherwise 0. In this order it takes 24 bytes and not 32.
    case v6(IPv6Address, scope: UInt32, port: UInt16)
    /// A path, or a name in the abstract namespace when it begins with "@". Empty for an unnamed socket.
    case unix(path: String)

    /// The longest path of a Unix socket, in bytes.
    public static let maxUnixPathLength = 107

    /// An address and a port.
    public init(_ ip: IPAddress, port: UInt16) {
        switch ip {
        case .v4(let address): self = .v4(address, port: port)
        case .v6(let address): self = .v6(address, scope: 0, port: port)
        }
    }

    /// "192.0.2.1", "2001:db8::1", "[2001:db8::1]" or "fe80::1%eth0", with the port given apart.
    public init?(parsing text: String, port: UInt16) {
        var text = Substring(text)
        if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
        if let percent = text.firstIndex(of: "%") {
            guard let address = IPv6Address(String(text[..<percent])) else { return nil }
            let zone = String(text[text.index(after: percent)...])
            let scope = UInt32(zone) ?? if_nametoindex(zone)
            guard scope != 0 else { return nil }
            self = .v6(address, scope: scope, port: port)
            return
        }
        guard let ip = IPAddress(String(text)) else { return nil }
        self.init(ip, port: port)
    }

    /// "192.0.2.1:80" or "[2001:db8::1]:80": an IP address and a port, nothing else.
    public init?(_ text: String) {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { return nil }
        let digits = text[text.utf8.index(after: colon)...]
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else { return nil }
        let host = text[..<colon]
        // An IPv6 address stands in brackets, and only one does.
        let ip = IPAddress(
            host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : String(host))
        switch ip {
        case .v4? where !host.hasPrefix("["), .v6? where host.hasPrefix("["): break
        default: return nil
        }
        guard let ip else { return nil }
        self.init(ip, port: port)
    }

    /// The IP address; nil for Unix sockets.
    public var ip: IPAddress? {
        switch self {
        case .v4(let address, _): return .v4(address)
        case .v6(let address, _, _): return .v6(address)
        case .unix: return nil
        }
    }

    /// The port; 0 for Unix sockets.
    public var port: UInt16 {
        switch self {
        case .v4(_, let port), .v6(_, _, let port): return port
        case .unix: return 0
        }
    }

    /// The same address with another port; Unix sockets stay as they are.
    public func with(port: UInt16) -> SocketAddress {
        switch self {
        case .v4(let address, _): return .v4(address, port: port)
        case .v6(let address, let scope, _): return .v6(address, scope: scope, port: port)
        case .unix: return self
        }
    }

    /// The IPv4 address where this is one in IPv6 form (`::ffff:192.0.2.1`).
    public var unmapped: SocketAddress {
        guard case .v6(let address, _, let port) = self, let mapped = address.mappedIPv4 else { return self }
        return .v4(mapped, port: port)
    }

    /// True for Unix sockets.
    public var isUnix: Bool {
        if case .unix = self { return true }
        return false
    }

    /// True for loopback addresses and for Unix sockets.
    public var isLoopback: Bool { ip?.isLoopback ?? true }

    /// AF_INET, AF_INET6 or AF_UNIX.
    var family: Int32 {
        switch self {
        case .v4: return AF_INET
        case .v6: return AF_INET6
        case .unix: return AF_UNIX
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// "192.0.2.1:80", "[2001:db8::1]:80", or the path.
    public var description: String {
        switch self {
        case .v4(let address, let port): return "\(address):\(port)"
        case .v6(let address, let scope, let port):
            return scope == 0 ? "[\(address)]:\(port)" : "[\(address)%\(scope)]:\(port)"
        case .unix(let path): return path
        }
    }
}

extension SocketAddress {
    /// Runs `body` with the kernel's form. A Unix path that is too long gives nil (`maxUnixPathLength`).
    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result? {
        var storage = sockaddr_storage()
        let length: Int
        switch self {
        case .v4(let address, let port):
            var raw = sockaddr_in()
            raw.sin_family = sa_family_t(AF_INET)
            raw.sin_port = port.bigEndian
            raw.sin_addr = address.raw
            length = MemoryLayout<sockaddr_in>.size
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: raw, as: sockaddr_in.self) }
        case .v6(let address, let scope, let port):
            var raw = sockaddr_in6()
            raw.sin6_family = sa_family_t(AF_INET6)
            raw.sin6_port = port.bigEndian
            raw.sin6_addr = address.raw
            raw.sin6_scope_id = scope
            length = MemoryLayout<sockaddr_in6>.size
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: raw, as: sockaddr_in6.self) }
        case .unix(let path):
            var bytes = Array(path.utf8)
            guard bytes.count <= SocketAddress.maxUnixPathLength, !bytes.contains(0) else { return nil }
            // "@name" is the abstract namespace: a leading zero, and a length that ends with the name.
            let isAbstract = bytes.first == UInt8(ascii: "@")
            if isAbstract { bytes[0] = 0 }
            let pathOffset = MemoryLayout<sa_family_t>.size
            length = pathOffset + bytes.count + (isAbstract ? 0 : 1)
            storage.ss_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &storage) { target in
                for (index, byte) in bytes.enumerated() { target[pathOffset + index] = byte }
            }
        }
        return withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }

    /// From the kernel's form; nil for families other than IPv4, IPv6 and Unix.
    init?(_ storage: sockaddr_storage, length: socklen_t) {
        switch Int32(storage.ss_family) {
        case AF_INET:
            let raw = withUnsafeBytes(of: storage) { $0.loadUnaligned(as: sockaddr_in.self) }
            self = .v4(IPv4Address(raw.sin_addr), port: UInt16(bigEndian: raw.sin_port))
        case AF_INET6:
            let raw = withUnsafeBytes(of: storage) { $0.loadUnaligned(as: sockaddr_in6.self) }
            self = .v6(
                IPv6Address(raw.sin6_addr), scope: raw.sin6_scope_id, port: UInt16(bigEndian: raw.sin6_port))
        case AF_UNIX:
            let pathOffset = MemoryLayout<sa_family_t>.size
            var bytes = withUnsafeBytes(of: storage) { raw in
                Array(raw[pathOffset..<Swift.max(pathOffset, Swift.min(Int(length), raw.count))])
            }
            if bytes.first == 0, bytes.count > 1 {
                bytes[0] = UInt8(ascii: "@")
            } else {
                bytes = Array(bytes.prefix { $0 != 0 })
            }
            self = .unix(path: String(decoding: bytes, as: UTF8.self))
        default:
            return nil
        }
    }
}
