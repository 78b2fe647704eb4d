// `outrider wait`: until the sidecar is ready, or a dependency answers.
import ArgumentParser
import Reactor
import Sidecar

struct Wait: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Block until a sidecar is ready, or until something else answers.",
        discussion: """
            For an init container, a startupProbe or postStart hook, or the start of a script:

              outrider wait                             the sidecar's /ready, on 127.0.0.1:9901
              outrider wait --admin /run/admin.sock     the same on a Unix socket
              outrider wait --for tcp://db:3306 --for http://auth:8080/health

            With --for alone the sidecar is not asked. tcp:// and unix:// want a connection, http:// a status from 200 \
            to 399. Exit code 0: everything has answered. 1: the time was over, or a signal came; standard error says \
            what did not answer and why.
            """)

    @Option(
        help: ArgumentHelp(
            "The admin port to ask for /ready (default: 127.0.0.1:9901 where no --for is given).",
            valueName: "HOST:PORT|PATH"),
        transform: { try ProbeTarget(admin: $0) })
    var admin: ProbeTarget?

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp(
            "tcp://HOST:PORT, http://HOST:PORT/PATH or unix://PATH. Can be given again.", valueName: "URL"),
        transform: { try ProbeTarget($0) })
    var targets: [ProbeTarget] = []

    @Option(help: ArgumentHelp("How long: 60s, 500ms, 2m. 0 is for ever.", valueName: "TIME"), transform: time)
    var timeout: TimeAmount = .seconds(60)

    func run() throws {
        var options = WaitOptions()
        options.targets = targets
        if let admin {
            options.targets.append(admin)
        } else if targets.isEmpty {
            options.targets = [try ProbeTarget(admin: "127.0.0.1:9901")]
        }
        options.timeout = timeout > .zero ? timeout : nil
        throw ExitCode(WaitRun.main(options))
    }
}

/// A length of time on the command line.
private func time(_ text: String) throws -> TimeAmount {
    guard let amount = TimeAmount(parsing: text) else {
        throw ValidationError("'\(text)' is no length of time like 30s, 500ms or 2m")
    }
    return amount
}
