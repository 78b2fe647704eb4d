// The loop itself: later, the mailbox from many threads, loop threads, signals.
import Glibc
import Reactor
import Synchronization
import TestKit
import Testing

@Suite struct EventLoopTests {
    @Test func laterRunsAtTheEndOfTheTurn() throws {
        let loop = try EventLoop(clock: TestClock())
        var order: [Int] = []
        loop.later {
            order.append(1)
            loop.later { order.append(3) }
        }
        loop.later { order.append(2) }
        #expect(order.isEmpty)
        loop.turn(maxWait: .zero)
        #expect(order == [1, 2])
        loop.turn(maxWait: .seconds(1000))
        #expect(order == [1, 2, 3])
    }

    @Test func theClockIsTheTestsOwn() throws {
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        let start = loop.now
        let wall = loop.wallNow
        loop.turn(maxWait: .zero)
        #expect(loop.now == start && loop.wallNow == wall)
        clock.advance(by: .seconds(3))
        #expect(loop.now == start)
        loop.turn(maxWait: .zero)
        #expect(loop.now - start == .seconds(3) && loop.wallNow - wall == .seconds(3))
    }

    @Test func theMailboxTakesFromManyThreads() throws {
        let loop = try EventLoop()
        let mailbox = loop.mailbox
        let received = Mutex<[Int: [Int]]>([:])
        let senders = try (0..<4).map { number in
            try LoopThread(name: "sender-with-a-long-name") {
                for index in 0..<1000 {
                    mailbox.post { received.withLock { $0[number, default: []].append(index) } }
                }
            }
        }
        let watcher = try LoopThread(name: "watcher") {
            for sender in senders { sender.join() }
            mailbox.post { mailbox.stopLoop() }
        }
        loop.run()
        watcher.join()
        let lists = received.withLock { Array($0.values) }
        #expect(lists == Array(repeating: Array(0..<1000), count: 4))
    }

    @Test func aPostWakesASleepingLoop() throws {
        let loop = try EventLoop()
        let mailbox = loop.mailbox
        let poster = try LoopThread(name: "poster") { mailbox.stopLoop() }
        loop.run()
        poster.join()
    }

    @Test func loopBoundValuesComeBackToTheirLoop() throws {
        let loop = try EventLoop(clock: TestClock())
        let box = Box<Int>()
        let bound = LoopBound(box)
        let mailbox = loop.mailbox
        let poster = try LoopThread(name: "poster") {
            mailbox.post { bound.value.value = 42 }
        }
        poster.join()
        loop.turn(maxWait: .seconds(10))
        #expect(box.value == 42)
    }

    @Test func threadsStayOnTheCPUTheyAreGiven() throws {
        let allowed = Processors.allowed
        let cpu = try #require(allowed.last)
        let seen = Mutex<[Int]>([])
        let thread = try LoopThread(name: "pinned") {
            Processors.pinThread(to: cpu)
            seen.withLock { $0 = Processors.allowed }
        }
        thread.join()
        #expect(seen.withLock { $0 } == [cpu])
        #expect(!Processors.pinThread(to: -1) && !Processors.pinThread(to: 5000))
    }

    @Test func signalsBecomeEvents() async {
        // In a process of its own: signals are the process's.
        await #expect(processExitsWith: .success) {
            SignalSource.block([SIGUSR1, SIGTERM])
            let loop = try EventLoop()
            var seen: [Int32] = []
            let source = try SignalSource(loop: loop, signals: [SIGUSR1, SIGTERM]) { seen.append($0) }
            // To this thread: the test runner has others, which do not block the signals.
            raise(SIGTERM)
            precondition(loop.turn(until: { seen == [SIGTERM] }))
            raise(SIGUSR1)
            precondition(loop.turn(until: { seen == [SIGTERM, SIGUSR1] }))
            source.close()
            source.close()
            exit(0)
        }
    }
}
