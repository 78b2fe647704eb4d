// What is wrong with a configuration: every problem with its place.

/// One problem. Printed as `file:line:column: path.to.field: what is wrong`.
public struct ConfigurationIssue: Sendable, Hashable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// The file cannot be read, or is not YAML or JSON.
        case syntax
        /// Something is there twice.
        case duplicate
        /// Envoy has no such field.
        case unknownField
        /// An Envoy field, value or extension that Outrider does not act on.
        case unsupported
        /// Of the wrong type, out of range, malformed.
        case badValue
        /// Required and not there.
        case missing
        /// Right by itself, but it does not fit the rest: an unknown cluster, a key without its certificate.
        case inconsistent
    }
    public var kind: Kind
    /// The file's path as given, or `--config-yaml`.
    public var source: String
    /// From 1; 0 when the problem has no place in the text.
    public var line: Int
    public var column: Int
    public var path: FieldPath
    public var message: String

    public var description: String {
        var text = source
        if line > 0 { text += ":\(line):\(column)" }
        if !path.steps.isEmpty { text += ": \(path)" }
        return singleLine("\(text): \(message)")
    }
}

/// Every problem of a load, in the order of the text. Nothing was bound, connected or changed.
///
/// Printed with what Outrider does not act on apart from what is wrong: the one is a question of the tool, the other of
/// the file.
public struct ConfigurationErrors: Error, Sendable, CustomStringConvertible {
    public var issues: [ConfigurationIssue]
    /// Problems found after `ConfigurationReport.maxIssues`, which are not listed.
    public var unlisted: Int

    public var description: String {
        var lines = issues.filter { $0.kind != .unsupported }.map(\.description)
        lines += issues.filter { $0.kind == .unsupported }.map(\.description)
        if unlisted > 0 { lines.append("and \(unlisted) more") }
        return lines.joined(separator: "\n")
    }
}
