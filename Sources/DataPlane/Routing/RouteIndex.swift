// Choosing among the routes of a virtual host: the first that matches, without trying them all.
import Reactor

/// Exact paths by hash, prefixes by a tree, the rest in order. Each candidate carries its position in the configured
/// list, and the lowest position that matches wins: exactly what trying one after the other would find.
final class RouteIndex {
    /// By position; nil: nothing to ask beyond the path.
    private let conditions: [RouteConditions?]
    private let exact: ByteIndex
    private let exactIgnoringCase: ByteIndex
    private let prefixes: PrefixTree
    private let prefixesIgnoringCase: PrefixTree
    /// Positions under one exact path or prefix, ascending: `lists[starts[n]..<starts[n + 1]]`.
    private let lists: [Int32]
    private let starts: [Int32]
    /// Regexes and CONNECT, ascending.
    private let others: [Int32]

    init(_ matches: [RouteMatchSpec], runtime: RuntimeSpec) {
        conditions = matches.map { RouteConditions($0, runtime: runtime) }
        var groups = Groups()
        var others: [Int32] = []
        for (position, match) in matches.enumerated() {
            switch match.path {
            case .exact(let path): groups.add(path, position, in: match.caseSensitive ? \.exact : \.exactFolded)
            case .prefix(let path), .separatedPrefix(let path):
                groups.add(path, position, in: match.caseSensitive ? \.prefix : \.prefixFolded)
            case .regex, .connect: others.append(Int32(clamping: position))
            }
        }
        exact = ByteIndex(groups.exact.pairs, ignoreCase: false)
        exactIgnoringCase = ByteIndex(groups.exactFolded.pairs, ignoreCase: true)
        prefixes = PrefixTree(groups.prefix.pairs, ignoreCase: false)
        prefixesIgnoringCase = PrefixTree(groups.prefixFolded.pairs, ignoreCase: true)
        var lists: [Int32] = []
        var starts: [Int32] = [0]
        for list in groups.lists {
            lists += list
            starts.append(Int32(clamping: lists.count))
        }
        self.lists = lists
        self.starts = starts
        self.others = others
    }

    /// The position of the first route that matches; nil when none does.
    func firstMatch(_ question: borrowing RouteQuestion) -> Int? {
        var best = Int32.max
        if !question.path.isEmpty {
            look(in: exact.find(question.path), question, &best)
            if !exactIgnoringCase.isEmpty { look(in: exactIgnoringCase.find(question.path), question, &best) }
            if !prefixes.isEmpty { look(in: prefixes, question, &best) }
            if !prefixesIgnoringCase.isEmpty { look(in: prefixesIgnoringCase, question, &best) }
        }
        for position in others {
            if position >= best { break }
            if matches(position, question) {
                best = position
                break
            }
        }
        return best == .max ? nil : Int(best)
    }

    private func look(in tree: borrowing PrefixTree, _ question: borrowing RouteQuestion, _ best: inout Int32) {
        var walk = tree.start
        var list = tree.next(&walk, question.path)
        while list >= 0 {
            look(in: list, question, &best)
            list = tree.next(&walk, question.path)
        }
    }

    private func look(in list: Int, _ question: borrowing RouteQuestion, _ best: inout Int32) {
        guard list >= 0 else { return }
        var index = Int(starts[list])
        let end = Int(starts[list + 1])
        while index < end && lists[index] < best {
            if matches(lists[index], question) {
                best = lists[index]
                return
            }
            index += 1
        }
    }

    private func matches(_ position: Int32, _ question: borrowing RouteQuestion) -> Bool {
        conditions[Int(position)]?.match(question) ?? true
    }

    /// Positions by path, while an index is built.
    private struct Groups {
        struct Table {
            var pairs: [(key: String, value: Int)] = []
            var numbers: [[UInt8]: Int] = [:]
            let ignoreCase: Bool
        }
        var exact = Table(ignoreCase: false)
        var exactFolded = Table(ignoreCase: true)
        var prefix = Table(ignoreCase: false)
        var prefixFolded = Table(ignoreCase: true)
        var lists: [[Int32]] = []

        mutating func add(_ path: String, _ position: Int, in table: WritableKeyPath<Groups, Table>) {
            let ignoreCase = self[keyPath: table].ignoreCase
            let key = path.utf8.map { ignoreCase ? $0.asciiLowercased : $0 }
            if let number = self[keyPath: table].numbers[key] {
                lists[number].append(Int32(clamping: position))
                return
            }
            self[keyPath: table].numbers[key] = lists.count
            self[keyPath: table].pairs.append((path, lists.count))
            lists.append([Int32(clamping: position)])
        }
    }
}
