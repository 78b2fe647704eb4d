// The rules in the language of iptables-save and iptables-restore: chains of our own, and one jump into each.
import Reactor

/// Writes and reads the chains `OUTRIDER_…` of the tables `nat` and `mangle`.
enum Iptables {
    /// What is ours in one table.
    struct Table: Equatable {
        let name: String
        /// The chains of ours.
        var chains: [String] = []
        /// Rules of built-in chains that jump into ours: "-A OUTPUT -p tcp -j OUTRIDER_OUTBOUND".
        var jumps: [String] = []
        /// Rules of our chains, in their order.
        var rules: [String] = []

        init(_ name: String) { self.name = name }
    }

    private static let prefix = "OUTRIDER_"

    /// What one of the two tools has to do: a part for each table, since each is a transaction of its own. `saved` is
    /// the text of its iptables-save.
    static func parts(tool: String, saved: String, chains: [PacketChain], isIPv6: Bool) -> [RedirectPart] {
        ["nat", "mangle"].compactMap { name in
            let current = Table(name, saved: saved)
            let wanted = Table(name, chains, isIPv6: isIPv6)
            guard current != Table(name) || wanted != Table(name) else { return nil }
            return RedirectPart(
                tool: tool, arguments: ["--noflush", "--wait=5"], current: current.lines, wanted: wanted.lines,
                change: script(from: current, to: wanted), revert: script(from: wanted, to: current))
        }
    }

    /// The input of iptables-restore.
    private static func script(from old: Table, to new: Table) -> String {
        let gone = old.chains.filter { !new.chains.contains($0) }
        var lines = ["*\(new.name)"] + old.jumps.map { "-D" + $0.dropFirst(2) }
        // Without a flush of everything, a chain that is there is emptied by its declaration.
        lines += new.chains.map { ":\($0) - [0:0]" } + new.rules + new.jumps
        lines += gone.map { "-F \($0)" } + gone.map { "-X \($0)" } + ["COMMIT"]
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Iptables.Table {
    /// One a line, in an order that does not depend on the order of the chains.
    fileprivate var lines: [String] {
        let byChain = chains.sorted().flatMap { chain in rules.filter { $0.hasPrefix("-A \(chain) ") } }
        return (jumps.sorted() + byChain).map { "\(name) \($0)" }
    }

    /// What iptables-save printed, as far as it is ours.
    fileprivate init(_ name: String, saved: String) {
        self.init(name)
        var isMine = false
        for line in saved.split(separator: "\n") {
            if line.hasPrefix("*") {
                isMine = line.dropFirst() == name
            } else if !isMine {
                continue
            } else if line.hasPrefix(":" + Iptables.prefix) {
                chains.append(String(line.dropFirst().prefix { $0 != " " }))
            } else if line.hasPrefix("-A " + Iptables.prefix) {
                // A cgroup's path is in quotes or not, as its characters and the version have it.
                rules.append(line.filter { $0 != "\"" })
            } else if line.hasPrefix("-A "), line.contains(" -j " + Iptables.prefix) {
                jumps.append(String(line))
            }
        }
    }

    /// The chains in this language, each rule as iptables-save prints it.
    fileprivate init(_ name: String, _ chains: [PacketChain], isIPv6: Bool) {
        self.init(name)
        for chain in chains {
            let (table, hook) =
                switch chain.place {
                case .natPrerouting: ("nat", "PREROUTING")
                case .natOutput: ("nat", "OUTPUT")
                case .manglePrerouting: ("mangle", "PREROUTING")
                case .mangleOutput: ("mangle", "OUTPUT")
                }
            guard table == name else { continue }
            let own = Iptables.prefix + chain.name.uppercased()
            self.chains.append(own)
            jumps.append("-A \(hook) -p tcp -j \(own)")
            for rule in chain.rules where rule.isIPv6 ?? isIPv6 == isIPv6 {
                let words = ["-A \(own)", match(rule.match), target(rule.verdict, isIPv6: isIPv6)]
                rules.append(words.filter { !$0.isEmpty }.joined(separator: " "))
            }
        }
    }

    private func match(_ match: PacketMatch) -> String {
        switch match {
        case .tcp: "-p tcp"
        case .notTCP: "! -p tcp"
        // Where IPv6 is left alone its tables have nothing of ours, and those of IPv4 never see it.
        case .ipv6: ""
        case .fromLoopback: "-i lo"
        case .notNew: "-m conntrack ! --ctstate NEW"
        case .toThisHost: "-m addrtype --dst-type LOCAL"
        case .notToThisHost: "-m addrtype ! --dst-type LOCAL"
        case .source(let range): range.length == 0 ? "" : "-s \(range)"
        case .destination(let range): range.length == 0 ? "" : "-d \(range)"
        case .port(let range): "-p tcp -m tcp --dport \(range.text(":"))"
        case .user(let range): "-m owner --uid-owner \(range)"
        case .group(let range): "-m owner --gid-owner \(range)"
        case .cgroup(let path): "-m cgroup --path \(path)"
        case .mark(let mark): "-m mark --mark \(hex(mark))"
        case .connectionMark(let mark): "-m connmark --mark \(hex(mark))"
        }
    }

    private func target(_ verdict: PacketVerdict, isIPv6: Bool) -> String {
        switch verdict {
        case .leave: "-j RETURN"
        case .redirect(let port): "-j REDIRECT --to-ports \(port)"
        case .tproxy(let port):
            "-j TPROXY --on-port \(port) --on-ip \(isIPv6 ? "::" : "0.0.0.0") --tproxy-mark 0x0/0x0"
        case .setMark(let mark): "-j MARK --set-xmark \(hex(mark))/0xffffffff"
        case .setConnectionMark(let mark): "-j CONNMARK --set-xmark \(hex(mark))/0xffffffff"
        }
    }

    private func hex(_ mark: UInt32) -> String { "0x\(String(mark, radix: 16))" }
}
