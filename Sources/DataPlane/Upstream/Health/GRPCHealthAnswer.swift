// The two messages of `grpc.health.v1.Health/Check` as bytes.
import Reactor

/// Reads the one `HealthCheckResponse` of a call, in gRPC's framing (a flag, four bytes of length, the message).
struct GRPCHealthAnswer {
    /// The messages are a few bytes long; a server may add fields that nobody here knows.
    private static let limit = 4096

    private var bytes: [UInt8] = []
    /// What is wrong with it, for people.
    private(set) var problem: String?

    /// `HealthCheckRequest { service }` in a frame.
    static func request(service: String) -> [UInt8] {
        let name = Array(service.utf8)
        let message = name.isEmpty ? [] : [0x0a] + varint(UInt64(name.count)) + name
        return GRPCMessageReader.frame(message)
    }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = value
        while rest > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    /// Takes more bytes of the answer's body.
    mutating func feed(_ more: ByteView) {
        guard problem == nil else { return }
        guard bytes.count + more.count <= GRPCHealthAnswer.limit else {
            bytes = []
            problem = "the answer's message is over \(GRPCHealthAnswer.limit) bytes"
            return
        }
        bytes += more.array
        if let flag = bytes.first, flag != 0 { problem = "the answer's message is compressed" }
    }

    /// `status` of the message; nil when there is not one whole message, or it is malformed.
    var serving: UInt64? {
        guard problem == nil, bytes.count >= 5 else { return nil }
        let count = bytes[1..<5].reduce(0) { $0 << 8 | Int($1) }
        guard bytes.count == 5 + count else { return nil }
        var reader = ProtobufReader(Array(bytes[5...]))
        var status: UInt64 = 0
        while !reader.isAtEnd {
            guard let (number, value) = reader.next() else { return nil }
            if number == 1, case .varint(let said) = value { status = said }
        }
        return status
    }
}
