// The routes that TPROXY needs: packets with the mark are delivered on this host, whoever they are for.

/// Writes and reads one rule and one route of `ip`, for one family.
enum PolicyRoutes {
    /// A routing table of our own.
    static let table = 1338

    /// What `ip` has to do. `rules` and `routes` are what `ip rule show` and `ip route show table …` print now; without
    /// a mark all of it goes.
    static func parts(rules: String, routes: String, mark: UInt32?, isIPv6: Bool) -> [RedirectPart] {
        let route = "local default dev lo table \(table)"
        let hasRoute = routes.contains("local default dev lo")
        return [
            part("route", hasRoute ? [route] : [], mark == nil ? [] : [route], isIPv6),
            part("rule", marks(rules).map(rule), mark.map { [rule(String($0, radix: 16))] } ?? [], isIPv6),
        ].filter { !$0.current.isEmpty || !$0.wanted.isEmpty }
    }

    private static func part(_ object: String, _ old: [String], _ new: [String], _ isIPv6: Bool) -> RedirectPart {
        func script(from old: [String], to new: [String]) -> String {
            (new.filter { !old.contains($0) }.map { "\(object) add \($0)\n" }
                + old.filter { !new.contains($0) }.map { "\(object) del \($0)\n" }).joined()
        }
        return RedirectPart(
            tool: "ip", arguments: [isIPv6 ? "-6" : "-4", "-batch", "-"], current: old, wanted: new,
            change: script(from: old, to: new), revert: script(from: new, to: old))
    }

    private static func rule(_ mark: String) -> String { "fwmark 0x\(mark) lookup \(table)" }

    /// The marks in the lines that lead to our table: "32765: from all fwmark 0x53a lookup 1338".
    private static func marks(_ rules: String) -> [String] {
        rules.split(separator: "\n").compactMap { line in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.suffix(2) == ["lookup", "\(table)"], let at = words.firstIndex(of: "fwmark"),
                at + 1 < words.endIndex, words[at + 1].hasPrefix("0x")
            else { return nil }
            return String(words[at + 1].dropFirst(2))
        }
    }
}
