// What is wrong with a TLS context's description, and where.

/// A fault that makes a TLS context impossible, found before anything is served.
public struct TLSConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The field within `common_tls_context`: `tls_certificates[0].private_key`.
    public let field: String
    /// What is wrong with it, with the file's name where there is one.
    public let message: String

    public init(field: String, message: String) {
        self.field = field
        self.message = message
    }

    public var description: String { "\(field): \(message)" }
}
