// Hot restart on the command line: one flag of ours, and Envoy's.
import ArgumentParser
import Sidecar

struct HotRestartFlags: ParsableArguments {
    /// In place of Envoy's "@envoy_domain_socket": the two do not speak the same language.
    private static let socketName = "@outrider_hot_restart"

    @Option(
        help: ArgumentHelp(
            "Take the sockets over from the process that waits at this Unix socket, if there is one, and wait there for "
                + "the next. \"@name\" needs no file.",
            valueName: "PATH"))
    var hotRestartPath: String?

    @Option(help: "Seconds after which a process that was replaced ends.")
    var parentShutdownTimeS = 900

    @Option(help: "As in Envoy: 0 is the first process, a higher number needs one to take over from.")
    var restartEpoch: Int?

    @Option(help: "As in Envoy: processes with the same number take over from each other.")
    var baseId: Int?

    @Option(help: .hidden) var baseIdPath: String?
    @Flag(help: .hidden) var useDynamicBaseId = false
    @Flag(help: .hidden) var disableHotRestart = false
    @Flag(help: .hidden) var skipHotRestartOnNoParent = false
    @Flag(help: .hidden) var skipHotRestartParentStats = false
    @Option(help: .hidden) var socketPath: String?
    @Option(help: .hidden) var socketMode: String?

    @Flag(
        help: ArgumentHelp(
            "Print what two processes have to have in common to take over from each other, and end.",
            discussion: """
                Envoy's --base-id-path, --use-dynamic-base-id, --socket-path, --socket-mode, --disable-hot-restart and \
                --skip-hot-restart-... are taken, too.
                """))
    var hotRestartVersion = false

    func validate() throws {
        if hotRestartVersion {
            print(disableHotRestart ? "disabled" : HotRestartOptions.version)
            throw ExitCode.success
        }
        guard (0...1_000_000).contains(parentShutdownTimeS) else {
            throw ValidationError("--parent-shutdown-time-s \(parentShutdownTimeS) is not in 0...1000000")
        }
        for (flag, value) in [("--restart-epoch", restartEpoch), ("--base-id", baseId)] {
            if let value, !(0...Int(UInt32.max)).contains(value) {
                throw ValidationError("\(flag) \(value) is not in 0...\(UInt32.max)")
            }
        }
        if useDynamicBaseId, let restartEpoch, restartEpoch > 0 {
            throw ValidationError("--use-dynamic-base-id is for the first process, whose --restart-epoch is 0")
        }
        if let socketMode, UInt32(socketMode, radix: 8).map({ $0 > 0o777 }) ?? true {
            throw ValidationError("--socket-mode \(socketMode) is no octal number up to 777")
        }
    }

    func apply(to options: inout ServerOptions) {
        options.parentShutdownTime = parentShutdownTimeS
        let isEnvoys = restartEpoch != nil || baseId != nil || useDynamicBaseId || socketPath != nil
        guard !disableHotRestart, hotRestartPath != nil || isEnvoys else { return }
        let id = useDynamicBaseId ? Int.random(in: 1...Int(Int32.max)) : baseId ?? 0
        var restart = HotRestartOptions(
            path: hotRestartPath ?? "\(socketPath ?? HotRestartFlags.socketName)_\(id)")
        if let mode = socketMode.flatMap({ UInt32($0, radix: 8) }) { restart.mode = mode }
        restart.takesStats = !skipHotRestartParentStats
        restart.baseID = id
        restart.baseIDPath = baseIdPath
        if isEnvoys && hotRestartPath == nil || restartEpoch != nil {
            let isFirst = restartEpoch ?? 0 == 0
            restart.predecessor = isFirst ? .none : skipHotRestartOnNoParent ? .optional : .required
        }
        options.hotRestart = restart
    }
}
