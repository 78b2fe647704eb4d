// The tools that can set the rules, and reading what they have set.
import Reactor

/// How the rules get into the kernel.
public enum RedirectBackend: String, Sendable, CaseIterable {
    /// The first that works here: nft, iptables, iptables-nft, iptables-legacy.
    case auto
    /// Whichever of the two below the system calls `iptables`.
    case iptables
    case iptablesLegacy = "iptables-legacy"
    case iptablesNft = "iptables-nft"
    /// nftables, by the `nft` tool: both families in one transaction.
    case nft

    /// The ones that do something by themselves, best first.
    static let real: [RedirectBackend] = [.nft, .iptables, .iptablesNft, .iptablesLegacy]

    /// The tool that changes rules.
    var tool: String { self == .nft ? "nft" : "\(rawValue)-restore" }

    /// What the kernel asks for.
    var capabilities: [Capabilities.Name] {
        // The legacy tools speak to the kernel through a raw socket.
        self == .iptablesLegacy ? [.netAdmin, .netRaw] : [.netAdmin]
    }
}

/// What stands in the way, in one line.
struct RedirectFailure: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Reads what the tools have set, and makes the parts that lead to a wish.
struct RedirectReader {
    let tools: any ToolRunner
    let machine: IPv6State

    /// The parts of a backend. `rules` nil: nothing of ours shall be left.
    func parts(_ backend: RedirectBackend, rules: RedirectRules?) throws(RedirectFailure) -> [RedirectPart] {
        let chains = rules?.chains ?? []
        var parts: [RedirectPart] = []
        if backend == .nft {
            parts.append(Nftables.part(listing: try nftListing(), chains: chains))
        } else {
            let suffix = backend.rawValue.dropFirst("iptables".count)
            for isIPv6 in machine == .absent ? [false] : [false, true] {
                let name = (isIPv6 ? "ip6tables" : "iptables") + suffix
                let saved = try run(name + "-save", [])
                parts += Iptables.parts(
                    tool: name + "-restore", saved: saved, chains: isIPv6 && rules?.ipv6 == false ? [] : chains,
                    isIPv6: isIPv6)
            }
        }
        return parts + (try routes(rules))
    }

    /// The parts from nothing, with nothing read.
    static func blank(_ backend: RedirectBackend, rules: RedirectRules) -> [RedirectPart] {
        let nothing = RedirectReader(tools: NoTools(), machine: .on)
        return (try? nothing.parts(backend, rules: rules)) ?? []
    }

    private func nftListing() throws(RedirectFailure) -> String? {
        // Listing a table that is not there is an error; which one it is, is only said in words.
        let tables = try run("nft", ["list", "tables"])
        guard tables.split(separator: "\n").contains("table \(Nftables.table)") else { return nil }
        return try run("nft", Nftables.listing)
    }

    private func routes(_ rules: RedirectRules?) throws(RedirectFailure) -> [RedirectPart] {
        let mark = rules.flatMap { $0.inbound != nil && $0.inboundMode == .tproxy ? $0.tproxyMark : nil }
        // Without the tool there is nothing of ours to remove.
        guard mark != nil || tools.find("ip") != nil else { return [] }
        var parts: [RedirectPart] = []
        for isIPv6 in machine == .on ? [false, true] : [false] {
            let family = isIPv6 ? "-6" : "-4"
            let known = try run("ip", [family, "rule", "show"])
            // Fails where the routing table is not there.
            let routes = (try? run("ip", [family, "route", "show", "table", "\(PolicyRoutes.table)"])) ?? ""
            parts += PolicyRoutes.parts(
                rules: known, routes: routes, mark: isIPv6 && rules?.ipv6 == false ? nil : mark, isIPv6: isIPv6)
        }
        return parts
    }

    private func run(_ tool: String, _ arguments: [String]) throws(RedirectFailure) -> String {
        try tools.output(tool, arguments, input: "")
    }
}

/// Finds and runs programs; a protocol, so that tests bring their own.
protocol ToolRunner {
    /// The path of a tool; nil when there is none.
    func find(_ tool: String) -> String?
    /// Runs it to its end and returns what it printed. A tool that is not there or that failed is an error with the
    /// tool's own words in it.
    func output(_ tool: String, _ arguments: [String], input: String) throws(RedirectFailure) -> String
}

/// A system where nothing is set.
private struct NoTools: ToolRunner {
    func find(_ tool: String) -> String? { tool }
    func output(_ tool: String, _ arguments: [String], input: String) throws(RedirectFailure) -> String { "" }
}

/// The tools of this system.
struct SystemTools: ToolRunner {
    func find(_ tool: String) -> String? { ChildProcess.find(tool) }

    func output(_ tool: String, _ arguments: [String], input: String) throws(RedirectFailure) -> String {
        guard let path = find(tool) else {
            throw RedirectFailure("\(tool) is not installed (looked for it in $PATH and /usr/sbin)")
        }
        let outcome: ChildProcess.Outcome
        do {
            outcome = try ChildProcess.run(path, [tool] + arguments, input: Array(input.utf8))
        } catch {
            throw RedirectFailure("\(error)")
        }
        guard outcome.end == .exited(0) else {
            let words = String(decoding: outcome.errors, as: UTF8.self).split(separator: "\n")
                .map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
                .filter { !$0.isEmpty }.prefix(6).joined(separator: "; ")
            let command = ([tool] + arguments).joined(separator: " ")
            throw RedirectFailure("'\(command)' ended with \(outcome.end)\(words.isEmpty ? "" : ": \(words)")")
        }
        return String(decoding: outcome.output, as: UTF8.self)
    }
}
