// Which fields mean something behind a message.

extension HeaderTable {
    /// False for the fields that frame, route or authenticate a message: they mean nothing behind it and are dropped
    /// there (RFC 9110, section 6.5.1).
    static func isAllowedInTrailers(_ known: UInt8) -> Bool {
        switch HeaderName(rawValue: known) {
        case .transferEncoding, .contentLength, .host, .connection, .keepAlive, .proxyConnection, .te, .trailer,
            .upgrade, .contentEncoding, .contentType, .contentRange, .authorization, .proxyAuthorization, .expect,
            .cacheControl, .maxForwards, .range, .setCookie, .cookie, .location:
            false
        default: true
        }
    }
}
