// The overload manager of the process: how it begins, and how workers hear of it.
import DataPlane
import Logging
import Metrics
import Reactor

extension ServerProcess {
    /// What the file asks for; nil where it asks for nothing that has to be watched.
    static func overloadManager(
        _ spec: OverloadSpec, cells: StatCells, log: Logger, connections: GlobalConnectionLimit?
    ) -> OverloadManager? {
        if spec.monitors.isEmpty { return nil }
        return OverloadManager(spec, cells: cells, log: log) { resource, begin in
            resource.monitor(begin: begin, connections: connections)
        }
    }

    /// Reads every resource for the first time. One that cannot be read would be a limit that nothing holds: the process
    /// does not start.
    func startOverloadManager() throws {
        guard let overload else { return }
        overload.changed = { [unowned self] in
            for worker in workers { worker.perform { $0.followOverload() } }
        }
        do throws(ResourceFailure) {
            try overload.start(loop: loop, every: configuration.spec.overload.refreshInterval)
        } catch {
            throw StartError(what: "overload_manager", error: error)
        }
    }
}
