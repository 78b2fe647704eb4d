// The listener filter that tells TLS from other bytes, and reads the server name and ALPN.
import Metrics
import Reactor

/// `envoy.filters.listener.tls_inspector`.
struct TLSInspector {
    /// A record's header: all that is read of bytes that are no TLS.
    private static let headerLength = 5
    private let settings: TLSInspectorSpec
    private let found: Counter
    private let notFound: Counter
    private let tooLarge: Counter
    private let nameFound: Counter
    private let nameNotFound: Counter
    private let protocolsFound: Counter
    private let protocolsNotFound: Counter
    private let bytesProcessed: Histogram

    init(_ settings: TLSInspectorSpec, _ cells: StatCells) {
        self.settings = settings
        found = cells.counter("tls_inspector.tls_found")
        notFound = cells.counter("tls_inspector.tls_not_found")
        tooLarge = cells.counter("tls_inspector.client_hello_too_large")
        nameFound = cells.counter("tls_inspector.sni_found")
        nameNotFound = cells.counter("tls_inspector.sni_not_found")
        protocolsFound = cells.counter("tls_inspector.alpn_found")
        protocolsNotFound = cells.counter("tls_inspector.alpn_not_found")
        bytesProcessed = cells.histogram("tls_inspector.bytes_processed")
    }

    func inspect(_ connection: Connection, _ facts: inout ConnectionFacts) -> Inspection {
        let bytes = connection.input.contiguous(settings.maxClientHelloSize)
        switch ClientHello.look(at: bytes) {
        case .needMore:
            guard bytes.count >= settings.maxClientHelloSize else { return .needMore }
            tooLarge.increment()
            return .refuse(
                "its ClientHello is larger than max_client_hello_size (\(settings.maxClientHelloSize) bytes)")
        case .notTLS:
            bytesProcessed.record(UInt64(min(bytes.count, Self.headerLength)))
            if settings.closesWithoutClientHello {
                return .refuse(
                    "its first bytes are no ClientHello, and close_connection_on_client_hello_parsing_errors is set")
            }
            notFound.increment()
            facts.isTLS = false
        case .hello(let hello):
            bytesProcessed.record(UInt64(bytes.count))
            found.increment()
            (hello.serverName.isEmpty ? nameNotFound : nameFound).increment()
            (hello.applicationProtocols.isEmpty ? protocolsNotFound : protocolsFound).increment()
            facts.isTLS = true
            facts.serverName = hello.serverName
            if !hello.applicationProtocols.isEmpty { facts.applicationProtocols = hello.applicationProtocols }
        }
        return .next
    }
}
