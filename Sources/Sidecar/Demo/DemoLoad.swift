// The demo's own load: requests through the outbound sidecar, and what became of them.
import Reactor

/// Sends requests at a pace, or as fast as answers come, and keeps count. Loop thread only.
final class DemoLoad: TimerTarget {
    static let connections = 8
    private static let tick = TimeAmount.milliseconds(10)

    private let loop: EventLoop
    private let client: DemoClient
    /// Requests a second; nil: as fast as answers come.
    private let rate: Int?
    /// How many to send; nil: no end.
    private let count: Int?
    private var timer: LoopTimer?
    private var paceStart = MonotonicTime.zero
    private var paced = 0

    private(set) var sent = 0
    private(set) var succeeded = 0
    private(set) var failed = 0
    /// In words, the first one that failed.
    private(set) var firstFailure: String?
    /// Who the app says has called: names, and how often.
    private(set) var callers: [String: Int] = [:]
    private(set) var began = MonotonicTime.zero
    private(set) var ended = MonotonicTime.zero
    var latencies = LatencyRecord()

    init(loop: EventLoop, address: SocketAddress, rate: Int?, count: Int?) {
        self.loop = loop
        self.rate = rate
        self.count = count
        client = DemoClient(loop: loop, address: address, connections: DemoLoad.connections)
    }

    var isDone: Bool { succeeded + failed == count }
    /// How long it took, or has taken so far.
    var duration: TimeAmount { (isDone ? ended : loop.now) - began }

    func start() {
        began = loop.now
        paceStart = began
        if rate == nil {
            for _ in 0..<DemoLoad.connections { sendNext() }
        } else {
            timer = LoopTimer(loop: loop, target: self)
            timer?.arm(after: DemoLoad.tick)
        }
    }

    func stop() {
        timer?.disarm()
        client.close()
    }

    func timerFired(_ timer: LoopTimer) {
        timer.arm(after: DemoLoad.tick)
        guard let rate else { return }
        let elapsed = (loop.now - paceStart).milliseconds
        let due = Int(clamping: elapsed) * rate / 1000
        while paced < due {
            paced += 1
            // Who cannot keep up is not buried under what he missed.
            if client.pending < 4 * DemoLoad.connections { sendNext() }
        }
        if elapsed > 1000 {
            paceStart = paceStart + .seconds(1)
            paced -= rate
        }
    }

    private func sendNext() {
        if let count, sent >= count {
            timer?.disarm()
            return
        }
        sent += 1
        client.get("/hello") { [unowned self] outcome, took in heard(outcome, took) }
    }

    private func heard(_ outcome: DemoClient.Outcome, _ took: TimeAmount) {
        latencies.add(took)
        ended = loop.now
        switch outcome {
        case .answered(200, let body):
            succeeded += 1
            note(body)
        case .answered(let status, let body):
            let text = String(decoding: body.prefix(200), as: UTF8.self).split(separator: "\n").first ?? ""
            fail("status \(status)" + (text.isEmpty ? "" : ": \(text)"))
        case .unreachable(let reason), .broken(let reason):
            fail(reason)
        case .timedOut:
            fail("no answer within \(DemoClient.patience)")
        }
        if rate == nil { sendNext() }
    }

    private func fail(_ text: String) {
        failed += 1
        if firstFailure == nil { firstFailure = text }
    }

    private func note(_ body: [UInt8]) {
        for line in String(decoding: body, as: UTF8.self).split(separator: "\n") where line.hasPrefix("called by ") {
            callers[String(line.dropFirst(10)), default: 0] += 1
        }
    }
}
