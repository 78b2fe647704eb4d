// The question that a rate limit service is asked: `envoy.service.ratelimit.v3.RateLimitRequest`.
import HTTPWire
import Reactor

/// One question, written as descriptors are found.
struct RateLimitQuestion {
    static let method = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"

    private var writer = ProtobufWriter()

    init() {}

    /// There is no descriptor, and so nothing to ask.
    var isEmpty: Bool { writer.bytes.isEmpty }
    var bytes: [UInt8] { writer.bytes }

    /// - Parameter hits: nil: one.
    mutating func add(_ descriptor: RequestDescriptor, hits: UInt64? = nil, domain: FixedBytes) {
        if isEmpty { writer.append(1, domain.view) }
        writer.append(2) { message in
            for index in 0..<descriptor.count {
                message.append(1) { entry in
                    entry.append(1, text: descriptor.key(index))
                    entry.append(2, text: descriptor.value(index))
                }
            }
            if let hits { message.append(3) { $0.append(1, hits) } }
        }
    }

    // MARK: - For people

    /// A descriptor of a question as "key=value, key=value"; empty where there is none. Cold.
    static func descriptor(_ index: Int, of question: [UInt8]) -> String {
        var place = 0
        var parts: [String] = []
        _ = ProtobufReader.forEachField(question) { number, value in
            guard number == 2, case .bytes(let range) = value else { return true }
            defer { place += 1 }
            guard place == index else { return true }
            let descriptor = Array(question[range])
            return ProtobufReader.forEachField(descriptor) { number, value in
                guard number == 1, case .bytes(let range) = value,
                    let entry = ProtobufReader.pair(Array(descriptor[range]))
                else { return true }
                parts.append(
                    String(decoding: entry.name, as: UTF8.self) + "=" + String(decoding: entry.value, as: UTF8.self))
                return true
            }
        }
        return parts.joined(separator: ", ")
    }
}
