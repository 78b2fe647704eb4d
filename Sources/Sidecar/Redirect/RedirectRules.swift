// Which connections are handed to the proxy: the wish, before any tool's language.
import Reactor

/// The connections of one network namespace that go through the proxy. TCP only; port 53 (DNS) is always left alone, and
/// so is what this host forwards for others and what stays on it.
public struct RedirectRules: Sendable, Equatable {
    /// How inbound connections come to the proxy.
    public enum InboundMode: String, Sendable, CaseIterable {
        /// Their destination is rewritten (REDIRECT); the proxy asks the kernel for the original one (SO_ORIGINAL_DST).
        case redirect
        /// They are handed over as they are (TPROXY) to a listener with `transparent: true`; the proxy can then speak to
        /// the app from the client's address (`original_src` with `tproxyMark`).
        case tproxy
    }

    /// The port that takes inbound connections; nil: they are left alone.
    public var inbound: UInt16?
    public var inboundMode = InboundMode.redirect
    /// The destination ports that count; empty: all.
    public var inboundPorts: [PortRange] = []
    public var excludedInboundPorts: [PortRange] = []
    /// Clients that are let through to the app.
    public var excludedSources: [CIDRRange] = []

    /// The port that takes outbound connections; nil: they are left alone.
    public var outbound: UInt16?
    public var outboundPorts: [PortRange] = []
    public var excludedOutboundPorts: [PortRange] = []
    /// Servers that are called without the proxy.
    public var excludedDestinations: [CIDRRange] = []

    /// Whose connections are left alone: the proxy's own before all, so that they do not come back to it.
    public var excludedUsers: [IDRange] = []
    public var excludedGroups: [IDRange] = []
    /// Paths below the root of the cgroup v2 tree, without a leading slash.
    public var excludedCgroups: [String] = []
    /// The mark (SO_MARK) of the proxy's own connections.
    public var proxyMark: UInt32?

    /// The mark of connections to the app that have the client's address: their answers come back to the proxy.
    public var tproxyMark: UInt32 = 1338
    /// Whether IPv6 connections count, too.
    public var ipv6 = true

    public init() {}

    /// What is wrong with a wish, in one line.
    public struct Refusal: Error, Sendable, Equatable, CustomStringConvertible {
        public let description: String
    }

    /// Refuses wishes that cannot work.
    public func check() throws(Refusal) {
        guard inbound != nil || outbound != nil else {
            throw Refusal(description: "nothing to redirect: give --inbound PORT, --outbound PORT or both")
        }
        if inbound == 0 || outbound == 0 { throw Refusal(description: "port 0 is no port to redirect to") }
        if let inbound, inbound == outbound {
            throw Refusal(description: "--inbound and --outbound are the same port, \(inbound)")
        }
        let names = !excludedUsers.isEmpty || !excludedGroups.isEmpty || !excludedCgroups.isEmpty || proxyMark != nil
        if outbound != nil && !names {
            throw Refusal(
                description: "--outbound needs to know the proxy's own connections, or they would come back to it for "
                    + "ever: give --proxy-uid, --proxy-gid, --proxy-mark or --exclude-cgroups")
        }
        if inboundMode == .tproxy && inbound == nil {
            throw Refusal(description: "--inbound-mode tproxy needs --inbound PORT")
        }
        if tproxyMark == 0 || proxyMark == 0 { throw Refusal(description: "a mark of 0 is what every packet has") }
        if inboundMode == .tproxy && proxyMark == tproxyMark {
            throw Refusal(description: "--proxy-mark and --tproxy-mark are the same, \(tproxyMark)")
        }
        for path in excludedCgroups where !RedirectRules.isCgroup(path) {
            throw Refusal(
                description: "cgroup '\(path)': a path below the root of the cgroup v2 tree, like "
                    + "system.slice/app.service, of letters, digits and . _ - @ :")
        }
    }

    private static func isCgroup(_ path: String) -> Bool {
        let levels = path.split(separator: "/", omittingEmptySubsequences: false)
        return !path.isEmpty && path.utf8.count < 512
            && levels.allSatisfy { level in
                !level.isEmpty && level != "." && level != ".."
                    && level.utf8.allSatisfy { byte in
                        switch byte {
                        case 0x61...0x7a, 0x41...0x5a, 0x30...0x39: true
                        default: [UInt8(ascii: "."), 0x5f, 0x2d, 0x40, 0x3a].contains(byte)
                        }
                    }
            }
    }
}

extension RedirectRules: CustomStringConvertible {
    /// "inbound to 15006 (tproxy), outbound to 15001, IPv4 and IPv6"
    public var description: String {
        var parts: [String] = []
        if let inbound { parts.append("inbound to \(inbound)\(inboundMode == .tproxy ? " (tproxy)" : "")") }
        if let outbound { parts.append("outbound to \(outbound)") }
        return parts.joined(separator: ", ") + (ipv6 ? ", IPv4 and IPv6" : ", IPv4 only")
    }
}
