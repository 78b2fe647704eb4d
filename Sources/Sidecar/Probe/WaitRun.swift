// `outrider wait`: blocks until a sidecar is ready, or something that an app depends on answers.
import Glibc
import Reactor

/// What `outrider wait` was asked for.
public struct WaitOptions: Sendable {
    /// All of them have to answer.
    public var targets: [ProbeTarget] = []
    /// nil: for ever.
    public var timeout: TimeAmount?

    public init() {}
}

/// Looks at all targets again and again until each has answered. Loop thread only.
public final class WaitRun: TimerTarget {
    /// One look takes at most this long, and a name is given time to be looked up.
    private static let patience = TimeAmount.seconds(5)
    private static let firstPause = TimeAmount.milliseconds(20)
    private static let longestPause = TimeAmount.milliseconds(500)

    private let loop: EventLoop
    private let resolver: DNSResolver
    private let options: WaitOptions
    private let say: (String) -> Void
    private let began: MonotonicTime
    private var watches: [Watch] = []
    private var timer: LoopTimer?
    private(set) var exitCode: Int32?

    /// - Parameter say: takes lines for people, without their end.
    init(_ options: WaitOptions, loop: EventLoop, say: @escaping (String) -> Void) throws(SystemError) {
        self.options = options
        self.loop = loop
        self.say = say
        began = loop.now
        resolver = try DNSResolver(loop: loop)
        watches = options.targets.map(Watch.init)
        if let timeout = options.timeout {
            let timer = LoopTimer(loop: loop, target: self)
            timer.arm(after: timeout)
            self.timer = timer
        }
        for watch in watches { look(watch) }
        if watches.isEmpty { end(0) }
    }

    /// Waits on a loop of its own and tells standard error what happens. Returns the exit code: 0 when everything has
    /// answered, 1 when the time was over or a signal came before.
    public static func main(_ options: WaitOptions) -> Int32 {
        let say = { (line: String) in
            var text = "outrider wait: \(line)\n"
            text.withUTF8 { bytes in _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
        }
        do throws(SystemError) {
            let loop = try EventLoop()
            let wait = try WaitRun(options, loop: loop, say: say)
            // As the first process of a container it would not be ended by these otherwise.
            let signals = try SignalSource(loop: loop, signals: [SIGTERM, SIGINT]) { [unowned wait] _ in
                wait.giveUp("interrupted")
            }
            if wait.exitCode == nil { loop.run() }
            signals.close()
            return wait.exitCode ?? 1
        } catch {
            say("\(error)")
            return 1
        }
    }

    public func timerFired(_ timer: LoopTimer) {
        giveUp("gave up after \(options.timeout ?? .zero)")
    }

    private func giveUp(_ reason: String) {
        for watch in watches where watch.isWaiting { say("\(reason): \(watch.target): \(watch.failure)") }
        end(1)
    }

    private func end(_ code: Int32) {
        guard exitCode == nil else { return }
        exitCode = code
        for watch in watches { watch.probe = nil }
        resolver.close()
        loop.stop()
    }

    // MARK: Looking

    /// One target.
    private final class Watch {
        let target: ProbeTarget
        var isWaiting = true
        var failure = "no answer yet"
        var probe: Probe?
        var pause: Tick?
        var nextPause = WaitRun.firstPause

        init(_ target: ProbeTarget) { self.target = target }
    }

    private func look(_ watch: Watch) {
        watch.pause = nil
        watch.probe = Probe(watch.target, loop: loop, resolver: resolver, limit: WaitRun.patience) {
            [unowned self, unowned watch] failure in answered(watch, failure)
        }
    }

    private func answered(_ watch: Watch, _ failure: String?) {
        guard exitCode == nil else { return }
        guard let failure else {
            watch.isWaiting = false
            say("\(watch.target) is ready after \(TimeAmount.milliseconds((loop.now - began).milliseconds))")
            if !watches.contains(where: \.isWaiting) { end(0) }
            return
        }
        if failure != watch.failure { say("waiting for \(watch.target): \(failure)") }
        watch.failure = failure
        watch.pause = Tick(loop: loop, every: watch.nextPause) { [unowned self, unowned watch] in look(watch) }
        watch.nextPause = min(watch.nextPause * 2, WaitRun.longestPause)
    }
}
