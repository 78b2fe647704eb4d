// What all workers carry at this moment, asked for from the main thread.
import DataPlane
import Reactor

/// Figures of all workers, inbound and outbound apart.
struct ServerLoad {
    /// Of listeners that bring requests to the app: all but those with `traffic_direction: OUTBOUND`.
    var inbound = ListenerLoad()
    /// Of listeners that carry what the app itself asks for.
    var outbound = ListenerLoad()

    var total: ListenerLoad {
        var total = inbound
        total += outbound
        return total
    }
}

extension ListenerSpec {
    /// Carries what the app itself asks for.
    var isOutbound: Bool { direction == .outbound }
}

/// Asks the workers, one question at a time. Main thread only.
final class LoadSurvey {
    private let workers: [WorkerThread]
    private let main: Mailbox
    private var sum = ServerLoad()
    private var waiting = 0
    private var answer: ((ServerLoad) -> Void)?

    init(_ workers: [WorkerThread], main: Mailbox) {
        self.workers = workers
        self.main = main
    }

    /// Calls `answer` in a later turn; does nothing while an earlier question is under way.
    func ask(_ answer: @escaping (ServerLoad) -> Void) {
        guard waiting == 0 else { return }
        sum = ServerLoad()
        waiting = workers.count
        self.answer = answer
        let me = UncheckedBox(self)
        for worker in workers {
            worker.ask(
                { ServerLoad(inbound: $0.load { !$0.isOutbound }, outbound: $0.load(where: \.isOutbound)) },
                main: main, answer: { me.value.add($0) })
        }
    }

    private func add(_ load: ServerLoad) {
        sum.inbound += load.inbound
        sum.outbound += load.outbound
        waiting -= 1
        if waiting == 0 { answer?(sum) }
    }
}
