// A connection while it is not known whether it is over its limit.
import Reactor

/// What a rate limit service makes of a connection.
struct ConnectionVerdict {
    /// nil: it may go on.
    var refusal: ConnectionRefusal?
    /// For logs: what the service sends, and which limit decided.
    var notes: [StreamNote.Entry] = []
}

/// Who waits for the answer.
protocol ConnectionQuestionOwner: AnyObject {
    func answered(_ question: ConnectionQuestion, _ verdict: ConnectionVerdict)
}

/// A question about one connection, from `ask` until it is answered or cancelled. Loop thread only.
final class ConnectionQuestion: GRPCSideCallOwner {
    private let limit: ConnectionServiceLimit
    private let bytes: [UInt8]
    private let call: GRPCSideCall
    /// nil: it is over.
    private var owner: (any ConnectionQuestionOwner)?

    init(
        _ limit: ConnectionServiceLimit, _ bytes: [UInt8], _ loop: EventLoop, _ owner: any ConnectionQuestionOwner
    ) {
        self.limit = limit
        self.bytes = bytes
        self.owner = owner
        call = GRPCSideCall(loop: loop)
    }

    /// The owner hears nothing before this returns.
    func start(on cluster: (any RequestCluster)?) { call.start(bytes, to: limit.method, on: cluster, owner: self) }

    func cancel() {
        guard owner != nil else { return }
        owner = nil
        call.cancel()
        limit.givenUp()
    }

    func grpcCallEnded(_ call: GRPCSideCall, _ end: GRPCSideCallEnd) {
        guard let last = owner else { return }
        owner = nil
        last.answered(self, limit.judge(RateLimitVerdict(end, namespace: ConnectionServiceLimit.namespace), bytes))
    }
}
