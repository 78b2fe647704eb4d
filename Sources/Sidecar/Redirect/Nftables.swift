// The rules in the language of nft: one table of our own, replaced in one transaction.
import Reactor

/// Writes and reads the table `inet outrider`.
enum Nftables {
    static let table = "inet outrider"
    /// Numbers for priorities, as `script` has them: their names depend on version and family.
    static let listing = ["-y", "list", "table", "inet", "outrider"]

    /// What nft has to do. `listing` is what it lists now; nil: there is no such table. Without chains the table goes.
    static func part(listing: String?, chains: [PacketChain]) -> RedirectPart {
        let current = listing.map(lines) ?? []
        let wanted = chains.isEmpty ? [] : lines(text(chains))
        return RedirectPart(
            tool: "nft", arguments: ["-f", "-"], current: current, wanted: wanted,
            change: replacement(had: listing != nil, by: chains.isEmpty ? nil : text(chains)),
            revert: replacement(had: !chains.isEmpty, by: listing))
    }

    /// One transaction: the old table goes and the new one comes.
    private static func replacement(had: Bool, by table: String?) -> String {
        var script = ""
        // The first line makes the second one work where there is no such table.
        if had || table != nil { script += "table \(Nftables.table)\ndelete table \(Nftables.table)\n" }
        return script + (table ?? "")
    }

    /// The table as nft lists it.
    static func text(_ chains: [PacketChain]) -> String {
        var text = "table \(table) {\n"
        for chain in chains {
            text += "\tchain \(chain.name) {\n\t\t\(place(chain.place)); policy accept;\n"
            for rule in [PacketRule(match: .notTCP, verdict: .leave)] + chain.rules {
                text += "\t\t\(match(rule.match)) \(verdict(rule.verdict))\n"
            }
            text += "\t}\n"
        }
        return text + "}\n"
    }

    /// A listing's lines without what differs from version to version: indentation and empty lines.
    private static func lines(_ listing: String) -> [String] {
        listing.split(separator: "\n")
            .map { line in line.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
            .filter { !$0.isEmpty }
    }

    private static func place(_ place: PacketChain.Place) -> String {
        switch place {
        case .natPrerouting: "type nat hook prerouting priority -100"
        case .natOutput: "type nat hook output priority -100"
        case .manglePrerouting: "type filter hook prerouting priority -150"
        case .mangleOutput: "type route hook output priority -150"
        }
    }

    private static func match(_ match: PacketMatch) -> String {
        switch match {
        case .tcp: "meta l4proto tcp"
        case .notTCP: "meta l4proto != tcp"
        case .ipv6: "meta nfproto ipv6"
        case .fromLoopback: "iifname \"lo\""
        case .notNew: "ct state != new"
        case .toThisHost: "fib daddr type local"
        case .notToThisHost: "fib daddr type != local"
        case .source(let range): "\(family(range)) saddr \(text(range))"
        case .destination(let range): "\(family(range)) daddr \(text(range))"
        case .port(let range): "tcp dport \(range)"
        case .user(let range): "meta skuid \(range)"
        case .group(let range): "meta skgid \(range)"
        case .cgroup(let path): "socket cgroupv2 level \(path.split(separator: "/").count) \"\(path)\""
        case .mark(let mark): "meta mark \(text(mark))"
        case .connectionMark(let mark): "ct mark \(text(mark))"
        }
    }

    private static func verdict(_ verdict: PacketVerdict) -> String {
        switch verdict {
        case .leave: "return"
        case .redirect(let port): "redirect to :\(port)"
        case .tproxy(let port): "tproxy to :\(port)"
        case .setMark(let mark): "meta mark set \(text(mark))"
        case .setConnectionMark(let mark): "ct mark set \(text(mark))"
        }
    }

    private static func family(_ range: CIDRRange) -> String {
        if case .v6 = range.prefix { "ip6" } else { "ip" }
    }

    private static func text(_ range: CIDRRange) -> String {
        range.length == range.prefix.bytes.count * 8 ? "\(range.prefix)" : "\(range)"
    }

    /// A mark is listed with all its eight digits.
    private static func text(_ mark: UInt32) -> String {
        let digits = String(mark, radix: 16)
        return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}
