// The notebook of one load: problems, warnings, and what was skipped.

/// Collects what a load finds. One load, one thread.
final class ConfigurationReport {
    /// Problems that are listed; the rest is counted.
    static let maxIssues = 500

    private struct Found {
        var kind: ConfigurationIssue.Kind
        var position: ConfigPosition?
        var path: FieldPath
        var message: String
    }

    /// Names of the sources, by `ConfigPosition.source`.
    private(set) var sources: [String]
    /// The tree whose nodes give semantic problems their place; nil for messages that came over the wire.
    var root: ConfigNode?
    /// The same for files that the configuration names, by `FieldPath.document`.
    private var documents: [Int: ConfigNode] = [:]
    private var found: [Found] = []
    private(set) var unlisted = 0
    private(set) var warnings: [ConfigurationIssue] = []
    private var skippedFields: Set<String> = []
    /// One line for each field that is skipped, in the order of their first appearance.
    private(set) var skipped: [String] = []

    init(sources: [String]) { self.sources = sources.isEmpty ? [""] : sources }

    /// One more text, by whose number its positions and paths are known.
    func addSource(_ name: String) -> Int {
        sources.append(name)
        return sources.count - 1
    }

    func rename(source: Int, _ name: String) {
        if sources.indices.contains(source) { sources[source] = name }
    }

    func add(document tree: ConfigNode, as source: Int) { documents[source] = tree }

    private func position(of path: FieldPath) -> ConfigPosition? {
        (path.document == 0 ? root : documents[path.document])?.position(of: path)
    }

    /// Where something else stands, in the words of a problem.
    func place(of path: FieldPath) -> String {
        guard let position = position(of: path), position.line > 0 else { return path.description }
        return "line \(position.line)"
    }

    var hasIssues: Bool { !found.isEmpty }
    /// Problems so far, listed or not.
    var issueCount: Int { found.count + unlisted }

    func add(_ kind: ConfigurationIssue.Kind, at position: ConfigPosition?, path: FieldPath, _ message: String) {
        guard found.count < Self.maxIssues else {
            unlisted += 1
            return
        }
        found.append(Found(kind: kind, position: position, path: path, message: message))
    }

    /// A problem found in the messages: placed by its path, and left out where a problem of the same field, or of what
    /// holds a missing field, is known already.
    func add(_ kind: ConfigurationIssue.Kind, path: FieldPath, _ message: String) {
        let known = found.contains { other in
            guard !other.path.steps.isEmpty else { return false }
            if path.hasPrefix(other.path) { return true }
            return kind == .missing && other.kind != .inconsistent
                && (other.path.parent == path || other.path.parent == path.parent)
        }
        if !known { add(kind, at: self.position(of: path), path: path, message) }
    }

    func warn(
        _ kind: ConfigurationIssue.Kind = .badValue, at position: ConfigPosition? = nil, path: FieldPath,
        _ message: String
    ) {
        guard warnings.count < Self.maxIssues else { return }
        warnings.append(
            issue(Found(kind: kind, position: position ?? self.position(of: path), path: path, message: message)))
    }

    /// Notes a field that is skipped on purpose; once for each field of each message type.
    func skip(_ field: String, reason: String, at position: ConfigPosition? = nil, path: FieldPath) {
        guard skippedFields.insert(field).inserted else { return }
        var place = sources.first ?? ""
        if let position = position ?? self.position(of: path) {
            place = sourceName(position)
            if position.line > 0 { place += ":\(position.line):\(position.column)" }
        }
        skipped.append(singleLine("\(place): \(path): skipped: \(reason)"))
    }

    /// The problems in the order of the text.
    var errors: ConfigurationErrors {
        let sorted = found.enumerated().sorted { one, other in
            switch (one.element.position, other.element.position) {
            case (let a?, let b?) where a != b: a < b
            case (nil, _?): false
            case (_?, nil): true
            default: one.offset < other.offset
            }
        }
        return ConfigurationErrors(issues: sorted.map { issue($0.element) }, unlisted: unlisted)
    }

    private func issue(_ found: Found) -> ConfigurationIssue {
        ConfigurationIssue(
            kind: found.kind, source: found.position.map(sourceName) ?? name(ofDocument: found.path.document),
            line: found.position?.line ?? 0, column: found.position?.column ?? 0, path: found.path,
            message: found.message)
    }

    private func name(ofDocument number: Int) -> String {
        sources.indices.contains(number) ? sources[number] : ""
    }

    private func sourceName(_ position: ConfigPosition) -> String {
        sources.indices.contains(position.source) ? sources[position.source] : ""
    }
}
