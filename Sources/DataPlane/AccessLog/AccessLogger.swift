// One configured access log, as one worker writes it.
import HTTPWire
import Reactor

/// Why an access log cannot be had.
public enum AccessLogError: Error, Equatable, Sendable, CustomStringConvertible {
    case format(FormatError)
    case file(SystemError)

    public var description: String {
        switch self {
        case .format(let error): error.description
        case .file(let error): "\(error)"
        }
    }
}

/// A compiled access log: filter, format and file. Compiled per worker; loop thread only.
public final class AccessLogger {
    private let format: LineFormat
    private let filter: AccessLogFilter?
    private let buffer: AccessLogBuffer
    /// The buffer's owner, which it does not hold itself.
    private let buffers: AccessLogBuffers

    /// - Throws: when the format does not compile or the file cannot be opened.
    public init(
        _ spec: AccessLogSpec, buffers: AccessLogBuffers, runtime: RuntimeSpec = RuntimeSpec()
    ) throws(AccessLogError) {
        do throws(FormatError) {
            format = try LineFormat(spec.format)
        } catch { throw .format(error) }
        do throws(SystemError) {
            buffer = try buffers.buffer(for: spec.sink)
        } catch { throw .file(error) }
        self.buffers = buffers
        filter = spec.filter.map { AccessLogFilter($0, runtime: runtime) }
    }

    /// Writes a line for the stream, if the filter admits it. Never blocks, and allocates nothing but for rare
    /// operators.
    public func log(_ context: borrowing FormatContext) {
        if let filter, !filter.admits(context) { return }
        buffer.add(format, context)
    }
}

/// How a line is made.
enum LineFormat {
    case text(Formatter)
    case json(JSONFormatter)

    init(_ spec: AccessLogFormatSpec) throws(FormatError) {
        switch spec {
        case .text(let template, let omitEmpty): self = .text(try Formatter(template, omitEmpty: omitEmpty))
        case .json(let template, let omitEmpty, let sortKeys):
            self = .json(try JSONFormatter(template, omitEmpty: omitEmpty, sortKeys: sortKeys))
        }
    }

    func append(to sink: inout ByteArena, _ context: borrowing FormatContext) {
        switch self {
        case .text(let formatter): formatter.append(to: &sink, context)
        case .json(let formatter): formatter.append(to: &sink, context)
        }
    }
}

extension AccessLogFormatSpec {
    /// Checks all templates: for use when the configuration is read.
    public func check() throws(FormatError) {
        switch self {
        case .text(let template, _): try Formatter.check(template)
        case .json(let template, _, _): try template.check()
        }
    }
}

extension AccessLogFormatSpec.JSONTemplate {
    fileprivate func check() throws(FormatError) {
        switch self {
        case .object(let members): for member in members { try member.value.check() }
        case .list(let values): for value in values { try value.check() }
        case .template(let text): try Formatter.check(text)
        case .number, .bool, .null: break
        }
    }
}
