// Spans on their way to a collector: a bounded batch, and one message at a time.
import HTTPWire
import Logging
import Metrics
import Reactor

/// Gathers the encoded spans of one tracer and sends them. Loop thread only.
///
/// One message is under way at a time, and what comes meanwhile waits for it. Where the collector is away or slow, as
/// many spans wait as the settings allow, and more are dropped and counted; of a message that failed none is sent again.
final class SpanExporter: TimerTarget {
    private let format: SpanFormat
    private let spec: SpanBatchSpec
    private let collector: SpanCollector
    private let stats: SpanExportStats
    private let clusters: any RequestClusters
    private let loop: EventLoop
    private let call: SpanCall
    @exclusivity(unchecked) private var spans = ByteArena()
    @exclusivity(unchecked) private var count = 0
    /// Of the message that is under way.
    private var sentCount = 0
    private var sentBytes = 0
    private var isInHurry = false
    /// A message leaves with the end of this turn.
    private var isPlanned = false
    /// Nothing is said twice of one outage.
    private var hasFailed = false
    private var hasOverflowed = false
    private lazy var timer = LoopTimer(loop: loop, target: self)
    private static let logger = Logger(label: "tracing")

    init(
        _ format: SpanFormat, _ spec: SpanBatchSpec, to collector: SpanCollector, loop: EventLoop, cells: StatCells,
        clusters: any RequestClusters
    ) {
        self.format = format
        self.spec = spec
        self.collector = collector
        self.loop = loop
        self.clusters = clusters
        stats = SpanExportStats(cells, format)
        call = SpanCall(loop: loop, collector)
    }

    var isBusy: Bool { count > 0 || call.isActive }

    /// Encodes a span, or drops it where there is no room.
    func add(_ record: SpanRecord) {
        guard count < max(1, spec.maxSpans) else {
            return drop("max_cache_size \(spec.maxSpans)")
        }
        let before = spans.count
        format.append(record, to: &spans)
        if spec.maxBytes > 0, spans.count + sentBytes > spec.maxBytes {
            spans.truncate(to: before)
            return drop("outrider.tracing.max_buffer_kib \(spec.maxBytes >> 10)")
        }
        count += 1
        // The end of a call looks for what has come meanwhile.
        if !call.isActive { plan() }
    }

    private func plan() {
        if count >= spec.minSpans || isInHurry {
            // Not amid the request that the last span tells of.
            guard !isPlanned else { return }
            isPlanned = true
            loop.later { [self] in
                isPlanned = false
                flush()
            }
        } else if !timer.isArmed {
            timer.arm(after: spec.interval)
        }
    }

    /// Spans are sent as they come from now on.
    func hurry() {
        isInHurry = true
        flush()
    }

    func timerFired(_ timer: LoopTimer) {
        stats.timerFlushed.increment()
        flush()
    }

    private func flush() {
        guard count > 0, !call.isActive else { return }
        timer.disarm()
        sentCount = count
        sentBytes = spans.count
        let message = format.message(spans.view)
        spans.removeAll(keepingCapacity: spans.capacity <= SpanExporter.keptCapacity)
        count = 0
        call.start(message, clusters.requestCluster(named: collector.cluster.view)) { [self] failure in
            ended(failure)
        }
    }

    /// Memory that is kept for the next batch, bytes.
    private static let keptCapacity = 256 << 10

    private func ended(_ failure: SpanCall.Failure?) {
        let sent = sentCount
        (sentCount, sentBytes) = (0, 0)
        stats.count(failure, spans: sent)
        if let failure {
            if !hasFailed {
                SpanExporter.logger.warning(
                    "collector of cluster '\(collector.cluster.string)': \(failure.reason): spans are dropped until it takes them"
                )
            }
            hasFailed = true
        } else {
            if hasFailed {
                SpanExporter.logger.info("collector of cluster '\(collector.cluster.string)' takes spans again")
            }
            hasFailed = false
            hasOverflowed = false
        }
        if count > 0 { plan() }
    }

    private func drop(_ setting: String) {
        stats.spansDropped.increment()
        guard !hasOverflowed else { return }
        hasOverflowed = true
        SpanExporter.logger.warning(
            "collector of cluster '\(collector.cluster.string)' is too slow: spans beyond \(setting) are dropped")
    }
}

/// Who writes spans and the messages around them.
enum SpanFormat {
    case otlp(OTLPEncoder, isGRPC: Bool)
    case zipkin(ZipkinEncoder)

    func append(_ record: SpanRecord, to batch: inout ByteArena) {
        switch self {
        case .otlp(let encoder, _): encoder.append(record, to: &batch)
        case .zipkin(let encoder): encoder.append(record, to: &batch)
        }
    }

    func message(_ spans: ByteView) -> [UInt8] {
        switch self {
        case .otlp(let encoder, _): encoder.message(spans)
        case .zipkin(let encoder): encoder.message(spans)
        }
    }
}

/// `tracing.opentelemetry.` or `tracing.zipkin.`.
private struct SpanExportStats {
    let spansSent: Counter
    let spansDropped: Counter
    let timerFlushed: Counter
    /// Zipkin's.
    private let reports: (sent: Counter, dropped: Counter, skipped: Counter)?

    init(_ cells: StatCells, _ format: SpanFormat) {
        let prefix: String
        switch format {
        case .otlp:
            prefix = "tracing.opentelemetry."
            reports = nil
        case .zipkin:
            prefix = "tracing.zipkin."
            reports = (
                cells.counter(prefix + "reports_sent"), cells.counter(prefix + "reports_dropped"),
                cells.counter(prefix + "reports_skipped_no_cluster")
            )
        }
        spansSent = cells.counter(prefix + "spans_sent")
        spansDropped = cells.counter(prefix + "spans_dropped")
        timerFlushed = cells.counter(prefix + "timer_flushed")
    }

    func count(_ failure: SpanCall.Failure?, spans: Int) {
        guard let failure else {
            spansSent.add(UInt64(spans))
            reports?.sent.increment()
            return
        }
        spansDropped.add(UInt64(spans))
        failure.hasNoCluster ? reports?.skipped.increment() : reports?.dropped.increment()
    }
}
