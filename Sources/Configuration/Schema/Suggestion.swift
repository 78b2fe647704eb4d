// "did you mean": the known word nearest to one that is not known.

enum Suggestion {
    /// The nearest of `candidates`, when it is near enough to be meant.
    static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
        near(word, among: candidates).first
    }

    /// The near candidates, nearest first.
    static func near(_ word: String, among candidates: some Sequence<String>) -> [String] {
        let typed = plain(word)
        guard !typed.isEmpty, typed.count <= 100 else { return [] }
        // A third of the letters may differ, and two at least for a short word's transposition.
        let limit = max(min(typed.count / 3, 5), typed.count > 3 ? 2 : 1)
        var found: [(distance: Int, name: String)] = []
        for candidate in candidates {
            let known = plain(candidate)
            guard known.count <= 200 else { continue }
            var distance = distance(typed, known, limit: limit)
            let shorter = min(typed.count, known.count)
            if distance > limit, shorter >= 4, known.starts(with: typed) || typed.starts(with: known) {
                distance = limit
            }
            if distance <= limit { found.append((distance, candidate)) }
        }
        return found.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.map(\.name)
    }

    /// `; did you mean "x"?`, or nothing.
    static func clause(for word: String, among candidates: some Sequence<String>) -> String {
        guard let nearest = nearest(to: word, among: candidates) else { return "" }
        return "; did you mean \"\(nearest)\"?"
    }

    /// Lower case without `_` and `-`, so that `portValue` and `port_value` are the same.
    private static func plain(_ word: String) -> [UInt8] {
        word.lowercased().utf8.filter { $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: "-") }
    }

    /// Edits (insert, delete, replace, swap of neighbours) from one to the other; more than `limit` is only "more".
    private static func distance(_ one: [UInt8], _ other: [UInt8], limit: Int) -> Int {
        if abs(one.count - other.count) > limit { return limit + 1 }
        var before: [Int] = []
        var previous = Array(0...other.count)
        for i in 1...one.count {
            var row = [i]
            for j in 0..<other.count {
                var best = min(previous[j] + (one[i - 1] == other[j] ? 0 : 1), previous[j + 1] + 1, row[j] + 1)
                if i > 1, j > 0, one[i - 1] == other[j - 1], one[i - 2] == other[j] {
                    best = min(best, before[j - 1] + 1)
                }
                row.append(best)
            }
            (before, previous) = (previous, row)
        }
        return previous[other.count]
    }
}
