// Where the bytes of an answer come from, piece by piece.

/// What is left of an answer.
enum AnswerSource {
    case none
    case whole([UInt8], sent: Int)
    case pieces(() -> [UInt8]?)

    /// There is no more.
    var isOver: Bool {
        if case .none = self { true } else { false }
    }

    /// A piece is work, and not only a copy.
    var takesTime: Bool {
        if case .pieces = self { true } else { false }
    }

    /// The next bytes: at most `limit` of those that are there, or a piece that is made now, which may be empty.
    mutating func next(_ limit: Int) -> [UInt8] {
        switch self {
        case .none: return []
        case .whole(let page, let sent):
            let end = min(sent + limit, page.count)
            self = end == page.count ? .none : .whole(page, sent: end)
            return Array(page[sent..<end])
        case .pieces(let make):
            if let piece = make() { return piece }
            self = .none
            return []
        }
    }
}
