// The language of a hot restart: what the two processes say to each other, and how it looks on the wire.
import DataPlane

/// One packet of a handover. Version 1 of the protocol, over a Unix socket of packets:
///
///     new process                      old process
///     hello(version)             ->
///                                <-    listener(...) + its sockets     for each bound address, in one or more packets
///                                <-    admin(...) + its socket         where there is one
///                                <-    offered(epoch, began)
///     (builds its workers, looks names up, accepts on what it got)
///     taken                      ->    accepts no more, drains
///                                <-    counters, gauges ...            the whole of them
///                                <-    statsComplete
///     (opens the admin port, listens for its own successor)
///                                <-    counters, gauges ...            what has changed, every second and at the end
///                                <-    drained
///
/// Until `taken`, either side may go away and the old process serves on as if nothing had been. Both sides close the
/// connection at a packet that they cannot read, and at a peer that runs as another user.
///
/// A packet is one byte for its kind and its fields: numbers have 8 bytes, high byte first; a text is the number of its
/// bytes and the bytes.
enum HandoverMessage: Equatable {
    static let version: UInt64 = 1

    case hello(version: UInt64)
    case listener(SocketIdentity)
    case admin(SocketIdentity)
    /// `epoch`: how many restarts there were. `began`: when the first process started, unix seconds.
    case offered(epoch: UInt64, began: Int64)
    case taken
    /// How much each has grown.
    case counters([StatValue])
    /// What each is now; the receiver adds it to its own.
    case gauges([StatValue])
    case statsComplete
    case drained

    struct StatValue: Equatable {
        var name: String
        var value: Int64
    }

    /// Bytes of one packet of stats, about: leaves room for one more name.
    private static let packetSize = 24 << 10
    /// Bytes of a stat's name. Longer ones are not handed over.
    static let maxName = 4 << 10

    var bytes: [UInt8] {
        var writer = Writer(kind)
        switch self {
        case .hello(let version): writer.number(version)
        case .listener(let socket), .admin(let socket):
            writer.text(socket.name)
            writer.text(socket.address)
            writer.text(socket.options)
        case .offered(let epoch, let began):
            writer.number(epoch)
            writer.number(UInt64(bitPattern: began))
        case .counters(let values), .gauges(let values):
            writer.number(UInt64(values.count))
            for value in values {
                writer.text(value.name)
                writer.number(UInt64(bitPattern: value.value))
            }
        case .taken, .statsComplete, .drained: break
        }
        return writer.bytes
    }

    /// nil for what is no message of this version.
    init?(_ bytes: [UInt8]) {
        guard let kind = bytes.first else { return nil }
        var reader = Reader(bytes.dropFirst())
        switch kind {
        case 1: self = .hello(version: reader.number())
        case 2: self = .listener(reader.identity())
        case 3: self = .admin(reader.identity())
        case 4: self = .offered(epoch: reader.number(), began: Int64(bitPattern: reader.number()))
        case 5: self = .taken
        case 6: self = .counters(reader.values())
        case 7: self = .gauges(reader.values())
        case 8: self = .statsComplete
        case 9: self = .drained
        default: return nil
        }
        guard reader.isWhole else { return nil }
    }

    private var kind: UInt8 {
        switch self {
        case .hello: 1
        case .listener: 2
        case .admin: 3
        case .offered: 4
        case .taken: 5
        case .counters: 6
        case .gauges: 7
        case .statsComplete: 8
        case .drained: 9
        }
    }

    /// Cuts a list of stats into pieces that fit into a packet each.
    static func pieces(_ values: [StatValue]) -> [[StatValue]] {
        var pieces: [[StatValue]] = []
        var room = 0
        for value in values where value.name.utf8.count <= maxName {
            let size = value.name.utf8.count + 16
            if pieces.isEmpty || size > room {
                pieces.append([])
                room = packetSize
            }
            pieces[pieces.count - 1].append(value)
            room -= size
        }
        return pieces
    }
}

private struct Writer {
    private(set) var bytes: [UInt8]

    init(_ kind: UInt8) { bytes = [kind] }

    mutating func number(_ value: UInt64) {
        for place in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value >> (56 - 8 * UInt64(place)))) }
    }

    mutating func text(_ text: String) {
        number(UInt64(text.utf8.count))
        bytes += text.utf8
    }
}

private struct Reader {
    private var rest: ArraySlice<UInt8>
    private var isBroken = false

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// Everything was there, and nothing more.
    var isWhole: Bool { !isBroken && rest.isEmpty }

    mutating func number() -> UInt64 {
        guard rest.count >= 8 else { return broken(0) }
        defer { rest = rest.dropFirst(8) }
        return rest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func text() -> String {
        let count = number()
        guard count <= UInt64(rest.count) else { return broken("") }
        defer { rest = rest.dropFirst(Int(count)) }
        return String(decoding: rest.prefix(Int(count)), as: UTF8.self)
    }

    mutating func identity() -> SocketIdentity {
        let (name, address, options) = (text(), text(), text())
        return SocketIdentity(name: name, address: address, options: options)
    }

    mutating func values() -> [HandoverMessage.StatValue] {
        let count = number()
        // Each takes 16 bytes at least: what cannot be there is not made room for.
        guard count <= UInt64(rest.count / 16) else { return broken([]) }
        return (0..<Int(count)).map { _ in HandoverMessage.StatValue(name: text(), value: Int64(bitPattern: number())) }
    }

    private mutating func broken<Value>(_ value: Value) -> Value {
        isBroken = true
        return value
    }
}
