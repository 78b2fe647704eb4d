// What was wrong with a message: the rule, the status to answer, Envoy's code details, and a text for people.
import Reactor

/// Why a message was refused. After a failure the parser takes nothing more: answer and close.
public final class HTTP1Failure: Error, Sendable, CustomStringConvertible {
    /// The rule that was broken.
    public enum Kind: Sendable, Equatable, CaseIterable {
        // Start line
        case malformedRequestLine
        case unknownMethod
        /// HTTP/1.0 (or older) while it is not accepted.
        case lowVersion
        case unsupportedVersion
        case invalidTarget
        case invalidScheme
        case fragmentInTarget
        case malformedStatusLine
        // Host
        case invalidAuthority
        case missingHost
        case duplicateHost
        // Field lines
        case malformedField
        case foldedField
        case invalidCharacter
        case bareLineEnding
        case underscoreInName
        // Framing
        case contentLengthAndTransferEncoding
        case invalidContentLength
        case invalidTransferEncoding
        case bodyForbidden
        case malformedChunk
        case unexpectedUpgrade
        /// The connection ended in the middle of the message.
        case truncated
        // Limits
        case headersTooLarge
        case tooManyHeaders
        case trailersTooLarge
        case tooManyTrailers
    }

    public let kind: Kind
    /// One sentence: what was found, which limit or setting decided, and the size seen.
    public let text: String

    /// A failure of `kind`; `text` is a whole sentence without a full stop.
    public init(_ kind: Kind, _ text: String) {
        self.kind = kind
        self.text = text
    }

    /// The status to answer a request with.
    public var status: Int {
        switch kind {
        case .lowVersion: 426
        case .unsupportedVersion: 505
        case .headersTooLarge, .tooManyHeaders, .trailersTooLarge, .tooManyTrailers: 431
        default: 400
        }
    }

    /// Envoy's response code details.
    public var details: StaticString {
        switch kind {
        case .lowVersion: "low_version"
        case .invalidTarget: "http1.invalid_url"
        case .invalidScheme: "http1.invalid_scheme"
        case .fragmentInTarget: "path_normalization_failed"
        case .invalidAuthority: "http.invalid_authority"
        case .missingHost: "missing_host_header"
        case .invalidCharacter: "http1.invalid_characters"
        case .underscoreInName: "http1.unexpected_underscore"
        case .contentLengthAndTransferEncoding: "http1.content_length_and_chunked_not_allowed"
        case .invalidTransferEncoding: "http1.invalid_transfer_encoding"
        case .bodyForbidden: "http1.body_disallowed"
        case .headersTooLarge: "http1.headers_too_large"
        case .tooManyHeaders: "http1.too_many_headers"
        case .trailersTooLarge: "http1.trailers_too_large"
        case .tooManyTrailers: "http1.too_many_trailers"
        case .malformedRequestLine, .unknownMethod, .unsupportedVersion, .malformedStatusLine, .duplicateHost,
            .malformedField, .foldedField, .bareLineEnding, .invalidContentLength, .malformedChunk, .unexpectedUpgrade,
            .truncated:
            "http1.codec_error"
        }
    }

    public var description: String { text }
}

extension HTTP1Failure {
    /// Bytes from the network as text for a message: quoted, escaped and cut.
    static func quote(_ bytes: ByteView, limit: Int = 48) -> String {
        "\"" + printable(bytes, limit: limit, escaping: true) + (bytes.count > limit ? "...\"" : "\"")
    }

    /// The same without the quotes.
    static func printable(_ bytes: ByteView, limit: Int = 200, escaping quotes: Bool = false) -> String {
        var text = ""
        for index in 0..<min(bytes.count, limit) {
            let byte = bytes[index]
            switch byte {
            case 0x22, 0x5c: text += (quotes ? "\\" : "") + String(UnicodeScalar(byte))
            case 0x20..<0x7f: text += String(UnicodeScalar(byte))
            default: text += "\\x" + hex(byte)
            }
        }
        return text
    }

    static func hex(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
    }
}
