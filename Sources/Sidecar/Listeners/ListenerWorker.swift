// A worker as the listener manager sees it.
import DataPlane
import Reactor

/// Runs things with a worker on its thread, in the order of the calls. Thread-safe.
protocol ListenerWorker: Sendable {
    func perform(_ body: @escaping @Sendable (Worker) -> Void)

    /// The answer comes on the loop of `main`.
    func ask<Answer: Sendable>(
        _ question: @escaping @Sendable (Worker) -> Answer, main: Mailbox,
        answer: @escaping @Sendable (Answer) -> Void)
}

extension WorkerThread: ListenerWorker {}
