// Errors of system calls, in words.
import Glibc

/// A system call that failed: which one, on what, and why.
public struct SystemError: Error, Equatable, Sendable {
    /// The call: "bind".
    public let call: String
    /// `errno` after the call.
    public let code: Int32
    /// What it was done to (an address, a path); may be empty.
    public let subject: String

    public init(_ call: String, code: Int32 = errno, subject: String = "") {
        self.call = call
        self.code = code
        self.subject = subject
    }

    /// The system's text for `code`: "Address already in use".
    public var reason: String { SystemError.text(for: code) }

    /// The system's text for an `errno` value.
    public static func text(for code: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let base = buffer.baseAddress else { return "error \(code)" }
            base.pointee = 0
            return strerror_r(code, base, 256) == 0 ? String(cString: base) : "error \(code)"
        }
    }
}

extension SystemError: CustomStringConvertible {
    /// "bind 127.0.0.1:80: Address already in use"
    public var description: String {
        subject.isEmpty ? "\(call): \(reason)" : "\(call) \(subject): \(reason)"
    }
}
