// Where a piece of configuration stands: source, line and column.

/// A place in one of the sources of a load: the file, or the overlay of the command line.
public struct ConfigPosition: Sendable, Hashable, Comparable {
    /// Index into the load's source names.
    public var source: Int
    /// From 1.
    public var line: Int
    /// From 1, in characters.
    public var column: Int

    public init(source: Int, line: Int, column: Int) {
        self.source = source
        self.line = line
        self.column = column
    }

    public static func < (one: ConfigPosition, other: ConfigPosition) -> Bool {
        (one.source, one.line, one.column) < (other.source, other.line, other.column)
    }
}
