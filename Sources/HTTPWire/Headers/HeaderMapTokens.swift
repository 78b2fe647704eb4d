// Comma-separated lists in field values, and the hop-by-hop fields that they name.
import Reactor

extension HeaderTable {
    /// True when all that the message says about its connection is `Connection: keep-alive`, as most that say anything
    /// do. HTTP/1.1 means it anyway.
    var saysKeepAliveAlone: Bool {
        let index = first(.connection)
        return index >= 0 && !hasSeveral(.connection) && !has(.proxyConnection)
            && value(entries[index]).equals("keep-alive")
    }

    /// True when one of the comma-separated items of `name` is `token`, in any case.
    func hasToken(_ name: HeaderName, _ token: StaticString) -> Bool {
        var found = false
        let wanted = ByteView(token)
        forEachToken(of: name) { item in
            if item.equalsIgnoringCase(wanted) { found = true }
        }
        return found
    }

    func forEachToken(of name: HeaderName, _ body: (ByteView) -> Void) {
        var index = first(name)
        let several = hasSeveral(name)
        while index >= 0 {
            var rest = value(entries[index])
            while true {
                let comma = rest.firstIndex(of: 0x2c)
                let item = rest.prefix(comma ?? rest.count).trimmingOWS
                if !item.isEmpty { body(item) }
                guard let comma else { break }
                rest = rest.dropFirst(comma &+ 1)
            }
            index = several ? next(known: name.rawValue, from: index &+ 1) : -1
        }
    }
}

extension HeaderMap {
    /// True when one of the comma-separated items of `name` is `token`, in any case.
    public func hasToken(_ name: HeaderName, _ token: StaticString) -> Bool { table.hasToken(name, token) }

    /// Calls `body` with each non-empty comma-separated item of all values of `name`, blanks trimmed. Do not change
    /// the map in `body`.
    public func forEachToken(of name: HeaderName, _ body: (ByteView) -> Void) {
        table.forEachToken(of: name, body)
    }

    /// What `Connection` asked to remove.
    public enum Nominations: Sendable, Equatable {
        /// Nothing out of the ordinary.
        case ordinary
        /// Fields that every recipient needs were named and not removed (`host`, `content-length`,
        /// `x-forwarded-for`…), or more than `maxNominations`: Envoy answers such a request 400.
        case illegal
    }

    /// Field names that one message may list in `Connection`, beside its own options.
    public static var maxNominations: Int { 10 }

    /// Removes what is meant for this hop only (RFC 9110, section 7.6.1): Connection, the fields that it lists,
    /// Keep-Alive, Proxy-Connection, Transfer-Encoding, Upgrade, and TE but for `trailers`. With `keepUpgrade`, Upgrade
    /// stays, and the serializer is told to write `Connection: Upgrade`.
    @discardableResult
    public func removeHopByHop(keepUpgrade: Bool = false) -> Nominations {
        guard containsAny(of: HeaderMap.hopByHop) else { return .ordinary }
        let outcome = contains(.connection) && !table.saysKeepAliveAlone ? removeNominated() : .ordinary
        remove(HeaderMap.alwaysForOneHop)
        if !keepUpgrade { remove(.upgrade) }
        if contains(.te) {
            if hasToken(.te, "trailers") { set(.te, "trailers") } else { remove(.te) }
        }
        return outcome
    }

    private static let hopByHop: HeaderNameSet = [
        .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .te,
    ]
    private static let alwaysForOneHop: HeaderNameSet = [.connection, .keepAlive, .proxyConnection, .transferEncoding]

    private func removeNominated() -> Nominations {
        var nominated: [[UInt8]] = []
        var outcome = Nominations.ordinary
        forEachToken(of: .connection) { item in
            if item.equalsIgnoringCase("close") || item.equalsIgnoringCase("keep-alive")
                || item.equalsIgnoringCase("upgrade") || item.equalsIgnoringCase("te")
            {
                return
            }
            if nominated.count >= HeaderMap.maxNominations || HeaderMap.isForAll(item) {
                outcome = .illegal
            } else {
                nominated.append(item.array)
            }
        }
        for name in nominated {
            name.withUnsafeBytes { remove(named: ByteView($0)) }
        }
        return outcome
    }

    /// Fields that no sender may declare to be for one hop: framing, routing, and who the client is.
    private static func isForAll(_ name: ByteView) -> Bool {
        if name.first == 0x3a { return true }
        switch HeaderName(name) {
        case .host, .contentLength, .xForwardedFor, .xForwardedHost, .xForwardedProto, .xForwardedClientCert,
            .cacheControl:
            return true
        default: return false
        }
    }
}
