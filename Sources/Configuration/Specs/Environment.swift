// The process environment.
import Glibc

enum Environment {
    /// The bytes of a variable; nil when it is not set.
    static func value(of name: String) -> [UInt8]? {
        guard !name.isEmpty, !name.utf8.contains(0), let text = getenv(name) else { return nil }
        return Array(String(cString: text).utf8)
    }
}
