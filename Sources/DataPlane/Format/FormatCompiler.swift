// From a template to segments: finds the operators and checks their arguments.
import Glibc
import HTTPWire
import Reactor

/// Compiles templates into one shared program: text, header keys and date formats live beside the segments.
struct FormatCompiler {
    private(set) var text: [UInt8] = []
    private(set) var keys: [HeaderKey] = []
    private(set) var dates: [DateFormat] = []
    /// Whose metadata is asked for.
    private(set) var metadata: Set<MetadataReference> = []

    /// The segments of one template. Literals that meet are one segment.
    mutating func compile(_ template: String) throws(FormatError) -> [FormatSegment] {
        let bytes = Array(template.utf8)
        var segments: [FormatSegment] = []
        var literal: [UInt8] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "%") else {
                literal.append(bytes[index])
                index += 1
                continue
            }
            if index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "%") {
                literal.append(bytes[index])
                index += 2
                continue
            }
            guard let command = Command(in: bytes, at: index) else {
                throw FormatError(position: index, message: FormatCompiler.noCommand)
            }
            let segment = try compile(command)
            if case .literal(let range) = segment.operation {
                literal += text[Int(range.start)..<Int(range.start + range.count)]
            } else {
                close(&literal, into: &segments)
                segments.append(segment)
            }
            index = command.end
        }
        close(&literal, into: &segments)
        return segments
    }

    mutating func intern(_ bytes: [UInt8]) -> TextRange {
        let range = TextRange(start: Int32(clamping: text.count), count: Int32(clamping: bytes.count))
        text += bytes
        return range
    }

    private mutating func close(_ literal: inout [UInt8], into segments: inout [FormatSegment]) {
        guard !literal.isEmpty else { return }
        segments.append(FormatSegment(operation: .literal(intern(literal))))
        literal.removeAll()
    }

    private static let noCommand =
        "'%' does not begin an operator; one looks like %NAME%, %NAME(ARGUMENT)% or %NAME(ARGUMENT):LENGTH%, "
        + "and a percent sign is written %%"

    private mutating func compile(_ command: Command) throws(FormatError) -> FormatSegment {
        var operation = try headerOperator(command)
        if operation == nil { operation = try argumentOperator(command) }
        if operation == nil { operation = try metadataOperator(command) }
        if let operation { return FormatSegment(operation: operation, limit: Int32(clamping: command.length ?? -1)) }
        if case .address(let source, .withoutPort) = OperatorNames.plain(command.name), let bits = command.argument {
            try command.check(.optional)
            guard let bits = UInt8(bits), bits <= 128 else {
                throw command.error("\(command.name) takes a prefix length of 0 to 128 bits, not '\(bits)'")
            }
            return FormatSegment(operation: .address(source, .network(bits)))
        }
        guard let operation = OperatorNames.plain(command.name) else {
            throw command.error(
                OperatorNames.unsupported.contains(command.name)
                    ? "Outrider does not support Envoy's operator \(command.name)" : "unknown operator \(command.name)")
        }
        try command.check(.none)
        return FormatSegment(operation: operation)
    }

    private mutating func headerOperator(_ command: Command) throws(FormatError) -> FormatOperator? {
        switch command.name {
        case "REQ", "REQUEST_HEADER": return .requestHeader(try headers(command))
        case "RESP", "RESPONSE_HEADER": return .responseHeader(try headers(command))
        case "TRAILER", "RESPONSE_TRAILER": return .responseTrailer(try headers(command))
        case "REQ_WITHOUT_QUERY": return .requestHeader(try headers(command, withoutQuery: true))
        default: return nil
        }
    }

    private mutating func headers(_ command: Command, withoutQuery: Bool = false) throws(FormatError) -> HeaderChoice {
        try command.check(.required, length: true)
        let names = command.parts("?")
        guard names.count <= 2 else {
            throw command.error("more than one alternative header in \(command.name)(\(command.argument ?? ""))")
        }
        let main = try header(names[0], command)
        var choice = HeaderChoice(main: main, withoutQuery: withoutQuery)
        if names.count == 2, !names[1].isEmpty { choice.alternative = try header(names[1], command) }
        return choice
    }

    private mutating func header(_ name: String, _ command: Command) throws(FormatError) -> HeaderReference {
        guard let key = HeaderKey(name) else {
            throw command.error("'\(name)' is not a header name in \(command.name)")
        }
        if let pseudo = key.pseudo { return .pseudo(pseudo) }
        if let known = key.known { return .known(known) }
        if let index = keys.firstIndex(of: key) { return .other(Int32(clamping: index)) }
        keys.append(key)
        return .other(Int32(clamping: keys.count - 1))
    }

    private mutating func argumentOperator(_ command: Command) throws(FormatError) -> FormatOperator? {
        switch command.name {
        case "START_TIME": return try time(.start, command)
        case "START_TIME_LOCAL": return try time(.start, command, local: true)
        case "EMIT_TIME": return try time(.emit, command)
        case "EMIT_TIME_LOCAL": return try time(.emit, command, local: true)
        case "DOWNSTREAM_PEER_CERT_V_START": return try time(.downstreamNotBefore, command)
        case "DOWNSTREAM_PEER_CERT_V_END": return try time(.downstreamNotAfter, command)
        case "UPSTREAM_PEER_CERT_V_START": return try time(.upstreamNotBefore, command)
        case "UPSTREAM_PEER_CERT_V_END": return try time(.upstreamNotAfter, command)
        case "COMMON_DURATION": return try duration(command)
        case "RESPONSE_CODE_DETAILS":
            // Details are kept without spaces, so that ALLOW_WHITESPACES changes nothing.
            try command.check(.optional)
            return .text(.responseCodeDetails)
        case "GRPC_STATUS":
            try command.check(.optional)
            switch command.argument ?? "" {
            case "", "CAMEL_STRING": return .grpcStatus(.camel)
            case "SNAKE_STRING": return .grpcStatus(.snake)
            case "NUMBER": return .grpcStatus(.number)
            case let other:
                throw command.error("GRPC_STATUS takes CAMEL_STRING, SNAKE_STRING or NUMBER, not '\(other)'")
            }
        case "GRPC_STATUS_NUMBER":
            try command.check(.none)
            return .grpcStatus(.number)
        case "ENVIRONMENT":
            try command.check(.required, length: true)
            return constant(getenv(command.argument ?? "").map { String(cString: $0) } ?? "-", limit: command.length)
        case "HOSTNAME":
            try command.check(.none)
            return constant(FormatCompiler.hostname ?? "-", limit: nil)
        case "PATH": return try path(command)
        case "QUERY_PARAM":
            try command.check(.required, length: true)
            return .queryParameter(intern(Array((command.argument ?? "").utf8)))
        case "QUERY_PARAMS":
            try command.check(.optional, length: true)
            switch command.argument ?? "" {
            case "", "ORIG": return .queryParameters(decoded: false)
            case "DECODED": return .queryParameters(decoded: true)
            case let other: throw command.error("QUERY_PARAMS takes ORIG or DECODED, not '\(other)'")
            }
        case "REQUESTED_SERVER_NAME": return try serverName(command)
        default: return nil
        }
    }

    /// Dynamic metadata is what filters have noted, other metadata is the configuration's. Nothing sets filter state: it
    /// is checked and never set.
    private mutating func metadataOperator(_ command: Command) throws(FormatError) -> FormatOperator? {
        switch command.name {
        case "DYNAMIC_METADATA":
            try command.check(.required, length: true)
            return dynamicMetadata(command.parts(":")[...])
        case "CLUSTER_METADATA", "UPSTREAM_METADATA":
            try command.check(.required, length: true)
            return placeMetadata(command.name == "CLUSTER_METADATA" ? .cluster : .host, command.parts(":")[...])
        case "METADATA":
            try command.check(.required, length: true)
            let path = command.parts(":").dropFirst()
            switch command.parts(":")[0] {
            case "DYNAMIC": return dynamicMetadata(path)
            case "CLUSTER": return placeMetadata(.cluster, path)
            case "ROUTE": return placeMetadata(.route, path)
            case "UPSTREAM_HOST": return placeMetadata(.host, path)
            case "LISTENER": return placeMetadata(.listener, path)
            case "LISTENER_FILTER_CHAIN": return placeMetadata(.filterChain, path)
            case "VIRTUAL_HOST": return placeMetadata(.virtualHost, path)
            case let kind: throw command.error("METADATA has no type '\(kind)'")
            }
        case "FILTER_STATE", "UPSTREAM_FILTER_STATE":
            try command.check(.required, length: true)
            let parts = command.parts(":")
            guard !parts[0].isEmpty else { throw command.error("\(command.name) needs a key") }
            if parts.count > 1 {
                let form = parts[1]
                guard ["PLAIN", "TYPED", "FIELD", ""].contains(form) else {
                    throw command.error("\(command.name) takes PLAIN, TYPED or FIELD, not '\(form)'")
                }
                guard (form == "FIELD") == (parts.count > 2 && !parts[2].isEmpty) else {
                    throw command.error("\(command.name) takes a field name with FIELD, and only then")
                }
            }
        default: return nil
        }
        return .unset
    }

    /// A namespace, or a key in it. Values are texts: there is nothing below a key.
    private mutating func dynamicMetadata(_ path: ArraySlice<String>) -> FormatOperator {
        guard let namespace = path.first, path.count <= 2 else { return .unset }
        let key = path.dropFirst().first.map { intern(Array($0.utf8)) }
        return .metadata(namespace: intern(Array(namespace.utf8)), key: key)
    }

    /// A namespace, or a key in it, or one in the object that is there, and so on.
    private mutating func placeMetadata(_ place: MetadataPlace, _ path: ArraySlice<String>) -> FormatOperator {
        guard let namespace = path.first else { return .unset }
        metadata.insert(MetadataReference(place, namespace))
        return .placeMetadata(place, intern(Array(path.joined(separator: ":").utf8)))
    }

    private mutating func time(
        _ source: TimeSource, _ command: Command, local: Bool = false
    ) throws(FormatError) -> FormatOperator {
        try command.check(.optional)
        let format = command.argument ?? ""
        dates.append(try DateFormat(format, local: local, base: command.argumentStart))
        return .time(source, Int32(clamping: dates.count - 1))
    }

    private func duration(_ command: Command) throws(FormatError) -> FormatOperator {
        try command.check(.required)
        let parts = command.parts(":")
        guard parts.count == 2 || parts.count == 3 else {
            throw command.error("COMMON_DURATION takes START:END or START:END:PRECISION")
        }
        var points: [TimePoint] = []
        for part in parts.prefix(2) {
            guard let point = TimePoint(rawValue: part) else {
                throw command.error("COMMON_DURATION has no time point '\(part)'")
            }
            points.append(point)
        }
        let unit: DurationUnit
        switch parts.count == 3 ? parts[2] : "ms" {
        case "ms": unit = .milliseconds
        case "us": unit = .microseconds
        case "ns": unit = .nanoseconds
        case let other: throw command.error("COMMON_DURATION takes ms, us or ns, not '\(other)'")
        }
        return .duration(points[0], points[1], unit)
    }

    private func path(_ command: Command) throws(FormatError) -> FormatOperator {
        try command.check(.optional, length: true)
        let parts = command.parts(":")
        let source: PathSource
        switch parts.count > 1 ? parts[1] : "" {
        case "ORIG": source = .original
        case "PATH": source = .path
        case "", "ORIG_OR_PATH": source = .originalOrPath
        case let other: throw command.error("PATH takes ORIG, PATH or ORIG_OR_PATH, not '\(other)'")
        }
        switch parts[0] {
        case "", "WQ": return .path(source, withQuery: true)
        case "NQ": return .path(source, withQuery: false)
        case let other: throw command.error("PATH takes WQ or NQ, not '\(other)'")
        }
    }

    private func serverName(_ command: Command) throws(FormatError) -> FormatOperator {
        try command.check(.optional)
        let parts = command.parts(":")
        let host: ServerNameHost
        switch parts.count > 1 ? parts[1] : "" {
        case "ORIG": host = .original
        case "", "ORIG_OR_HOST": host = .originalOrHost
        case "HOST": host = .host
        case let other: throw command.error("REQUESTED_SERVER_NAME takes ORIG_OR_HOST, HOST or ORIG, not '\(other)'")
        }
        switch parts[0] {
        case "", "SNI_ONLY": return .serverName(.sniOnly, host)
        case "SNI_FIRST": return .serverName(.sniFirst, host)
        case "HOST_FIRST": return .serverName(.hostFirst, host)
        case let other:
            throw command.error("REQUESTED_SERVER_NAME takes SNI_ONLY, SNI_FIRST or HOST_FIRST, not '\(other)'")
        }
    }

    private mutating func constant(_ value: String, limit: Int?) -> FormatOperator {
        .literal(intern(Array(limit.map { value.utf8.prefix($0) } ?? value.utf8[...])))
    }

    private static let hostname: String? = {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return nil }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }()
}

extension FormatCompiler {
    /// `%NAME(ARGUMENT):LENGTH%` as it stands in a template.
    struct Command {
        enum Arguments { case none, optional, required }

        let position: Int
        let name: String
        /// Without the brackets; nil when there are none.
        let argument: String?
        let argumentStart: Int
        let length: Int?
        /// Behind the closing `%`.
        let end: Int

        /// nil when the bytes at `start` do not make a command.
        init?(in bytes: [UInt8], at start: Int) {
            var index = start + 1
            func isNameByte(_ byte: UInt8) -> Bool {
                byte == 0x5f || (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
            }
            while index < bytes.count, isNameByte(bytes[index]) { index += 1 }
            guard index > start + 1 else { return nil }
            name = String(decoding: bytes[(start + 1)..<index], as: UTF8.self)
            position = start
            if index < bytes.count, bytes[index] == UInt8(ascii: "(") {
                guard let close = bytes[index...].firstIndex(of: UInt8(ascii: ")")) else { return nil }
                argument = String(decoding: bytes[(index + 1)..<close], as: UTF8.self)
                argumentStart = index + 1
                index = close + 1
            } else {
                argument = nil
                argumentStart = index
            }
            if index < bytes.count, bytes[index] == UInt8(ascii: ":") {
                let digits = bytes[(index + 1)...].prefix { (0x30...0x39).contains($0) }
                guard !digits.isEmpty, let length = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
                self.length = min(length, Int(Int32.max))
                index = digits.endIndex
            } else {
                length = nil
            }
            guard index < bytes.count, bytes[index] == UInt8(ascii: "%") else { return nil }
            end = index + 1
        }

        func parts(_ separator: Character) -> [String] {
            (argument ?? "").split(separator: separator, omittingEmptySubsequences: false).map(String.init)
        }

        func error(_ message: String) -> FormatError { FormatError(position: position, message: message) }

        func check(_ arguments: Arguments, length lengthAllowed: Bool = false) throws(FormatError) {
            switch arguments {
            case .none:
                guard (argument ?? "").isEmpty && length == nil else {
                    throw error("\(name) takes neither an argument nor a length")
                }
            case .required:
                guard let argument, !argument.isEmpty else { throw error("\(name) needs an argument") }
            case .optional: break
            }
            guard lengthAllowed || length == nil else { throw error("\(name) takes no length") }
        }
    }
}
