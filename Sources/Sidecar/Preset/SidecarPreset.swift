// What `outrider sidecar` is told: a sidecar in a few words, instead of a bootstrap.
import Reactor

/// A sidecar beside one app. `bootstrap` makes the whole Envoy file of it.
public struct SidecarPreset: Sendable, Equatable {
    /// Where inbound connections go.
    public enum App: Sendable, Equatable {
        /// To where the client wanted to go; the app's main port is this one.
        case originalDestination(port: UInt16)
        /// All of them to this address.
        case address(SocketAddress)

        /// What to ask whether the app is up.
        public var probe: SocketAddress {
            switch self {
            case .originalDestination(let port): .v4(.loopback, port: port)
            case .address(let address): address
            }
        }
    }

    /// The files of this workload's identity.
    public struct Identity: Sendable, Equatable {
        public var certificate: String
        public var key: String
        /// Who signs the certificates of peers.
        public var authority: String

        public init(certificate: String, key: String, authority: String) {
            self.certificate = certificate
            self.key = key
            self.authority = authority
        }
    }

    /// Where a line for each request and connection goes.
    public enum AccessLog: Sendable, Equatable {
        case standardOutput
        case file(String)
    }

    public var app: App
    public var identity: Identity
    /// The port that takes inbound connections; nil: none are taken.
    public var inbound: UInt16?
    /// The port that takes outbound connections; nil: none are taken.
    public var outbound: UInt16?
    /// The SPIFFE IDs that may call the app; one with `*` at its end stands for all that begin so. Empty: everybody whom
    /// the authority has signed.
    public var clients: [String] = []
    /// The same for whom the app may call.
    public var servers: [String] = []
    /// Where the peers with a sidecar are: connections there are mutual TLS.
    public var mesh: [CIDRRange] = SidecarPreset.privateNetworks
    /// Ports that are plain text on both sides, and passed on as they are.
    public var plaintextPorts: [UInt16] = []
    /// Ports of protocols where the server speaks first, or which are not to be looked at for another reason.
    public var tcpPorts: [UInt16] = []
    /// Clients without a sidecar are let in.
    public var acceptsPlaintext = false
    /// The inbound port gets connections by TPROXY, and the app sees the client's address.
    public var transparent = false
    /// SO_MARK of the connections to the app with the client's address; only if `transparent`.
    public var transparentMark: UInt32 = 1338
    /// SO_MARK of all other connections that this sidecar opens; nil: none.
    public var mark: UInt32?
    public var admin = SocketAddress.v4(.loopback, port: 9901)
    /// Where Prometheus may read the metrics and a probe may ask for readiness, and nobody anything else; nil: nowhere.
    public var metrics: SocketAddress?
    /// nil: there is none.
    public var accessLog: AccessLog? = .standardOutput
    /// The OTLP/gRPC port of a collector that gets a span of each HTTP request; nil: nothing is traced.
    public var traceCollector: SocketAddress?
    /// What the spans call the workload; empty: nothing.
    public var serviceName = ""
    public var ipv6 = true

    /// Where clusters and company networks are: RFC 1918, RFC 6598 and RFC 4193.
    public static let privateNetworks = [
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7",
    ].compactMap { CIDRRange($0) }

    public init(app: App, identity: Identity) {
        self.app = app
        self.identity = identity
    }

    /// What is wrong with a wish, in one line.
    public struct Refusal: Error, Sendable, Equatable, CustomStringConvertible {
        public let description: String
    }

    /// Refuses wishes that cannot work.
    public func check() throws(Refusal) {
        guard inbound != nil || outbound != nil else {
            throw Refusal(description: "nothing to do: give --inbound PORT, --outbound PORT or both")
        }
        if inbound == 0 || outbound == 0 {
            throw Refusal(description: "port 0 is no port that connections can be redirected to")
        }
        if let inbound, inbound == outbound {
            throw Refusal(description: "--inbound and --outbound are the same port, \(inbound)")
        }
        for id in clients + servers {
            let isID =
                id.hasPrefix("spiffe://") && id.utf8.count > 9
                && id.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") }
            guard isID, !id.dropLast().contains("*") else {
                throw Refusal(
                    description: "'\(id)' is no SPIFFE ID like spiffe://cluster.local/ns/shop/sa/cart, "
                        + "or spiffe://cluster.local/ns/shop/* for all that begin so")
            }
        }
        if transparent && inbound == nil { throw Refusal(description: "--tproxy needs --inbound PORT") }
        if case .address = app, transparent {
            throw Refusal(description: "--tproxy needs the app's port alone, without an address: --app 8080")
        }
        let both = plaintextPorts.filter(tcpPorts.contains)
        if let port = both.first {
            throw Refusal(description: "port \(port) is in --plaintext-ports and in --tcp-ports; which one?")
        }
    }
}
