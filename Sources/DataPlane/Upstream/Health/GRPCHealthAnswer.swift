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
        let count = UInt32(clamping: message.count)
        return [0] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) } + message
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
        var reader = Reader(rest: bytes[5...])
        var status: UInt64 = 0
        while !reader.rest.isEmpty {
            guard let key = reader.varint() else { return nil }
            if key == 0x08 {
                guard let value = reader.varint() else { return nil }
                status = value
            } else if !reader.skip(wireType: key & 7) {
                return nil
            }
        }
        return status
    }

    /// Protobuf's wire format, as far as it is needed to find one number among fields that are not known.
    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func varint() -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 64, by: 7) {
                guard let byte = rest.popFirst() else { return nil }
                value |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { return value }
            }
            return nil
        }

        mutating func skip(wireType: UInt64) -> Bool {
            switch wireType {
            case 0: return varint() != nil
            case 1: return drop(8)
            case 2:
                guard let count = varint() else { return false }
                return drop(count)
            case 5: return drop(4)
            default: return false
            }
        }

        private mutating func drop(_ count: UInt64) -> Bool {
            guard count <= UInt64(rest.count) else { return false }
            rest = rest.dropFirst(Int(count))
            return true
        }
    }
}
