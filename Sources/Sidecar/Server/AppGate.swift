// Readiness that follows the app: `/ready` is 503 while the app does not answer.
import Logging
import Reactor

/// Looks at the app again and again (`--ready-when-app`). Main thread only.
///
/// The app is taken for up with its first answer and for down after three failures in a row, so that one slow answer
/// takes no traffic away. A look is due 100 ms after one that failed and 1 s after one that did not.
final class AppGate {
    private static let patience = TimeAmount.seconds(1)
    private static let pauseWhenDown = TimeAmount.milliseconds(100)
    private static let pauseWhenUp = TimeAmount.seconds(1)
    private static let failuresUntilDown = 3

    private let target: ProbeTarget
    private let loop: EventLoop
    private let resolver: DNSResolver
    private let log: Logger
    private var probe: Probe?
    private var pause: Tick?
    private var failures = 0

    /// Why the app is not ready; nil when it is.
    private(set) var failure: String?

    init(_ target: ProbeTarget, loop: EventLoop, log: Logger) throws(SystemError) {
        self.target = target
        self.loop = loop
        self.log = log
        resolver = try DNSResolver(loop: loop)
        failure = "waiting for the app at \(target)"
        look()
    }

    deinit { resolver.close() }

    private func look() {
        pause = nil
        probe = Probe(target, loop: loop, resolver: resolver, limit: AppGate.patience) { [unowned self] in answered($0)
        }
    }

    private func answered(_ problem: String?) {
        if let problem {
            failures = min(failures + 1, AppGate.failuresUntilDown)
            let text = "the app at \(target) does not answer: \(problem)"
            if failure != nil {
                failure = text
            } else if failures == AppGate.failuresUntilDown {
                failure = text
                log.warning("not ready: \(text)")
            }
        } else {
            failures = 0
            if failure != nil { log.info("the app at \(target) answers") }
            failure = nil
        }
        let isUp = failures == 0
        pause = Tick(loop: loop, every: isUp ? AppGate.pauseWhenUp : AppGate.pauseWhenDown) { [unowned self] in look() }
    }
}
