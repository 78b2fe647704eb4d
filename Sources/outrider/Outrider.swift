// The command line: `outrider -c FILE` runs, the subcommands help around it.
import ArgumentParser
import Sidecar

@main
struct Outrider: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outrider",
        abstract: "A small, fast sidecar proxy that reads Envoy's configuration.",
        discussion: """
            Give it the bootstrap file that you would give to Envoy:

              outrider -c envoy.yaml

            SIGTERM drains and then ends; a second SIGTERM ends at once. Listeners with traffic_direction OUTBOUND serve \
            the app until it needs them no more. SIGUSR1 reopens the logs.
            Beside an app without a file: outrider sidecar, behind outrider redirect. See it work first: outrider demo
            """,
        version: Version.line,
        subcommands: [
            SidecarCommand.self, RedirectCommand.self, Validate.self, Wait.self, Explain.self, Demo.self, Certs.self,
        ])

    @OptionGroup(title: "Configuration") var source: ConfigurationFlags
    @OptionGroup(title: "Run") var running: RunFlags
    @OptionGroup(title: "Logging") var logging: LoggingFlags
    @OptionGroup(title: "Identity") var identity: IdentityFlags
    @OptionGroup(title: "Hot restart") var restarting: HotRestartFlags
    @OptionGroup(title: "Taken for compatibility with Envoy") var compatibility: CompatibilityFlags

    func run() throws {
        // Not in `validate`, which is called before a subcommand, too.
        guard source.configPath != nil || source.configYaml != nil else {
            throw ValidationError("give a configuration: -c FILE, or --config-yaml TEXT (or try: outrider demo)")
        }
        throw ExitCode(Server.main(try options()))
    }

    /// What all flags together ask of a run.
    func options() throws -> ServerOptions {
        try running.check()
        var options = ServerOptions()
        source.apply(to: &options)
        running.apply(to: &options)
        logging.apply(to: &options)
        identity.apply(to: &options)
        restarting.apply(to: &options)
        compatibility.apply(to: &options)
        return options
    }
}
