// One thread's event loop: epoll, timers, a mailbox, and work put off to the end of the turn.
import CLinux
import Glibc

/// Waits for sockets and timers and calls whoever they belong to. One per thread; everything but `mailbox` is used on
/// that thread only.
///
/// A turn goes: wait, socket events, connections that have more to do, timers, `later` bodies. Nothing in it allocates
/// per event.
public final class EventLoop {
    private static let eventBatch = 512

    /// In a struct of its own: an array of bare closures would wrap each in a second one, in a block of memory.
    private struct LaterBody {
        let run: () -> Void
    }

    @usableFromInline
    struct Times {
        @usableFromInline var now: MonotonicTime
        @usableFromInline var wall: WallTime
    }

    private let clock: LoopClock
    private let epoll: Int32
    // Invariant: both allocated in init, freed in deinit.
    @usableFromInline let times: UnsafeMutablePointer<Times>
    private let events: UnsafeMutablePointer<epoll_event>
    private var slots = SlotTable()
    private var ready: [Connection] = []
    private var readyBatch: [Connection] = []
    private var laterBodies: [LaterBody] = []
    private var laterBatch: [LaterBody] = []
    private var isTurning = false
    private var stopRequested = false
    private var mailboxReader: MailboxReader?
    let wheel: TimerWheel
    let pipes = SplicePipes()

    /// The memory of every queue of this loop.
    public let slabs: SlabPool
    /// The way in for other threads.
    public let mailbox: Mailbox

    /// A loop with its own epoll instance. Makes the process ignore SIGPIPE, which splice cannot be told not to raise.
    /// Fails when the process is out of file descriptors or memory.
    public init(clock: LoopClock = SystemClock()) throws(SystemError) {
        signal(SIGPIPE, SIG_IGN)
        let descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        if descriptor < 0 { throw SystemError("epoll_create1") }
        do throws(SystemError) {
            mailbox = try Mailbox()
        } catch {
            close(descriptor)
            throw error
        }
        self.clock = clock
        epoll = descriptor
        slabs = SlabPool()
        events = .allocate(capacity: EventLoop.eventBatch)
        events.initialize(repeating: epoll_event(), count: EventLoop.eventBatch)
        times = .allocate(capacity: 1)
        times.initialize(to: Times(now: clock.monotonicNow(), wall: clock.wallNow()))
        wheel = TimerWheel(now: times.pointee.now.millisecondsRoundedDown)
        let reader = MailboxReader(loop: self, mailbox: mailbox)
        _ = try register(mailbox.descriptor, IOEvents.readable, reader)
        mailboxReader = reader
    }

    deinit {
        close(epoll)
        events.deallocate()
        times.deallocate()
    }

    /// The monotonic time when this turn began to handle events.
    @inlinable public var now: MonotonicTime { times.pointee.now }

    /// The civil time when this turn began to handle events.
    @inlinable public var wallNow: WallTime { times.pointee.wall }

    /// Turns until `stop`.
    public func run() {
        while !stopRequested { turn() }
        stopRequested = false
    }

    /// Makes `run` return at the end of this turn.
    public func stop() {
        stopRequested = true
    }

    /// One turn: waits at most `maxWait` (nil: as long as the timers allow) of real time, then handles what there is.
    /// Returns the number of socket events. Not to be called from inside a turn.
    @discardableResult
    public func turn(maxWait: TimeAmount? = nil) -> Int {
        precondition(!isTurning, "a turn inside a turn")
        isTurning = true
        defer { isTurning = false }
        let count = Int(epoll_wait(epoll, events, Int32(EventLoop.eventBatch), timeout(maxWait)))
        times.pointee.now = max(times.pointee.now, clock.monotonicNow())
        times.pointee.wall = clock.wallNow()
        var index = 0
        while index < count {
            let event = events[index]
            if let handler = slots.handler(of: SlotKey(bits: event.data.u64)) {
                handler.ioReady(IOEvents(bits: event.events))
            }
            index &+= 1
        }
        runReady()
        wheel.advance(to: times.pointee.now.millisecondsRoundedDown)
        runLater()
        return max(count, 0)
    }

    /// Runs `body` at the end of this turn, or of the next when called from such a body or outside of a turn. A closure
    /// that holds nothing but `self` costs no memory.
    public func later(_ body: @escaping () -> Void) {
        laterBodies.append(LaterBody(run: body))
    }

    /// Milliseconds to wait for events; -1 is for ever.
    private func timeout(_ maxWait: TimeAmount?) -> Int32 {
        if !ready.isEmpty || !laterBodies.isEmpty || stopRequested { return 0 }
        var wait: UInt64 = .max
        if let maxWait { wait = UInt64(clamping: maxWait.nanoseconds) / 1_000_000 }
        if let next = wheel.nextExpiration {
            // A clock that does not run by itself: what is not due now will not become due by waiting.
            let now = clock.runsByItself ? times.pointee.now : clock.monotonicNow()
            let nowMilliseconds = now.millisecondsRoundedDown
            if next <= nowMilliseconds { return 0 }
            if clock.runsByItself { wait = min(wait, next &- nowMilliseconds) }
        }
        return wait == .max ? -1 : Int32(clamping: wait)
    }

    private func runReady() {
        if ready.isEmpty { return }
        swap(&ready, &readyBatch)
        for connection in readyBatch { connection.runPending() }
        readyBatch.removeAll(keepingCapacity: true)
    }

    private func runLater() {
        if laterBodies.isEmpty { return }
        swap(&laterBodies, &laterBatch)
        for body in laterBatch { body.run() }
        laterBatch.removeAll(keepingCapacity: true)
    }

    /// Calls `runPending` of the connection in this turn, or in the next when it is past that point.
    func enqueue(_ connection: Connection) {
        ready.append(connection)
    }
}

// MARK: - File descriptors

extension EventLoop {
    /// Reports events of a file descriptor to `handler`, which is retained until `unregister`.
    func register(_ descriptor: Int32, _ interest: UInt32, _ handler: any IOHandler) throws(SystemError) -> SlotKey {
        let key = slots.insert(handler)
        var event = epoll_event(events: interest, data: epoll_data_t(u64: key.bits))
        if epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0 {
            let error = SystemError("epoll_ctl")
            slots.remove(key)
            throw error
        }
        return key
    }

    /// Changes which events are reported.
    func modify(_ descriptor: Int32, _ interest: UInt32, _ key: SlotKey) {
        var event = epoll_event(events: interest, data: epoll_data_t(u64: key.bits))
        _ = epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event)
    }

    /// Drops events that are on their way, and the handler. The caller closes the descriptor right after, which takes
    /// it out of epoll; one that stays open is taken out by `keepsOpen`.
    func unregister(_ descriptor: Int32, _ key: SlotKey, keepsOpen: Bool = false) {
        slots.remove(key)
        if keepsOpen { _ = epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil) }
    }

    /// Registered file descriptors, the mailbox's included.
    public var registeredCount: Int { slots.count }
}

/// Runs the mailbox when its eventfd is readable.
private final class MailboxReader: IOHandler {
    private unowned let loop: EventLoop
    private let mailbox: Mailbox

    init(loop: EventLoop, mailbox: Mailbox) {
        self.loop = loop
        self.mailbox = mailbox
    }

    func ioReady(_ events: IOEvents) {
        if mailbox.drain() { loop.stop() }
    }
}
