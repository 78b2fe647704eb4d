// What a listener does with a connection before it chooses a filter chain: one filter after the other has a look.
import Metrics
import Reactor

/// What a filter made of a connection and its first bytes.
enum Inspection {
    /// It knows what it wanted to know.
    case next
    /// Not before more bytes are there. A filter bounds by itself how many it waits for.
    case needMore
    /// The connection is not let in, for this reason.
    case refuse(String)
}

/// One of a listener's filters on one worker: `listener_filters` of Envoy's listener. Holds nothing about a connection,
/// so that one value serves all: a filter that needed more bytes looks at them from the beginning. Loop thread only.
struct ListenerFilter {
    private enum Kind {
        case tls(TLSInspector)
        case http(HTTPInspector)
        case originalDestination
        case originalSource(mark: UInt32)
        case proxyProtocol(ProxyProtocolFilter)
    }

    private let kind: Kind
    private let disabled: ListenerFilterPredicate?
    let detectsProtocol: Bool

    init(_ spec: ListenerFilterSpec, cells: StatCells) {
        disabled = spec.disabled
        detectsProtocol = spec.detectsProtocol
        kind =
            switch spec.kind {
            case .tlsInspector(let settings): .tls(TLSInspector(settings, cells))
            case .httpInspector: .http(HTTPInspector(cells))
            case .originalDestination: .originalDestination
            case .originalSource(let mark): .originalSource(mark: mark)
            case .proxyProtocol(let settings): .proxyProtocol(ProxyProtocolFilter(settings, cells))
            }
    }

    /// Looks at what there is. Called again after `.needMore`, when there is more.
    func inspect(_ connection: Connection, _ facts: inout ConnectionFacts) -> Inspection {
        if let disabled, disabled.matches(facts) { return .next }
        if detectsProtocol, facts.serverSpeaksFirst { return .next }
        switch kind {
        case .tls(let inspector): return inspector.inspect(connection, &facts)
        case .http(let inspector): return inspector.inspect(connection, &facts)
        case .proxyProtocol(let filter): return filter.inspect(connection, &facts)
        case .originalDestination:
            if let found = connection.originalDestination { facts.originalDestination = found }
            return .next
        case .originalSource(let mark):
            if !facts.remote.isUnix { facts.transparentSource = TransparentSource(facts.remote, mark: mark) }
            return .next
        }
    }
}

extension ListenerFilterPredicate {
    /// Whether it holds for a connection, as far as that is known when the filter's turn comes.
    func matches(_ facts: ConnectionFacts) -> Bool {
        switch self {
        case .any: true
        case .not(let inner): !inner.matches(facts)
        case .all(let inner): inner.allSatisfy { $0.matches(facts) }
        case .oneOf(let inner): inner.contains { $0.matches(facts) }
        case .destinationPort(let ports): !facts.local.isUnix && ports.contains(Int32(facts.local.port))
        }
    }
}
