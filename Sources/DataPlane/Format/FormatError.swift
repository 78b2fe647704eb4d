// Why a format string was refused.

/// A format string that cannot be compiled; `message` is meant for a person.
public struct FormatError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where in the template, in bytes from 0.
    public let position: Int
    public let message: String

    public init(position: Int, message: String) {
        self.position = position
        self.message = message
    }

    public var description: String { "\(message) (at byte \(position) of the format)" }
}
