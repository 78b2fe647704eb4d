// Which upgrades and CONNECTs are let through: by connection manager, and by route.
import HTTPWire
import Reactor

/// What a request asks the connection to become.
enum UpgradeKind {
    case none
    /// `connection: upgrade` and `upgrade: <protocol>`; answered by 101. The codecs bring CONNECT with `:protocol`
    /// (RFC 8441) into this form, and its answer back.
    case upgrade
    /// The CONNECT method; answered by a 2xx.
    case connect

    init(_ headers: HeaderMap, _ version: HTTPVersion) {
        if headers.methodKind == .connect {
            self = .connect
        } else if version != .http10 && UpgradeKind.asks(headers) {
            self = .upgrade
        } else {
            self = .none
        }
    }

    /// `h2c` is none (RFC 9113, section 3.1): such a request is served as what it is, as in Envoy.
    private static func asks(_ headers: HeaderMap) -> Bool {
        guard let name = headers.value(.upgrade), headers.hasToken(.connection, "upgrade") else { return false }
        return !name.equalsIgnoringCase("h2c") || !isOne(headers)
    }

    /// One protocol is asked for in one line. The upstream may choose among several, also one that no rule allows.
    fileprivate static func isOne(_ headers: HeaderMap) -> Bool {
        var lines = 0
        headers.forEachValue(of: .upgrade) { _ in lines += 1 }
        return lines == 1
    }

    /// Whether a response with this status makes the tunnel.
    func isAccepted(by status: Int) -> Bool {
        switch self {
        case .none: false
        case .upgrade: status == 101
        case .connect: status >= 200 && status < 300
        }
    }
}

/// `upgrade_configs` of a connection manager or a route, compiled.
struct UpgradeRules {
    private let rules: [(name: FixedBytes, enabled: Bool)]
    /// A CONNECT ends at the proxy.
    let endsConnect: Bool

    init(_ specs: [UpgradeSpec]) {
        endsConnect = specs.contains { $0.enabled && $0.endsConnect }
        rules = specs.map { (FixedBytes($0.name), $0.enabled) }
    }

    /// Whether the named protocol ("websocket", "CONNECT") is allowed; nil: nothing is said about it.
    func allows(_ name: ByteView) -> Bool? {
        rules.first { $0.name.view.equalsIgnoringCase(name) }?.enabled
    }

    /// Whether a request may upgrade: the route's word counts before the connection manager's.
    static func allow(_ kind: UpgradeKind, _ headers: HeaderMap, manager: UpgradeRules, route: UpgradeRules?) -> Bool {
        let name: ByteView
        switch kind {
        case .none: return true
        case .connect: name = ByteView("CONNECT")
        case .upgrade:
            guard UpgradeKind.isOne(headers) else { return false }
            name = headers.value(.upgrade) ?? ByteView()
        }
        return route?.allows(name) ?? manager.allows(name) ?? false
    }
}
