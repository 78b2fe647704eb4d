// Access logs: where lines go, what they say, and which requests get one.
import Matching
import Reactor

/// `envoy.config.accesslog.v3.AccessLog`.
public struct AccessLogSpec: Sendable {
    public enum Sink: Sendable, Equatable {
        case file(path: String)
        case stdout
        case stderr
    }
    public var sink: Sink
    public var format: AccessLogFormatSpec
    public var filter: AccessLogFilterSpec?

    public init(sink: Sink, format: AccessLogFormatSpec = .text(AccessLogSpec.defaultFormat)) {
        self.sink = sink
        self.format = format
    }

    /// Envoy's default line.
    public static let defaultFormat =
        "[%START_TIME%] \"%REQUEST_HEADER(:METHOD)% %REQUEST_HEADER(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
        + "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
        + "%RESPONSE_HEADER(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQUEST_HEADER(X-FORWARDED-FOR)%\" "
        + "\"%REQUEST_HEADER(USER-AGENT)%\" \"%REQUEST_HEADER(X-REQUEST-ID)%\" \"%REQUEST_HEADER(:AUTHORITY)%\" "
        + "\"%UPSTREAM_HOST%\"\n"
}

/// `SubstitutionFormatString`.
public enum AccessLogFormatSpec: Sendable {
    /// A text template; a line that does not end in a newline gets one. `omitEmpty`: unset operators print nothing.
    case text(String, omitEmpty: Bool = false)
    /// An object whose leaves are templates, in the file's order.
    case json(JSONTemplate, omitEmpty: Bool, sortKeys: Bool)

    public indirect enum JSONTemplate: Sendable {
        case object([(key: String, value: JSONTemplate)])
        case list([JSONTemplate])
        case template(String)
        case number(Double)
        case bool(Bool)
        case null
    }
}

/// `AccessLogFilter`.
public indirect enum AccessLogFilterSpec: Sendable {
    case statusCode(Comparison)
    /// Milliseconds.
    case duration(Comparison)
    case notHealthCheck
    /// Sampled by `percent_sampled`, hashed from x-request-id unless independent.
    case runtime(RuntimeFraction, independent: Bool)
    case and([AccessLogFilterSpec])
    case or([AccessLogFilterSpec])
    case header(HeaderMatchSpec)
    /// Any of these short flags; empty: any flag at all.
    case responseFlags([String])

    public struct Comparison: Sendable, Equatable {
        public enum Operator: Sendable, Equatable { case equal, greaterOrEqual, lessOrEqual, notEqual }
        public var op: Operator
        public var value: UInt32
        public init(op: Operator, value: UInt32) {
            self.op = op
            self.value = value
        }
    }
}
