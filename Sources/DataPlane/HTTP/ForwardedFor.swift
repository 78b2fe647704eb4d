// x-forwarded-for: who the client is, and telling the next hop who it was.
import HTTPWire
import Reactor

/// Reading and writing `x-forwarded-for` as Envoy does. Envoy page: HTTP header manipulation, "x-forwarded-for".
enum ForwardedFor {
    static let key = HeaderKey(.xForwardedFor)

    /// What the header says about the client.
    struct Client: Equatable {
        /// nil: no entry at that place, or one that is no address.
        var address: IPAddress?
        /// The header holds exactly one entry.
        var isOnlyEntry = false
    }

    /// The entry that stands `skip` places left of the last one.
    static func client(_ headers: HeaderMap, skip: Int) -> Client {
        guard let value = headers.combinedValue(key), !value.isEmpty else { return Client() }
        var end = value.count
        var left = skip
        while left > 0 {
            guard let comma = value.prefix(end).lastIndex(of: 0x2c) else { return Client() }
            end = comma
            left -= 1
        }
        let rest = value.prefix(end)
        let comma = rest.lastIndex(of: 0x2c)
        let entry = (comma.map { rest.dropFirst($0 + 1) } ?? rest).trimmingOWS
        return Client(address: address(entry), isOnlyEntry: comma == nil)
    }

    /// "192.0.2.1", "2001:db8::1", and both with a port.
    private static func address(_ entry: ByteView) -> IPAddress? {
        // The longest address with a port and brackets has 53 characters.
        guard entry.count <= 64 else { return nil }
        if let address = IPAddress(entry.string) { return address }
        guard let colon = entry.lastIndex(of: 0x3a), let port = entry.dropFirst(colon + 1).decimal, port <= 65_535
        else { return nil }
        var host = entry.prefix(colon)
        if host.first == 0x5b && host.last == 0x5d {
            host = host.dropFirst().dropLast()
        } else if host.contains(0x3a) {
            return nil
        }
        return IPAddress(host.string)
    }

    /// Adds an address behind the entries that are there.
    static func append(_ headers: HeaderMap, _ address: IPAddress, _ scratch: inout ByteArena) {
        var text = address.description
        text.withUTF8 {
            ListHeader.append(headers, key, ByteView(","), ByteView(UnsafeRawBufferPointer($0)), &scratch)
        }
    }
}

/// Headers that are one list in one line.
enum ListHeader {
    /// Adds `element` to the list under `key`, which then stands in one line.
    static func append(
        _ headers: HeaderMap, _ key: HeaderKey, _ separator: ByteView, _ element: ByteView, _ scratch: inout ByteArena
    ) {
        scratch.removeAll()
        if let list = headers.combinedValue(key), !list.isEmpty {
            scratch.append(list)
            scratch.append(separator)
        }
        scratch.append(element)
        headers.set(key, scratch.view)
    }

    /// Calls `body` with each element of a comma-separated list, without the blanks around it, until it says false.
    static func forEach(_ list: ByteView, _ body: (ByteView) -> Bool) {
        var rest = list
        while true {
            let comma = rest.firstIndex(of: 0x2c)
            let element = (comma.map { rest.prefix($0) } ?? rest).trimmingOWS
            if !element.isEmpty && !body(element) { return }
            guard let comma else { return }
            rest = rest.dropFirst(comma + 1)
        }
    }
}
