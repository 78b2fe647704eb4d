// The rules as netfilter thinks of them, before they are written for nft or iptables.
import Reactor

/// What a rule looks at. A rule looks at one thing only: its text is then the same in every version of the tools.
enum PacketMatch: Equatable {
    case tcp
    case notTCP
    case ipv6
    case fromLoopback
    /// A packet that does not begin a connection.
    case notNew
    case toThisHost
    case notToThisHost
    case source(CIDRRange)
    case destination(CIDRRange)
    case port(PortRange)
    case user(IDRange)
    case group(IDRange)
    case cgroup(String)
    case mark(UInt32)
    case connectionMark(UInt32)
}

/// What is done with a packet that matches.
enum PacketVerdict: Equatable {
    /// None of the rules after this one in the chain.
    case leave
    case redirect(UInt16)
    case tproxy(UInt16)
    case setMark(UInt32)
    case setConnectionMark(UInt32)
}

struct PacketRule: Equatable {
    var match: PacketMatch
    var verdict: PacketVerdict

    /// The family that the rule is for; nil: both.
    var isIPv6: Bool? {
        switch match {
        case .source(let range), .destination(let range):
            if case .v6 = range.prefix { true } else { false }
        case .ipv6: true
        default: nil
        }
    }
}

/// A list of rules at one place of a packet's way.
struct PacketChain: Equatable {
    enum Place: Equatable {
        /// New connections that come in, where destinations are rewritten.
        case natPrerouting
        /// New connections of this host, where destinations are rewritten.
        case natOutput
        /// All packets that come in.
        case manglePrerouting
        /// All packets of this host; a new mark gives them another route.
        case mangleOutput
    }

    let name: String
    let place: Place
    var rules: [PacketRule]
}

extension RedirectRules {
    /// The chains that make the wish true.
    var chains: [PacketChain] {
        var chains: [PacketChain] = []
        if let inbound { chains.append(inboundChain(to: inbound)) }
        if let outbound { chains.append(outboundChain(to: outbound)) }
        if inbound != nil && inboundMode == .tproxy {
            // The proxy speaks to the app from the client's address. The app's answers would leave for the client;
            // the mark, kept with the connection, has them delivered on this host (`PolicyRoutes`).
            chains.append(
                PacketChain(
                    name: "divert", place: .mangleOutput,
                    rules: [
                        PacketRule(match: .mark(tproxyMark), verdict: .setConnectionMark(tproxyMark)),
                        PacketRule(match: .connectionMark(tproxyMark), verdict: .setMark(tproxyMark)),
                    ]))
        }
        return chains
    }

    private func inboundChain(to port: UInt16) -> PacketChain {
        let isRedirect = inboundMode == .redirect
        var left: [PacketMatch] = ipv6 ? [] : [.ipv6]
        // REDIRECT decides once for a connection by itself. TPROXY sees every packet: also answers to connections of
        // this host, and those of connections that were there before.
        if !isRedirect { left.append(.notNew) }
        left += [.fromLoopback, .notToThisHost, .port(RedirectRules.dns)]
        left += excludedInboundPorts.map { .port($0) } + excludedSources.map { .source($0) }
        let verdict: PacketVerdict = isRedirect ? .redirect(port) : .tproxy(port)
        return PacketChain(
            name: "inbound", place: isRedirect ? .natPrerouting : .manglePrerouting,
            rules: left.map { PacketRule(match: $0, verdict: .leave) } + taken(inboundPorts, verdict))
    }

    private func outboundChain(to port: UInt16) -> PacketChain {
        var left: [PacketMatch] = ipv6 ? [] : [.ipv6]
        left += [.toThisHost]
        left += excludedUsers.map { .user($0) } + excludedGroups.map { .group($0) }
        left += excludedCgroups.map { .cgroup($0) }
        if let proxyMark { left.append(.mark(proxyMark)) }
        left.append(.port(RedirectRules.dns))
        left += excludedOutboundPorts.map { .port($0) } + excludedDestinations.map { .destination($0) }
        return PacketChain(
            name: "outbound", place: .natOutput,
            rules: left.map { PacketRule(match: $0, verdict: .leave) } + taken(outboundPorts, .redirect(port)))
    }

    private func taken(_ ports: [PortRange], _ verdict: PacketVerdict) -> [PacketRule] {
        ports.isEmpty
            ? [PacketRule(match: .tcp, verdict: verdict)]
            : ports.map { PacketRule(match: .port($0), verdict: verdict) }
    }

    private static let dns = PortRange(53)
}
