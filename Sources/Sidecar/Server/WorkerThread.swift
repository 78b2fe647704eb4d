// A worker on its thread, and how the main thread talks to it.
import DataPlane
import Logging
import Reactor
import Synchronization

/// The main thread's handle of a worker. Thread-safe.
final class WorkerThread: Sendable {
    /// Lives on the worker's thread; touched only by what its mailbox runs.
    private final class Place: Sendable {
        nonisolated(unsafe) var worker: Worker?
        /// Until the worker is built from it.
        nonisolated(unsafe) var seed: WorkerSeed?
    }

    private let place: Place
    private let mailbox: Mailbox
    private let thread: LoopThread

    /// Starts a thread, builds a worker on it from the seed and reports to `main` how that went. The worker accepts
    /// after its `start`.
    static func start(
        index: Int, main: Mailbox, seed makeSeed: (Mailbox) -> WorkerSeed,
        built: @escaping @Sendable (WorkerError?) -> Void
    ) throws(SystemError) -> WorkerThread {
        // From here on only the new thread touches the loop, but for its mailbox.
        let loop = UncheckedBox(try EventLoop())
        let place = Place()
        place.seed = makeSeed(loop.value.mailbox)
        let thread = try LoopThread(name: "worker_\(index)") {
            do throws(WorkerError) {
                if let seed = place.seed.take() { place.worker = try Worker(seed, loop: loop.value) }
                main.post { built(nil) }
            } catch {
                main.post { built(error) }
            }
            loop.value.run()
            place.worker = nil
        }
        return WorkerThread(place: place, mailbox: loop.value.mailbox, thread: thread)
    }

    private init(place: Place, mailbox: Mailbox, thread: LoopThread) {
        self.place = place
        self.mailbox = mailbox
        self.thread = thread
    }

    /// Runs `body` with the worker, on its thread.
    func perform(_ body: @escaping @Sendable (Worker) -> Void) {
        mailbox.post { [place] in
            if let worker = place.worker { body(worker) }
        }
    }

    /// Asks the worker something; the answer comes on the loop of `main`.
    func ask<Answer: Sendable>(
        _ question: @escaping @Sendable (Worker) -> Answer, main: Mailbox,
        answer: @escaping @Sendable (Answer) -> Void
    ) {
        perform { worker in
            let value = question(worker)
            main.post { answer(value) }
        }
    }

    /// Closes everything and waits for the thread's end.
    func shutDown() {
        perform { $0.shutDown() }
        mailbox.stopLoop()
        thread.join()
    }
}

/// Hands a value that belongs to one thread over to that thread before it is used there.
struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
