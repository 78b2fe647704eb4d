// `outrider validate FILE...`: every error of every file, and exit 1 if there is one.
import ArgumentParser
import Sidecar

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check bootstrap files: all errors, each with file, line and column. Nothing is bound or connected.")

    @Argument(help: "Bootstrap files (.yaml, .yml, .json).")
    var files: [String]

    func validate() throws {
        guard !files.isEmpty else { throw ValidationError("give at least one FILE") }
    }

    func run() throws {
        var options = ServerOptions()
        options.mode = .validate
        var status: Int32 = 0
        for file in files {
            options.configPath = file
            status = max(status, Server.main(options))
        }
        throw ExitCode(status)
    }
}
