// Fields that services add to requests and responses.
import HTTPWire
import Reactor

/// A field of a request or response, as the service names it.
struct ServiceField: Equatable {
    enum Action: Equatable { case append, appendIfExists, addIfAbsent, set, setIfExists }

    var name: [UInt8]
    var value: [UInt8]
    var action: Action

    /// Fields that say where a message ends are its carrier's.
    private static let framing: HeaderNameSet = [
        .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .te, .contentLength,
    ]

    /// Changes `headers`; names that are none change nothing.
    func apply(to headers: HeaderMap, isRequest: Bool) {
        name.withUnsafeBytes { name in
            value.withUnsafeBytes { value in apply(ByteView(name), ByteView(value), to: headers, isRequest) }
        }
    }

    private func apply(_ name: ByteView, _ value: ByteView, to headers: HeaderMap, _ isRequest: Bool) {
        guard let key = HeaderKey(name) else { return }
        if let pseudo = key.pseudo {
            guard isRequest, pseudo != .scheme, pseudo != .status else { return }
            // A tunnel is not made of what is none.
            if pseudo == .method && value.equals("CONNECT") { return }
            return headers.set(pseudo, value)
        }
        if let known = key.known, ServiceField.framing.contains(known) { return }
        switch action {
        case .append: headers.append(key, value)
        case .set: headers.set(key, value)
        case .addIfAbsent: if !headers.contains(key) { headers.append(key, value) }
        case .setIfExists: if headers.contains(key) { headers.set(key, value) }
        case .appendIfExists:
            guard let old = headers.combinedValue(key)?.array else { return }
            (old + [UInt8(ascii: ",")] + value.array).withUnsafeBytes { headers.set(key, ByteView($0)) }
        }
    }
}
