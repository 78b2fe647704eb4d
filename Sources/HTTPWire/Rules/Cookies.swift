// Reading cookies (RFC 6265, section 4.2).
import Reactor

/// Looks cookies up in the Cookie fields of a request.
public enum Cookies {
    /// The value of the first cookie called `name`, without the quotes around it if there are any.
    public static func value(_ name: ByteView, in headers: HeaderMap) -> ByteView? {
        var found: ByteView?
        headers.forEachValue(of: .cookie) { field in
            guard found == nil else { return }
            var rest = field
            while !rest.isEmpty {
                let end = rest.firstIndex(of: 0x3b) ?? rest.count
                let pair = rest.prefix(end).trimmingOWS
                if let equals = pair.firstIndex(of: 0x3d), pair.prefix(equals) == name {
                    found = unquoted(pair.dropFirst(equals + 1))
                    return
                }
                rest = rest.dropFirst(end + 1)
            }
        }
        return found
    }

    private static func unquoted(_ value: ByteView) -> ByteView {
        guard value.count >= 2, value.first == 0x22, value.last == 0x22 else { return value }
        return value.slice(1..<(value.count - 1))
    }
}
