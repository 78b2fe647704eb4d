// A compiled text format: access log lines, header values, rewritten paths.
import HTTPWire
import Reactor

/// A template with Envoy's `%OPERATOR%`s, compiled once and evaluated without allocation. Compiled per worker: one
/// thread. Envoy page: access log, "Format rules".
public final class Formatter {
    /// The template as it was written.
    public let template: String
    let program: FormatProgram
    private let segments: [FormatSegment]
    /// Header values leave unset operators out; log lines print `-`.
    private let omitEmpty: Bool

    /// - Throws: for an operator that is unknown, not supported or has a bad argument, with its place.
    public init(_ template: String, omitEmpty: Bool = false) throws(FormatError) {
        var compiler = FormatCompiler()
        segments = try compiler.compile(template)
        program = FormatProgram(compiler)
        self.template = template
        self.omitEmpty = omitEmpty
    }

    /// Checks a template without keeping anything. Returns whose metadata it reads.
    @discardableResult
    public static func check(_ template: String) throws(FormatError) -> Set<MetadataReference> {
        var compiler = FormatCompiler()
        _ = try compiler.compile(template)
        return compiler.metadata
    }

    /// Whether a template is one operator, without text before, behind or beside it.
    public static func isOneOperator(_ template: String) throws(FormatError) -> Bool {
        var compiler = FormatCompiler()
        let count = try compiler.compile(template).count
        return count == 1 && template.hasPrefix("%") && !template.hasPrefix("%%") && template.hasSuffix("%")
    }

    /// The whole text when no operator has to be evaluated; valid while the formatter is held.
    public var constant: ByteView? {
        if segments.isEmpty { return ByteView() }
        guard segments.count == 1, case .literal(let range) = segments[0].operation else { return nil }
        return program.view(range)
    }

    /// Appends the text for one stream.
    public func append(to sink: inout ByteArena, _ context: borrowing FormatContext) {
        var index = 0
        while index < segments.count {
            let segment = segments[index]
            if !program.append(segment, context, to: &sink) && !omitEmpty { sink.append(byte: UInt8(ascii: "-")) }
            index &+= 1
        }
    }

    /// The text for one stream, copied; for cold paths and tests.
    public func string(_ context: borrowing FormatContext) -> String {
        var sink = ByteArena()
        append(to: &sink, context)
        return sink.view.string
    }
}
