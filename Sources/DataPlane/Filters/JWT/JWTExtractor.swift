// Where tokens are found in a request.
import HTTPWire
import Reactor

/// A token that a request brings.
struct JWTCandidate {
    let text: [UInt8]
    let place: JWTPlace
    /// Who may have issued a token in this place; nil: everybody.
    let issuers: Set<String>?
}

/// Where a token stood.
enum JWTPlace {
    case header(HeaderKey)
    /// The name, decoded.
    case parameter([UInt8])
    case cookie

    /// Takes the token out of a request; cookies stay, as in Envoy.
    func remove(from request: HeaderMap) {
        switch self {
        case .header(let key): request.remove(key)
        case .parameter(let name):
            var parameters = QueryParameterList(path: request.path)
            parameters.remove(name)
            parameters.set(on: request)
        case .cookie: break
        }
    }
}

/// The places of one provider's tokens, or of several providers'. Immutable; one thread.
final class JWTExtractor {
    private struct Header {
        let key: HeaderKey
        let prefix: FixedBytes
        let issuers: Set<String>?
    }

    private struct Named {
        let name: [UInt8]
        let issuers: Set<String>?
    }

    // In the order of their names, as in Envoy.
    private let headers: [Header]
    private let parameters: [Named]
    private let cookies: [Named]
    /// Headers that only this filter may set.
    let ownHeaders: [HeaderKey]

    init(_ providers: [JWTProviderSpec]) {
        var headers: [String: (name: String, prefix: String, issuers: Set<String>)] = [:]
        var parameters: [String: Set<String>] = [:]
        var cookies: [String: Set<String>] = [:]
        var own: [HeaderKey] = []
        for provider in providers {
            let isStandard = provider.headers.isEmpty && provider.parameters.isEmpty && provider.cookies.isEmpty
            let names =
                isStandard ? [JWTProviderSpec.Header(name: "authorization", prefix: "Bearer ")] : provider.headers
            for header in names {
                headers[header.name + header.prefix, default: (header.name, header.prefix, [])].issuers
                    .insert(provider.issuer)
            }
            for name in isStandard ? ["access_token"] : provider.parameters {
                parameters[name, default: []].insert(provider.issuer)
            }
            for name in provider.cookies { cookies[name, default: []].insert(provider.issuer) }
            for name in [provider.payloadHeader] + provider.claims.map(\.header) where !name.isEmpty {
                if let key = HeaderKey(name) { own.append(key) }
            }
        }
        self.headers = headers.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.compactMap { _, header in
            HeaderKey(header.name).map {
                Header(key: $0, prefix: FixedBytes(header.prefix), issuers: JWTExtractor.restricted(header.issuers))
            }
        }
        self.parameters = JWTExtractor.sorted(parameters)
        self.cookies = JWTExtractor.sorted(cookies)
        ownHeaders = own
    }

    private static func sorted(_ names: [String: Set<String>]) -> [Named] {
        names.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            .map { Named(name: Array($0.key.utf8), issuers: restricted($0.value)) }
    }

    /// A provider without an issuer takes all of them.
    private static func restricted(_ issuers: Set<String>) -> Set<String>? { issuers.contains("") ? nil : issuers }

    /// All tokens of a request.
    func tokens(_ request: HeaderMap) -> [JWTCandidate] {
        var found: [JWTCandidate] = []
        for header in headers {
            // Well-known fields are one line, as in Envoy; of others each line is a token.
            if header.key.known != nil {
                if let value = request.combinedValue(header.key) { add(value, header, &found) }
            } else {
                request.forEachValue(of: header.key) { add($0, header, &found) }
            }
        }
        if !parameters.isEmpty, request.path.count > request.path.pathLength {
            let query = QueryParameterList(path: request.path)
            for parameter in parameters {
                guard let value = query.value(parameter.name) else { continue }
                found.append(
                    JWTCandidate(text: value, place: .parameter(parameter.name), issuers: parameter.issuers))
            }
        }
        for cookie in cookies {
            let value = cookie.name.withUnsafeBytes { Cookies.value(ByteView($0), in: request)?.array }
            if let value { found.append(JWTCandidate(text: value, place: .cookie, issuers: cookie.issuers)) }
        }
        return found
    }

    /// With a prefix the token begins behind it, with the first byte that a token may have, wherever the prefix stands.
    private func add(_ value: ByteView, _ header: Header, _ found: inout [JWTCandidate]) {
        var text = value
        let prefix = header.prefix.view
        if !prefix.isEmpty {
            guard let start = JWTExtractor.find(prefix, in: value) else { return }
            var rest = value.dropFirst(start + prefix.count)
            while let byte = rest.first, !Base64URL.isDigit(byte), byte != UInt8(ascii: ".") { rest = rest.dropFirst() }
            if !rest.isEmpty { text = rest }
        }
        found.append(JWTCandidate(text: text.array, place: .header(header.key), issuers: header.issuers))
    }

    private static func find(_ needle: ByteView, in text: ByteView) -> Int? {
        var start = 0
        while start + needle.count <= text.count {
            if text.slice(start..<(start + needle.count)) == needle { return start }
            start += 1
        }
        return nil
    }
}
