// The machine's own addresses.
import Glibc

public enum InterfaceAddresses {
    /// The first address of an interface that is up and is not loopback; the loopback address when there is none.
    public static func first(v6: Bool) -> IPAddress {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return v6 ? .v6(.loopback) : .v4(.loopback) }
        defer { freeifaddrs(list) }
        var next = list
        while let entry = next {
            next = entry.pointee.ifa_next
            guard let address = entry.pointee.ifa_addr, entry.pointee.ifa_flags & UInt32(IFF_UP) != 0,
                let ip = ip(address), !ip.isLoopback
            else { continue }
            switch ip {
            case .v4 where !v6: return ip
            case .v6(let value) where v6 && value.high >> 54 != 0x3fa: return ip
            default: continue
            }
        }
        return v6 ? .v6(.loopback) : .v4(.loopback)
    }

    /// Whether `address` is one of this machine's: of an interface, or loopback.
    public static func contain(_ address: IPAddress) -> Bool {
        if address.isLoopback { return true }
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return false }
        defer { freeifaddrs(list) }
        var next = list
        while let entry = next {
            next = entry.pointee.ifa_next
            if let raw = entry.pointee.ifa_addr, ip(raw) == address { return true }
        }
        return false
    }

    /// The kernel's entry has room for what its family says.
    private static func ip(_ address: UnsafeMutablePointer<sockaddr>) -> IPAddress? {
        let length: Int
        switch Int32(address.pointee.sa_family) {
        case AF_INET: length = MemoryLayout<sockaddr_in>.size
        case AF_INET6: length = MemoryLayout<sockaddr_in6>.size
        default: return nil
        }
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: length))
        }
        return SocketAddress(storage, length: socklen_t(length))?.ip
    }
}
