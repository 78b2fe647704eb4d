// gRPC on top of side calls: one message there, one message back.
import HTTPWire
import Reactor

/// Who makes gRPC calls.
protocol GRPCSideCallOwner: AnyObject {
    /// The call is over; another one may be started from inside.
    func grpcCallEnded(_ call: GRPCSideCall, _ end: GRPCSideCallEnd)
}

/// How a unary gRPC call ended.
enum GRPCSideCallEnd: Equatable {
    /// `grpc-status` 0, and the message that came with it.
    case answered([UInt8])
    /// Another status, or one of our own making where the server gave none; `reason` is for people.
    case failed(GRPCRules.Status, reason: String)
}

/// A unary method of a gRPC service, as one worker calls it.
struct GRPCSideMethod {
    /// "/envoy.service.auth.v3.Authorization/Check"
    let path: FixedBytes
    let authority: FixedBytes
    /// Fields of the request's head (`initial_metadata`).
    let metadata: [(name: FixedBytes, value: FixedBytes)]
    /// `maxResponseBytes` is of the message.
    var rules: SideCallRules

    init(path: String, authority: String, metadata: [(name: String, value: String)] = [], _ rules: SideCallRules) {
        self.path = FixedBytes(path)
        self.authority = FixedBytes(authority)
        self.metadata = metadata.map { (FixedBytes($0.name), FixedBytes($0.value)) }
        self.rules = rules
        self.rules.version = .http2
        self.rules.announcesLength = false
        // And what frames it.
        let (sum, isOver) = rules.maxResponseBytes.addingReportingOverflow(GRPCSideMethod.prefixLength)
        self.rules.maxResponseBytes = isOver ? .max : sum
    }

    /// A flag, and four bytes of length.
    static let prefixLength = 5
}

/// One unary gRPC call at a time. Made once and used for one after the other. Loop thread only.
/// gRPC page: "gRPC over HTTP2".
final class GRPCSideCall: SideCallOwner {
    private let call: SideCall
    private var owner: (any GRPCSideCallOwner)?
    private var scratch = ByteArena()

    init(loop: EventLoop) { call = SideCall(loop: loop) }

    /// True from `start` until the owner hears of the end, or `cancel`.
    var isActive: Bool { owner != nil }

    /// Begins the call; one that is under way is cancelled. The owner hears nothing before this returns, and is held
    /// until the end.
    ///
    /// - Parameter cluster: as it stands at this moment; nil ends the call.
    func start(
        _ message: [UInt8], to method: GRPCSideMethod, on cluster: (any RequestCluster)?, owner: any GRPCSideCallOwner
    ) {
        cancel()
        self.owner = owner
        let head = call.request
        head.removeAll()
        head.setMethod(ByteView("POST" as StaticString))
        head.setPath(method.path.view)
        head.setAuthority(method.authority.view)
        head.append(.te, "trailers")
        if let limit = method.rules.timeout { GRPCRules.setTimeout(limit, head, &scratch) }
        head.append(.contentType, "application/grpc")
        for (name, value) in method.metadata { head.append(name: name.view, value: value.view) }
        call.body.removeAll(keepingCapacity: true)
        GRPCMessageReader.appendFrame(message, to: &call.body)
        call.start(on: cluster, method.rules, owner: self)
    }

    /// Gives the call up: the owner hears nothing more.
    func cancel() {
        call.cancel()
        owner = nil
    }

    func sideCallEnded(_ call: SideCall, _ end: SideCallEnd) {
        let last = owner
        owner = nil
        last?.grpcCallEnded(self, result(end))
    }

    private func result(_ end: SideCallEnd) -> GRPCSideCallEnd {
        if case .failed(let failure) = end {
            return .failed(GRPCRules.Status(http: failure.status), reason: failure.description)
        }
        let (head, trailers) = (call.response, call.responseTrailers)
        guard head.status == 200 else {
            let status = GRPCRules.status(head).flatMap { GRPCRules.Status(rawValue: $0) }
            return .failed(status ?? GRPCRules.Status(http: head.status), reason: "HTTP status \(head.status)")
        }
        guard GRPCRules.isRequest(head) else {
            return .failed(.unknown, reason: "the answer is not gRPC: its content-type is not application/grpc")
        }
        let fields = trailers.contains(.grpcStatus) ? trailers : head
        guard let status = GRPCRules.status(fields) else {
            return .failed(.unknown, reason: "the answer has no grpc-status")
        }
        guard status == 0 else {
            let text = fields.value(named: "grpc-message").map { PercentCoding.decoded($0.prefix(500)) } ?? []
            return .failed(
                GRPCRules.Status(rawValue: status) ?? .unknown,
                reason: "grpc-status \(status)" + (text.isEmpty ? "" : ": " + String(decoding: text, as: UTF8.self)))
        }
        var reader = GRPCMessageReader(limit: 0)
        call.responseBody.withUnsafeBytes { reader.feed(ByteView($0)) }
        guard let message = reader.next() else {
            return .failed(.internal, reason: reader.problem ?? "the answer has no message")
        }
        return .answered(message)
    }
}
