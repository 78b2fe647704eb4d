// Finding all configured prefixes of a path in one walk.
import Reactor

/// A radix tree over prefixes; each has a number. A walk costs the length of the path, however many prefixes there are.
struct PrefixTree {
    private struct Node {
        var labelStart: Int32 = 0
        var labelCount: Int32 = 0
        var firstChild: Int32 = 0
        var childCount: Int32 = 0
        /// -1: no prefix ends here.
        var value: Int32 = -1
    }

    /// The children of a node stand together, in the order of their first bytes.
    private var nodes: [Node] = []
    private let text: FixedBytes
    // Valid as long as `text` is held.
    private let view: ByteView
    private let ignoreCase: Bool

    /// Keys must be unique (without case, if that is ignored).
    init(_ pairs: [(key: String, value: Int)], ignoreCase: Bool) {
        self.ignoreCase = ignoreCase
        let keys = pairs.map { (bytes: $0.key.utf8.map { ignoreCase ? $0.asciiLowercased : $0 }, value: $0.value) }
            .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        text = FixedBytes(keys.flatMap(\.bytes))
        view = text.view
        guard !keys.isEmpty else { return }
        var starts: [Int] = []
        var start = 0
        for key in keys {
            starts.append(start)
            start += key.bytes.count
        }
        nodes.append(Node())
        fill(0, depth: 0, range: keys.indices, keys: keys, starts: starts)
    }

    /// Gives the node its value and its children; all keys of `range` agree on their first `depth` bytes.
    private mutating func fill(
        _ index: Int, depth: Int, range: Range<Int>, keys: [(bytes: [UInt8], value: Int)], starts: [Int]
    ) {
        var rest = range
        if let first = rest.first, keys[first].bytes.count == depth {
            nodes[index].value = Int32(clamping: keys[first].value)
            rest = (first + 1)..<rest.upperBound
        }
        var groups: [(range: Range<Int>, labelCount: Int)] = []
        while let first = rest.first {
            let byte = keys[first].bytes[depth]
            let end = rest.first { keys[$0].bytes[depth] != byte } ?? rest.upperBound
            groups.append((first..<end, PrefixTree.commonLength(keys[first].bytes, keys[end - 1].bytes, from: depth)))
            rest = end..<rest.upperBound
        }
        let firstChild = nodes.count
        nodes[index].firstChild = Int32(clamping: firstChild)
        nodes[index].childCount = Int32(clamping: groups.count)
        for group in groups {
            nodes.append(
                Node(
                    labelStart: Int32(clamping: starts[group.range.lowerBound] + depth),
                    labelCount: Int32(clamping: group.labelCount)))
        }
        for (offset, group) in groups.enumerated() {
            fill(firstChild + offset, depth: depth + group.labelCount, range: group.range, keys: keys, starts: starts)
        }
    }

    /// Sorted keys between the first and the last share what these two share.
    private static func commonLength(_ one: [UInt8], _ other: [UInt8], from depth: Int) -> Int {
        var end = depth
        while end < one.count && end < other.count && one[end] == other[end] { end += 1 }
        return end - depth
    }

    var isEmpty: Bool { nodes.isEmpty }

    /// A place on the way down.
    struct Walk {
        fileprivate var node: Int32
        fileprivate var depth = 0
    }

    /// A walk that has not begun.
    var start: Walk { Walk(node: nodes.isEmpty ? -1 : 0) }

    /// The number of the next prefix of `path`, from the shortest to the longest; -1 behind the last.
    func next(_ walk: inout Walk, _ path: ByteView) -> Int {
        while walk.node >= 0 {
            let node = nodes[Int(walk.node)]
            descend(&walk, node, path)
            if node.value >= 0 { return Int(node.value) }
        }
        return -1
    }

    private func descend(_ walk: inout Walk, _ node: Node, _ path: ByteView) {
        guard walk.depth < path.count, node.childCount > 0,
            let child = child(of: node, ignoreCase ? path[walk.depth].asciiLowercased : path[walk.depth])
        else {
            walk.node = -1
            return
        }
        let label = view.slice(Int(nodes[child].labelStart)..<Int(nodes[child].labelStart + nodes[child].labelCount))
        let part = path.dropFirst(walk.depth).prefix(label.count)
        let isOnPath = ignoreCase ? part.equalsIgnoringCase(label) : part == label
        walk.node = isOnPath ? Int32(truncatingIfNeeded: child) : -1
        walk.depth += label.count
    }

    private func child(of node: Node, _ byte: UInt8) -> Int? {
        var low = Int(node.firstChild)
        var high = low + Int(node.childCount)
        while low < high {
            let middle = low + (high - low) / 2
            let first = view[Int(nodes[middle].labelStart)]
            if first == byte { return middle }
            if first < byte { low = middle + 1 } else { high = middle }
        }
        return nil
    }
}
