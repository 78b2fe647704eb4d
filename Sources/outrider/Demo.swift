// `outrider demo`: everything at work, in one command.
import ArgumentParser
import Reactor
import Sidecar

struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See it work: an app, two sidecars, mutual TLS and retries between them.",
        // Without the subcommand, which is not for people.
        usage: "outrider demo [--requests N] [--rate N] [--failures PERCENT] [--keep]",
        discussion: """
            Starts a sample app, an inbound sidecar in front of it and an outbound sidecar for its client, all on free \
            ports of the loopback, with certificates made on the spot:

              client -> outbound sidecar =mTLS=> inbound sidecar -> app

            Prints what you can ask them with curl and where their bootstrap files are (real Envoy files, to read and \
            to copy), sends a light load of its own and shows rate, latency, retries and TLS until Ctrl-C. Then the \
            sidecars are stopped and the temporary folder is removed.

              outrider demo                    look at it
              outrider demo --requests 1000    send 1000 requests, sum up, end;
                                               exit code 0 only if all of them
                                               succeeded, all over mutual TLS
              outrider demo --failures 30      an app that fails 3 requests of 10
            """,
        subcommands: [DemoChild.self])

    @Option(
        help: ArgumentHelp(
            "Send N requests, print a summary and the metrics that moved, and end.", valueName: "N"))
    var requests: Int?

    @Option(
        help: ArgumentHelp(
            "Requests a second. Default: 50; with --requests as fast as the answers come.", valueName: "N"))
    var rate: Int?

    @Option(
        help: ArgumentHelp(
            "How many percent of the requests the app answers with 503, so that there is something to retry.",
            valueName: "PERCENT"))
    var failures = 10

    @Flag(help: "Keep the temporary folder: bootstraps, certificates, keys and logs.")
    var keep = false

    func validate() throws {
        if let requests, !(1...100_000_000).contains(requests) {
            throw ValidationError("--requests \(requests) is not in 1...100000000")
        }
        if let rate, !(1...100_000).contains(rate) { throw ValidationError("--rate \(rate) is not in 1...100000") }
        guard (0...100).contains(failures) else { throw ValidationError("--failures \(failures) is not in 0...100") }
    }

    func run() throws {
        var options = DemoOptions()
        options.requests = requests
        options.rate = rate
        options.failures = failures
        options.keep = keep
        throw ExitCode(DemoRun.main(options))
    }
}

/// How the demo starts its sidecars: as `outrider FLAGS`, but they end when the demo does, were that by SIGKILL.
struct DemoChild: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "sidecar", shouldDisplay: false)

    @Option var parent: Int32

    @Argument(parsing: .postTerminator)
    var flags: [String] = []

    func run() throws {
        guard ChildProcess.endWithParent(parent) else { throw ExitCode.failure }
        var command = try Outrider.parseAsRoot(flags)
        try command.run()
    }
}
