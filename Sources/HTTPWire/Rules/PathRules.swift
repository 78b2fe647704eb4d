// Normalisation of paths: what `normalize_path`, `merge_slashes` and `path_with_escaped_slashes_action` ask for.
import Reactor

/// The path options of a connection manager. Only the path is touched, never the query.
public struct PathRules: Sendable, Equatable {
    /// What is done about `%2F` and `%5C`.
    public enum EscapedSlashes: Sendable, Equatable {
        case keep
        case reject
        /// Unescape, normalise, and send the client there.
        case redirect
        case unescape
    }

    /// What became of a path.
    public enum Outcome: Sendable, Equatable {
        case unchanged
        /// The path of the request is another one now.
        case changed
        /// The path is another one now, and the client is to be redirected to it.
        case redirect
        /// The request is to be answered 400.
        case reject
    }

    /// `normalize_path`: dot segments, `\`, escapes of unreserved characters, and characters that must be escaped.
    public var normalize: Bool
    public var mergeSlashes: Bool
    public var escapedSlashes: EscapedSlashes

    public init(normalize: Bool = false, mergeSlashes: Bool = false, escapedSlashes: EscapedSlashes = .keep) {
        self.normalize = normalize
        self.mergeSlashes = mergeSlashes
        self.escapedSlashes = escapedSlashes
    }

    /// Applies the rules to the path of a request, in Envoy's order. Allocates only when the path changes.
    public func apply(to headers: HeaderMap) -> Outcome {
        guard normalize || mergeSlashes || escapedSlashes != .keep else { return .unchanged }
        let path = headers.path
        guard path.first == 0x2f else { return .unchanged }
        let (part, query) = PathRules.split(path)
        if PathRules.isPlain(part) { return .unchanged }
        var bytes = part.array
        var outcome = Outcome.unchanged
        if escapedSlashes != .keep, let unescaped = PathRules.unescapingSlashes(bytes) {
            if escapedSlashes == .reject { return .reject }
            if escapedSlashes == .redirect { outcome = .redirect }
            bytes = unescaped
        }
        if normalize {
            guard let normalized = PathRules.normalized(bytes) else { return .reject }
            bytes = normalized
        }
        if mergeSlashes { bytes = PathRules.mergingSlashes(bytes) }
        let isSame = bytes.withUnsafeBytes { ByteView($0) == part }
        if isSame { return outcome }
        bytes += query.array
        bytes.withUnsafeBytes { headers.setPath(ByteView($0)) }
        return outcome == .redirect ? .redirect : .changed
    }

    /// The path up to its `?`, and the rest with it.
    public static func split(_ path: ByteView) -> (path: ByteView, query: ByteView) {
        let mark = path.firstIndex(of: 0x3f) ?? path.count
        return (path.prefix(mark), path.dropFirst(mark))
    }

    /// True when `path` (without query) is `prefix` or goes on with `/` behind it (`path_separated_prefix`).
    public static func hasSeparatedPrefix(_ path: ByteView, _ prefix: ByteView) -> Bool {
        guard path.hasPrefix(prefix) else { return false }
        return path.count == prefix.count || path[prefix.count] == 0x2f
    }

    /// True when no rule could change the path: no escapes, no `//`, no segment that begins with a dot, no character
    /// that would be escaped.
    private static func isPlain(_ path: ByteView) -> Bool {
        let allowed = ByteClass.path
        var previous: UInt8 = 0
        var index = 0
        while index < path.count {
            let byte = path[index]
            if !allowed.contains(byte) || byte == 0x25 { return false }
            if previous == 0x2f && (byte == 0x2f || byte == 0x2e) { return false }
            previous = byte
            index &+= 1
        }
        return true
    }

    // MARK: The steps

    /// `%2F` to `/` and `%5C` to `\`; nil when there are none.
    static func unescapingSlashes(_ path: [UInt8]) -> [UInt8]? {
        var result: [UInt8] = []
        var found = false
        var index = 0
        while index < path.count {
            if let byte = escape(path, index), byte == 0x2f || byte == 0x5c {
                result.append(byte)
                found = true
                index += 3
            } else {
                result.append(path[index])
                index += 1
            }
        }
        return found ? result : nil
    }

    /// RFC 3986, section 6.2.2, the way Envoy (by the URL library of Chromium) does it: `\` counts as `/`, dot segments
    /// are removed (also escaped ones), unreserved characters are unescaped, illegal ones escaped. nil for `%00`, and
    /// for malformed escapes that would become well-formed ones by it: `/%2%65` must not go on as `/%2e`.
    static func normalized(_ path: [UInt8]) -> [UInt8]? {
        guard let once = normalizedOnce(path) else { return nil }
        if once == path || !hasMalformedEscape(path) { return once }
        return normalizedOnce(once) == once ? once : nil
    }

    private static func hasMalformedEscape(_ path: [UInt8]) -> Bool {
        path.indices.contains { path[$0] == 0x25 && escape(path, $0) == nil }
    }

    private static func normalizedOnce(_ path: [UInt8]) -> [UInt8]? {
        let allowed = ByteClass.path
        var result: [UInt8] = []
        result.reserveCapacity(path.count)
        var index = 0
        while index < path.count {
            let byte = path[index]
            if byte == 0x2f || byte == 0x5c {
                index += 1
                var dots = 0
                var end = index
                while dots < 3, let length = dot(path, end) {
                    dots += 1
                    end += length
                }
                let atEnd = end == path.count
                if (dots == 1 || dots == 2) && (atEnd || path[end] == 0x2f || path[end] == 0x5c) {
                    if dots == 2 { removeLastSegment(&result) }
                    // The slash behind the dots is read next; at the end of the path this one stays.
                    if atEnd { result.append(0x2f) }
                    index = end
                } else {
                    result.append(0x2f)
                }
            } else if let value = escape(path, index) {
                if value == 0 { return nil }
                if ByteClass.unreserved.contains(value) {
                    result.append(value)
                } else {
                    result += path[index..<(index + 3)]
                }
                index += 3
            } else {
                PercentCoding.append(byte, unless: allowed.contains(byte), &result)
                index += 1
            }
        }
        return result
    }

    /// Runs of `/` to one.
    static func mergingSlashes(_ path: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(path.count)
        for byte in path where byte != 0x2f || result.last != 0x2f { result.append(byte) }
        return result
    }

    /// Removes `/segment` from the end.
    private static func removeLastSegment(_ path: inout [UInt8]) {
        guard let slash = path.lastIndex(of: 0x2f) else { return }
        path.removeSubrange(slash...)
    }

    /// The length of a dot, plain or escaped, at `index`.
    private static func dot(_ path: [UInt8], _ index: Int) -> Int? {
        if index < path.count && path[index] == 0x2e { return 1 }
        return escape(path, index) == 0x2e ? 3 : nil
    }

    private static func escape(_ path: [UInt8], _ index: Int) -> UInt8? {
        guard index + 2 < path.count, path[index] == 0x25, let high = path[index + 1].hexDigitValue,
            let low = path[index + 2].hexDigitValue
        else { return nil }
        return high << 4 | low
    }
}
