// When to come back: Retry-After (RFC 9110, section 10.2.3), rate-limit resets, and Keep-Alive timeouts.
import Reactor

/// Reads the delays that peers ask for. All results are whole seconds.
public enum RetryAfter {
    /// The delay of a `Retry-After` value: seconds, or a date; a date in the past is 0.
    public static func seconds(_ value: ByteView, nowUnixSeconds now: Int64) -> UInt64? {
        if let seconds = value.decimal { return seconds }
        guard let date = HTTPDate(value, nowYear: HTTPDate(unixSeconds: now).year) else { return nil }
        return UInt64(max(0, date.unixSeconds - now))
    }

    /// The delay until a time in Unix seconds (`X-RateLimit-Reset` of the format UNIX_TIMESTAMP); nil when it has
    /// passed, as for Envoy.
    public static func secondsUntil(_ value: ByteView, nowUnixSeconds now: Int64) -> UInt64? {
        guard let time = value.decimal, time <= UInt64(Int64.max), Int64(time) >= now else { return nil }
        return UInt64(Int64(time) - now)
    }

    /// The `timeout` parameter of a `Keep-Alive` value: after how many idle seconds the peer closes.
    public static func keepAliveTimeout(_ value: ByteView) -> UInt64? {
        var rest = value
        while !rest.isEmpty {
            let comma = rest.firstIndex(of: 0x2c) ?? rest.count
            let item = rest.prefix(comma).trimmingOWS
            if item.prefix(8).equalsIgnoringCase("timeout="), let seconds = item.dropFirst(8).decimal { return seconds }
            rest = rest.dropFirst(comma + 1)
        }
        return nil
    }
}
