// The counters of one gRPC method, or of all methods that have none of their own.
import Metrics

/// `<prefix>.success`, `.failure`, `.total`, `.<status>`, the messages and the time upstream, each made on its first
/// use, as in Envoy. Loop thread only.
final class GRPCMethodStats {
    private let cells: StatCells
    private let prefix: String
    private var statuses: [Counter?] = []
    private lazy var success = cells.counter(prefix + ".success")
    private lazy var failure = cells.counter(prefix + ".failure")
    private lazy var total = cells.counter(prefix + ".total")
    private(set) lazy var requestMessages = cells.counter(prefix + ".request_message_count")
    private(set) lazy var responseMessages = cells.counter(prefix + ".response_message_count")
    private(set) lazy var upstreamTime = cells.histogram(prefix + ".upstream_rq_time", unit: .milliseconds)

    /// gRPC knows the statuses 0 to 16. Servers may send others; those count in the sums alone.
    private static let statusCount = 17

    /// `prefix` is "cluster.<name>.grpc", or that with a service and a method.
    init(_ cells: StatCells, prefix: String) {
        self.cells = cells
        self.prefix = prefix
    }

    /// A call ended with a status.
    func record(status: Int) {
        total.increment()
        (status == 0 ? success : failure).increment()
        guard status < GRPCMethodStats.statusCount else { return }
        if statuses.isEmpty { statuses = Array(repeating: nil, count: GRPCMethodStats.statusCount) }
        let counter = statuses[status] ?? cells.counter("\(prefix).\(status)")
        statuses[status] = counter
        counter.increment()
    }
}
