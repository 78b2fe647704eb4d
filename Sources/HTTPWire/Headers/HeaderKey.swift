// A field name prepared for look-ups: what configuration holds for header matchers, formatters and rules.
import Reactor

/// A field name or pseudo-header with its look-up prepared, so that asking a `HeaderMap` for it costs no hashing.
public struct HeaderKey: Sendable, Hashable, CustomStringConvertible {
    /// The pseudo-headers, which live outside of the field table.
    public enum Pseudo: UInt8, Sendable, Hashable {
        case method
        case path
        case authority
        case scheme
        case status
    }

    /// Set for `:method` and the like; `host` counts as `:authority`.
    public let pseudo: Pseudo?
    /// Set when the name is well known.
    public let known: HeaderName?
    let mark: UInt8
    let bytes: FixedBytes

    /// nil when `name` is neither a legal field name nor a pseudo-header.
    public init?(_ name: ByteView) {
        switch true {
        case name.equalsIgnoringCase(":method"): pseudo = .method
        case name.equalsIgnoringCase(":path"): pseudo = .path
        case name.equalsIgnoringCase(":authority"), name.equalsIgnoringCase("host"): pseudo = .authority
        case name.equalsIgnoringCase(":scheme"): pseudo = .scheme
        case name.equalsIgnoringCase(":status"): pseudo = .status
        default: pseudo = nil
        }
        guard pseudo != nil || name.isToken else { return nil }
        known = pseudo == nil ? HeaderName(name) : nil
        mark = HeaderNameIndex.hash(name, 0, name.count).mark
        bytes = FixedBytes(name)
    }

    /// nil when `name` is neither a legal field name nor a pseudo-header.
    public init?(_ name: String) {
        var name = name
        let key = name.withUTF8 { HeaderKey(ByteView(UnsafeRawBufferPointer($0))) }
        guard let key else { return nil }
        self = key
    }

    /// The well-known name as a key.
    public init(_ name: HeaderName) {
        pseudo = name == .host ? .authority : nil
        known = name == .host ? nil : name
        mark = HeaderNameIndex.hash(name.bytes, 0, name.bytes.count).mark
        bytes = FixedBytes(name.bytes)
    }

    /// The name as it was spelled; valid while the key is held.
    public var name: ByteView { bytes.view }

    public var description: String { bytes.string }

    /// Names are the same whatever their case.
    public static func == (left: HeaderKey, right: HeaderKey) -> Bool {
        left.pseudo == right.pseudo && left.known == right.known
            && (left.pseudo != nil || left.bytes.view.equalsIgnoringCase(right.bytes.view))
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(pseudo)
        if pseudo == nil { hasher.combine(bytes.view.hashIgnoringCase()) }
    }
}
