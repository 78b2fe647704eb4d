// The answers of rate limit services: `envoy.service.ratelimit.v3.RateLimitResponse`.
import HTTPWire
import Reactor

/// What a service says of one question.
struct RateLimitAnswer: Equatable {
    /// Everything else lets the request go on, as in Envoy.
    var isOverLimit = false
    /// One for each descriptor that was asked about, in their order.
    var statuses: [RateLimitStatus] = []
    var responseFields: [ServiceField] = []
    var requestFields: [ServiceField] = []
    /// Of the answer to a request over its limit.
    var body: [UInt8] = []
    /// For logs.
    var metadata: [StreamNote.Entry] = []

    init() {}

    /// nil: the bytes are no such message, whatever they are of.
    ///
    /// - Parameter namespace: of the metadata.
    init?(_ bytes: [UInt8], namespace: String) {
        var answer = RateLimitAnswer()
        let isWhole = ProtobufReader.forEachField(bytes) { number, value in
            switch (number, value) {
            case (1, .varint(let code)): answer.isOverLimit = code == RateLimitAnswer.overLimit
            case (2, .bytes(let range)):
                guard let status = RateLimitStatus(Array(bytes[range])) else { return false }
                answer.statuses.append(status)
            case (3, .bytes(let range)):
                guard let field = RateLimitAnswer.field(Array(bytes[range])) else { return false }
                answer.responseFields.append(field)
            case (4, .bytes(let range)):
                guard let field = RateLimitAnswer.field(Array(bytes[range])) else { return false }
                if !RateLimitAnswer.isTarget(field.name) { answer.requestFields.append(field) }
            case (5, .bytes(let range)): answer.body = Array(bytes[range])
            case (6, .bytes(let range)):
                guard let entries = ServiceMetadata.entries(Array(bytes[range]), namespace: namespace) else {
                    return false
                }
                answer.metadata += entries
            default: break
            }
            return true
        }
        guard isWhole else { return nil }
        self = answer
    }

    /// `OVER_LIMIT`
    static let overLimit: UInt64 = 2

    private static func field(_ bytes: [UInt8]) -> ServiceField? {
        ProtobufReader.pair(bytes).map {
            ServiceField(name: $0.name.map(\.asciiLowercased), value: $0.value, action: .append)
        }
    }

    /// Says where a request goes: nothing that could be added to.
    private static func isTarget(_ name: [UInt8]) -> Bool {
        name.first == UInt8(ascii: ":") || name.elementsEqual("host".utf8)
    }

    /// The descriptor that decided, among those that were asked about; nil: the service does not tell.
    var decider: Int? { statuses.firstIndex(where: \.isOverLimit) }
}

extension RateLimitAnswer {
    /// `x-ratelimit-limit`, `-remaining` and `-reset` of the limit that is closest; none where no limit is known.
    /// draft-polli-ratelimit-headers-03.
    var quotaFields: [ServiceField] {
        var closest: (status: RateLimitStatus, requests: UInt32)?
        var policy: [UInt8] = []
        for status in statuses {
            guard let limit = status.limit else { continue }
            if closest.map({ status.remaining < $0.status.remaining }) ?? true { closest = (status, limit.requests) }
            guard limit.window > 0 else { continue }
            policy += Array(", \(limit.requests);w=\(limit.window)".utf8)
            if !limit.name.isEmpty { policy += Array(";name=\"".utf8) + limit.name + [UInt8(ascii: "\"")] }
        }
        guard let (status, requests) = closest else { return [] }
        func field(_ name: String, _ value: [UInt8]) -> ServiceField {
            ServiceField(name: Array(name.utf8), value: value, action: .append)
        }
        return [
            field("x-ratelimit-limit", Array("\(requests)".utf8) + policy),
            field("x-ratelimit-remaining", Array("\(status.remaining)".utf8)),
            field("x-ratelimit-reset", Array("\(status.resetSeconds)".utf8)),
        ]
    }
}
