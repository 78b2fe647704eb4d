// `google.protobuf.FieldMask` over JSON: which parts of a dump to show.
import Configuration

/// Paths of field names; a path that ends at a message or a list keeps all of it.
struct FieldMask {
    /// More paths than anybody writes by hand.
    private static let maxPaths = 100

    let text: String
    private let paths: [ArraySlice<Substring>]

    /// Paths are parted by commas, names in a path by dots. Nil when there are too many paths.
    init?(_ text: String) {
        self.text = text
        paths = text.split(separator: ",", maxSplits: FieldMask.maxPaths).map { $0.split(separator: ".")[...] }
            .filter { !$0.isEmpty }
        if paths.count > FieldMask.maxPaths { return nil }
    }

    /// Whether each path begins with one of `fields`, and goes on only where the field is no list.
    func fits(_ fields: Set<String>, lists: Set<String>) -> Bool {
        paths.allSatisfy { path in
            guard let first = path.first.map(String.init) else { return false }
            return lists.contains(first) ? path.count == 1 : fields.contains(first)
        }
    }

    /// What the mask leaves of a message; `@type` stays wherever something stays. Nil when a path goes through a list
    /// or through a plain value.
    func trim(_ message: JSONValue) -> JSONValue? { FieldMask.trim(message, paths) }

    private static func trim(_ value: JSONValue, _ paths: [ArraySlice<Substring>]) -> JSONValue? {
        if paths.contains(where: \.isEmpty) { return value }
        guard case .object(let members) = value else { return nil }
        var kept: [(key: String, value: JSONValue)] = []
        for member in members {
            if member.key == "@type" {
                kept.append(member)
                continue
            }
            let inner = paths.filter { $0.first.map { $0 == member.key } ?? false }.map { $0.dropFirst() }
            guard !inner.isEmpty else { continue }
            guard let trimmed = trim(member.value, inner) else { return nil }
            kept.append((member.key, trimmed))
        }
        return .object(kept)
    }
}
