// The answers of gRPC authorization services: `envoy.service.auth.v3.CheckResponse`.
import Reactor

/// Reads a serialized answer, whatever bytes it is of.
enum CheckResponseReader {
    /// The answer; a failure for what is no such message.
    static func verdict(_ bytes: [UInt8]) -> AuthorizationVerdict {
        var code: UInt64 = 0
        var changes = AuthorizationChanges()
        var denial = AuthorizationRefusal()
        var failure: AuthorizationRefusal?
        let isWhole = ProtobufReader.forEachField(bytes) { number, value in
            switch (number, value) {
            case (1, .bytes(let range)):
                code = 0
                return ProtobufReader.forEachField(Array(bytes[range])) { number, value in
                    if number == 1, case .varint(let value) = value { code = value }
                    return true
                }
            case (2, .bytes(let range)): return refusal(Array(bytes[range]), &denial)
            case (3, .bytes(let range)): return allowance(Array(bytes[range]), &changes)
            case (4, .bytes(let range)): changes.hasMetadata = changes.hasMetadata || !range.isEmpty
            case (5, .bytes(let range)):
                var found = AuthorizationRefusal()
                guard refusal(Array(bytes[range]), &found) else { return false }
                failure = found
            default: break
            }
            return true
        }
        guard isWhole else { return .failed(nil, reason: "the answer is no CheckResponse") }
        if code == 0 { return .allowed(changes) }
        if let failure { return .failed(failure, reason: "the service says that it failed") }
        return .denied(denial)
    }

    /// `DeniedHttpResponse`.
    private static func refusal(_ bytes: [UInt8], _ refusal: inout AuthorizationRefusal) -> Bool {
        var status: Int?
        var fields: [ServiceField] = []
        var body: [UInt8] = []
        let isWhole = ProtobufReader.forEachField(bytes) { number, value in
            switch (number, value) {
            case (1, .bytes(let range)):
                return ProtobufReader.forEachField(Array(bytes[range])) { number, value in
                    if number == 1, case .varint(let value) = value { status = AuthorizationRefusal.status(value) }
                    return true
                }
            case (2, .bytes(let range)): return append(Array(bytes[range]), to: &fields, isRequest: false)
            case (3, .bytes(let range)): body = Array(bytes[range])
            default: break
            }
            return true
        }
        refusal = AuthorizationRefusal(status: status, fields: fields, body: body)
        return isWhole
    }

    /// `OkHttpResponse`.
    private static func allowance(_ bytes: [UInt8], _ changes: inout AuthorizationChanges) -> Bool {
        var found = changes
        let isWhole = ProtobufReader.forEachField(bytes) { number, value in
            guard case .bytes(let range) = value else { return true }
            let inner = Array(bytes[range])
            switch number {
            case 2: return append(inner, to: &found.request, isRequest: true)
            case 3: found.hasMetadata = found.hasMetadata || !inner.isEmpty
            case 5: found.removed.append(inner)
            case 6: return append(inner, to: &found.response, isRequest: false)
            case 7:
                guard let (name, value) = ProtobufReader.pair(inner) else { return false }
                found.parametersSet.append((name, value))
            case 8: found.parametersRemoved.append(inner)
            default: break
            }
            return true
        }
        changes = found
        return isWhole
    }

    /// `HeaderValueOption`. As Envoy reads it: for requests only `append` counts, which is off unless it is set; and what
    /// is to be appended needs something to be appended to.
    private static func append(_ bytes: [UInt8], to fields: inout [ServiceField], isRequest: Bool) -> Bool {
        var name: [UInt8] = []
        var text: [UInt8] = []
        var appends: Bool?
        var action = ServiceField.Action.append
        let isWhole = ProtobufReader.forEachField(bytes) { number, value in
            switch (number, value) {
            case (1, .bytes(let range)):
                guard let found = ProtobufReader.pair(Array(bytes[range])) else { return false }
                (name, text) = found
            case (2, .bytes(let range)):
                appends = false
                return ProtobufReader.forEachField(Array(bytes[range])) { number, value in
                    if number == 1, case .varint(let value) = value { appends = value != 0 }
                    return true
                }
            case (3, .varint(let value)):
                switch value {
                case 1: action = .addIfAbsent
                case 2: action = .set
                case 3: action = .setIfExists
                default: action = .append
                }
            default: break
            }
            return true
        }
        if isRequest {
            action = appends == true ? .appendIfExists : .set
        } else if let appends {
            action = appends ? .append : .set
        }
        fields.append(ServiceField(name: name, value: text, action: action))
        return isWhole
    }
}
