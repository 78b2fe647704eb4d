// `outrider explain`: which proxy said no, and why?
import ArgumentParser
import Sidecar

struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell what became of a request: who answered, which setting decided, what each try did.",
        discussion: """
            Asks the admin port of a running sidecar for what it has recorded of requests and connections that are over:

              outrider explain                          the latest that went wrong
              outrider explain 3f0a5c1e-…               the request with this x-request-id
              outrider explain 17                       connection 17, and what came on it
              outrider explain --admin /run/admin.sock --last 1

            What went wrong is recorded as long as there is room for it, of the rest a few a second; \
            docs/beyond-envoy.md has the settings. Exit code 1: nothing was found, or nobody answered.
            """)

    @Argument(help: ArgumentHelp("An x-request-id, or the number of a connection.", valueName: "ID"))
    var id: String?

    @Option(help: "How many at most, the latest first.")
    var last: Int?

    @Flag(help: "Without an id: also what went well.")
    var all = false

    @Flag(help: "JSON, for programs.")
    var json = false

    @Option(
        help: ArgumentHelp("The admin port to ask (default: 127.0.0.1:9901).", valueName: "HOST:PORT|PATH"),
        transform: { try ProbeTarget(admin: $0) })
    var admin: ProbeTarget?

    func validate() throws {
        if let last, !(1...1000).contains(last) { throw ValidationError("--last \(last) is not in 1...1000") }
        if id?.isEmpty == true { throw ValidationError("the id is empty") }
    }

    func run() throws {
        var options = ExplainOptions(admin: try admin ?? ProbeTarget(admin: "127.0.0.1:9901"))
        options.id = id
        options.last = last
        options.all = all
        options.json = json
        throw ExitCode(ExplainRun.main(options))
    }
}
