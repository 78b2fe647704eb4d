// What records of requests and of connections have in common.
import HTTPWire
import Reactor

extension FlightRecorder {
    /// Tries that a record lists at most: the last ones.
    private static let maxTries = 8

    /// Who came by what listener, and what his connection is.
    func add(_ downstream: DownstreamInfo, client: SocketAddress?, listener: String) {
        add(.connectionID, downstream.connectionID)
        add(.listener, listener)
        add(.filterChain, downstream.filterChainName)
        let peer = downstream.directRemoteAddress
        // A client that headers tell of has no port.
        add(.client, client.map { $0.ip?.description ?? $0.description } ?? downstream.remoteAddress.description)
        if client != nil || downstream.remoteAddress != peer { add(.directPeer, peer.description) }
        add(.localAddress, downstream.localAddress.description)
        add(.serverName, downstream.requestedServerName)
        if let tls = downstream.tls {
            add(.clientTLS, tls.version)
            if let peer = tls.peer { add(.clientName, peer.nameForPeople) }
        }
        add(.closeReason, downstream.localCloseReason)
        add(.transportFailure, downstream.transportFailureReason)
    }

    /// How a stream ended and what it moved.
    func add(_ info: StreamInfo) {
        add(.began, UInt64(clamping: info.startWall.unixNanoseconds))
        if let end = info.marks.end { add(.duration, end - info.marks.start) }
        add(.flags, UInt64(info.flags.rawValue))
        add(.details, info.responseCodeDetails)
        add(.terminationDetails, info.connectionTerminationDetails)
        add(.bytesReceived, info.bytesReceived)
        add(.bytesSent, info.bytesSent)
        add(.cluster, info.upstream.clusterName)
        if let tls = info.upstream.tls {
            add(.upstreamTLS, tls.version)
            if let peer = tls.peer { add(.upstreamName, peer.nameForPeople) }
            add(.upstreamServerName, info.upstream.serverName)
        }
    }

    /// The tries before the last one, and that.
    func add(_ earlier: [UpstreamTry], last: UpstreamTry?) {
        let count = earlier.count + (last == nil ? 0 : 1)
        if count > 1 { add(.tries, UInt64(count)) }
        for one in earlier.suffix(FlightRecorder.maxTries - 1) { add(one) }
        if let last { add(last) }
    }

    private func add(_ one: UpstreamTry) {
        add(.tryHost, one.host?.address.description ?? "-")
        if one.connectionID > 0 { add(.tryConnection, one.connectionID) }
        add(.tryTook, one.took)
        add(.tryEnd, one.end.words)
        add(.tryDetail, one.detail, limit: 96)
    }
}

extension TLSCertificate {
    /// What people know a peer by.
    var nameForPeople: String { uriNames.first ?? dnsNames.first ?? subject }
}
