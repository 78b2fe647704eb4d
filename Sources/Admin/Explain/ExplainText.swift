// What became of a request or a connection, in plain words.
import Configuration
import DataPlane
import Reactor

enum ExplainText {
    /// One record with an empty line behind it.
    static func text(_ record: FlightRecord, now: WallTime) -> String {
        var page = ExplainLines()
        let time = JSONValue.timeText(record.ended)
        page.headline(headline(record) + ", at \(time), \(ago(now - record.ended))")
        page.add(record.isRequest ? "request" : "connection", [identity(record)])
        page.add("client", [client(record)])
        page.add("came to", [entry(record)])
        page.add("went to", [way(record)])
        page.add("why", why(record))
        page.add("decided by", [record.text(.decidedBy)])
        let reply = record.text(.reply)
        page.add("answer", [reply.isEmpty ? "" : "of this proxy: \(reply)"])
        page.add("tries", tries(record))
        page.add("took", [took(record)])
        page.add("limits", record.limits.map { "\($0.name): \($0.value > .zero ? "\($0.value)" : "none")" })
        page.add(
            "bytes", ["\(record.number(.bytesReceived) ?? 0) received, \(record.number(.bytesSent) ?? 0) sent"])
        return page.text
    }

    private static func headline(_ record: FlightRecord) -> String {
        guard record.isRequest else {
            let end = record.isFailure ? "failed, or was cut off" : "ended"
            return "connection of \(record.text(.client)) to \(record.text(.localAddress)) \(end)"
        }
        let code = record.number(.responseCode) ?? 0
        let method = record.text(.method)
        let request = method.isEmpty ? "a request that has no head" : method + " " + target(record)
        return code == 0 ? "no response to \(request)" : "\(code) for \(request)"
    }

    private static func target(_ record: FlightRecord) -> String { record.text(.authority) + record.text(.path) }

    private static func ago(_ amount: TimeAmount) -> String {
        let seconds = max(0, amount.seconds)
        switch seconds {
        case ..<120: return "\(seconds) s ago"
        case ..<7200: return "\(seconds / 60) min ago"
        default: return "\(seconds / 3600) h ago"
        }
    }

    private static func identity(_ record: FlightRecord) -> String {
        let id = record.text(.requestID)
        let connection = "connection \(record.number(.connectionID) ?? 0) of worker \(record.worker)"
        guard record.isRequest else { return connection }
        return "\(id.isEmpty ? "without x-request-id" : id), \(record.text(.protocol)), on \(connection)"
    }

    private static func client(_ record: FlightRecord) -> String {
        var parts = [record.text(.client)]
        let peer = record.text(.directPeer)
        if !peer.isEmpty { parts.append("by \(peer)") }
        let tls = record.text(.clientTLS)
        let name = record.text(.clientName)
        if !tls.isEmpty { parts.append(tls + (name.isEmpty ? " without a certificate" : ", certificate of \(name)")) }
        return parts.joined(separator: ", ")
    }

    private static func entry(_ record: FlightRecord) -> String {
        var parts = [record.text(.localAddress), "listener '\(record.text(.listener))'"]
        let chain = record.text(.filterChain)
        if !chain.isEmpty { parts.append("filter chain '\(chain)'") }
        let name = record.text(.serverName)
        if !name.isEmpty { parts.append("server name \(name)") }
        return parts.joined(separator: ", ")
    }

    private static func way(_ record: FlightRecord) -> String {
        var parts: [String] = []
        let host = record.text(.virtualHost)
        let route = record.text(.route)
        if !host.isEmpty {
            parts.append((route.isEmpty ? "a route without a name" : "route '\(route)'") + " of virtual host '\(host)'")
        }
        let cluster = record.text(.cluster)
        if !cluster.isEmpty { parts.append("cluster '\(cluster)'") }
        let tls = record.text(.upstreamTLS)
        if !tls.isEmpty {
            let (name, sni) = (record.text(.upstreamName), record.text(.upstreamServerName))
            parts.append(
                tls + (name.isEmpty ? "" : ", certificate of \(name)") + (sni.isEmpty ? "" : ", server name \(sni)"))
        }
        return parts.joined(separator: ", ")
    }

    private static func why(_ record: FlightRecord) -> [String] {
        var lines = FlagMeanings.lines(record.flags)
        let grpc = record.text(.grpcStatus)
        if !grpc.isEmpty { lines.append("grpc-status \(grpc)") }
        lines.append(record.text(.details))
        lines.append(record.text(.terminationDetails))
        lines.append(record.text(.transportFailure))
        let close = record.text(.closeReason)
        if !close.isEmpty { lines.append("this proxy closed the connection: \(close)") }
        return lines
    }

    private static func tries(_ record: FlightRecord) -> [String] {
        let tries = record.tries
        let total = Int(clamping: record.number(.tries) ?? UInt64(tries.count))
        return tries.enumerated().map { index, one in
            let connection = one.connectionID > 0 ? " on connection \(one.connectionID)" : ""
            let detail = one.detail.isEmpty ? "" : " (\(one.detail))"
            return
                "\(total - tries.count + index + 1). \(one.host)\(connection): \(one.end)\(detail) after \(short(one.took))"
        }
    }

    /// Without digits that tell nobody anything.
    private static func short(_ time: TimeAmount) -> String {
        time >= .seconds(1)
            ? "\(TimeAmount.milliseconds(time.milliseconds))" : "\(TimeAmount.microseconds(time.microseconds))"
    }

    private static func took(_ record: FlightRecord) -> String {
        var parts: [String] = []
        if let time = record.time(.requestWhole) { parts.append("request whole after \(short(time))") }
        if let time = record.time(.connectionReady) { parts.append("first sent upstream after \(short(time))") }
        if let time = record.time(.responseBegan) { parts.append("response began after \(short(time))") }
        return short(record.duration) + (parts.isEmpty ? "" : ": " + parts.joined(separator: ", "))
    }
}

/// Lines of a name and a value. What clients have sent cannot move a terminal's cursor.
private struct ExplainLines {
    private static let width = 12
    private var lines: [String] = []

    mutating func headline(_ line: String) { lines.append(singleLine(line)) }

    /// One line a value; empty ones are left out.
    mutating func add(_ name: String, _ values: [String]) {
        for (index, value) in values.filter({ !$0.isEmpty }).enumerated() {
            let label = index == 0 ? name : ""
            let gap = String(repeating: " ", count: max(1, ExplainLines.width - label.utf8.count))
            lines.append("  " + label + gap + singleLine(value))
        }
    }

    var text: String { lines.joined(separator: "\n") + "\n\n" }
}
