// The end of the app beside us (`--exit-with`): while it runs, it may still call out.
import Reactor

/// How the app is known.
public enum AppProcess: Hashable, Sendable {
    case process(Int32)
    /// A cgroup of version 2: absolute, or below where they are mounted.
    case cgroup(path: String)

    /// Reads `PID` or `cgroup:PATH`.
    public init(_ text: String) throws(AppProcessError) {
        if text.hasPrefix("cgroup:"), text.utf8.count > 7 {
            self = .cgroup(path: String(text.dropFirst(7)))
        } else if let id = Int32(text), id > 0 {
            self = .process(id)
        } else {
            throw AppProcessError(description: "'\(text)' is neither a process's number nor cgroup:PATH")
        }
    }
}

/// Why a text is no `AppProcess`, or why it cannot be watched.
public struct AppProcessError: Error, CustomStringConvertible {
    public let description: String
}

/// Watches the app. Main thread only.
final class AppEnd {
    private enum Watch {
        case process(ProcessWatch)
        case cgroup(CgroupWatch)
    }

    /// For log lines.
    let name: String
    private var watch: Watch?
    private var hasEnded = false

    /// Calls `ended` once, when the app has ended. Fails when it cannot be watched: no such process or cgroup, or a
    /// cgroup that this process is in, which would never be empty.
    init(_ app: AppProcess, loop: EventLoop, ended: @escaping (AppEnd) -> Void) throws {
        switch app {
        case .process(let id):
            name = "process \(id)"
            watch = .process(
                try ProcessWatch(process: id, loop: loop) { [unowned self] in
                    hasEnded = true
                    ended(self)
                })
        case .cgroup(let path):
            name = "cgroup \(path)"
            let folder = try AppEnd.folder(of: path)
            watch = .cgroup(
                try CgroupWatch(folder, loop: loop) { [unowned self] in
                    hasEnded = true
                    ended(self)
                })
        }
    }

    deinit {
        switch watch {
        case .process(let watch): watch.close()
        case .cgroup(let watch): watch.close()
        case nil: break
        }
    }

    /// Whether there is nothing to wait for: an app that has ended, or that has not begun.
    var isOver: Bool {
        if case .cgroup(let watch) = watch { return hasEnded || !watch.wasPopulated }
        return hasEnded
    }

    private static func folder(of path: String) throws -> String {
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        let relative = mounts.reduce(path) { $0.hasPrefix($1 + "/") ? String($0.dropFirst($1.utf8.count)) : $0 }
        let group = "/" + relative.split(separator: "/").joined(separator: "/")
        let own = (try? FileContents.read("/proc/self/cgroup", limit: 1 << 16)).flatMap { bytes in
            String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("0::") }?.dropFirst(3)
        }
        if let own, own == group || own.hasPrefix(group == "/" ? "/" : group + "/") {
            throw AppProcessError(description: "cgroup \(path) has this process in it, so it would never be empty")
        }
        for mount in mounts where (try? FileContents.read(mount + group + "/cgroup.events", limit: 4096)) != nil {
            return mount + group
        }
        throw AppProcessError(description: "cgroup \(path) has no cgroup.events: it does not exist, or is version 1")
    }
}
