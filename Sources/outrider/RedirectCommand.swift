// `outrider redirect`: an app's connections are led through the proxy.
import ArgumentParser
import Reactor
import Sidecar

extension RedirectBackend: ExpressibleByArgument {}
extension RedirectRules.InboundMode: ExpressibleByArgument {}

struct RedirectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redirect",
        abstract: "Lead an app's connections through the proxy, without the app knowing.",
        usage: "outrider redirect [--inbound PORT] [--outbound PORT --proxy-uid ID] [OPTION ...]",
        discussion: """
            Sets netfilter rules in this network namespace: it is what an init container runs, or a unit before the \
            proxy's. They take all TCP connections, except those that stay on this host and those to port 53 (DNS), and \
            the proxy sees where each wanted to go. Running it again replaces the rules; other rules are not touched.

              outrider redirect --inbound 15006 --outbound 15001 --proxy-uid 1337
              outrider redirect ... --dry-run   print what would be run
              outrider redirect ... --check     compare; exit code 1 if not as wanted
              outrider redirect --undo          remove the rules

            Lists are separated by commas: ports and ids as 80 or 8000-8010, networks as 10.0.0.0/8.
            """)

    @OptionGroup(title: "What to do (default: set the rules)") var action: RedirectActionFlags
    @OptionGroup(title: "Inbound connections") var inbound: RedirectInboundFlags
    @OptionGroup(title: "Outbound connections") var outbound: RedirectOutboundFlags
    @OptionGroup(title: "Whose connections are left alone") var owners: RedirectOwnerFlags

    func run() throws {
        var options = RedirectOptions()
        try action.apply(to: &options)
        inbound.apply(to: &options.rules)
        outbound.apply(to: &options.rules)
        owners.apply(to: &options.rules)
        options.rules.ipv6 = action.ipv6
        do {
            let (lines, isWell) = try Redirect(options).run()
            for line in lines { print(line) }
            if !isWell { throw ExitCode.failure }
        } catch let refusal as RedirectRules.Refusal {
            throw ValidationError(refusal.description)
        }
    }
}

struct RedirectActionFlags: ParsableArguments {
    @Flag(help: "Print what would be run, and change nothing. Needs no capability.")
    var dryRun = false

    @Flag(help: "Compare what is set with what is asked for. Exit code 1, and the lines, if they differ.")
    var check = false

    @Flag(help: "Remove everything that this command has set; by --backend auto, with every tool there is.")
    var undo = false

    @Option(help: "The tool: auto (the first that works), nft, iptables, iptables-nft or iptables-legacy.")
    var backend = RedirectBackend.auto

    @Flag(inversion: .prefixedNo, help: "Whether IPv6 connections are taken, too.")
    var ipv6 = true

    func apply(to options: inout RedirectOptions) throws {
        guard [dryRun, check, undo].count(where: { $0 }) <= 1 else {
            throw ValidationError("--dry-run, --check and --undo: one of them")
        }
        options.backend = backend
        options.action = dryRun ? .show : check ? .check : undo ? .undo : .apply
    }
}

struct RedirectInboundFlags: ParsableArguments {
    @Option(help: ArgumentHelp("The proxy's port that takes inbound connections.", valueName: "PORT"))
    var inbound: UInt16?

    @Option(
        help: """
            redirect: the proxy asks for the original destination. tproxy: to a listener with transparent: true; the \
            app can then see the client's address.
            """)
    var inboundMode = RedirectRules.InboundMode.redirect

    @Option(
        help: ArgumentHelp("Only connections to these ports. Default: all.", valueName: "PORTS"),
        transform: portRanges)
    var inboundPorts: [PortRange] = []

    @Option(
        help: ArgumentHelp("Connections to these ports reach the app directly.", valueName: "PORTS"),
        transform: portRanges)
    var excludeInboundPorts: [PortRange] = []

    @Option(
        help: ArgumentHelp("Clients in these networks reach the app directly.", valueName: "NETWORKS"),
        transform: networks)
    var excludeInboundCidrs: [CIDRRange] = []

    @Option(
        help: ArgumentHelp(
            "With tproxy: the mark of the proxy's connections to the app that have the client's address.",
            valueName: "N"))
    var tproxyMark: UInt32 = 1338

    func apply(to rules: inout RedirectRules) {
        rules.inbound = inbound
        rules.inboundMode = inboundMode
        rules.inboundPorts = inboundPorts
        rules.excludedInboundPorts = excludeInboundPorts
        rules.excludedSources = excludeInboundCidrs
        rules.tproxyMark = tproxyMark
    }
}

struct RedirectOutboundFlags: ParsableArguments {
    @Option(help: ArgumentHelp("The proxy's port that takes outbound connections.", valueName: "PORT"))
    var outbound: UInt16?

    @Option(
        help: ArgumentHelp("Only connections to these ports. Default: all.", valueName: "PORTS"),
        transform: portRanges)
    var outboundPorts: [PortRange] = []

    @Option(
        help: ArgumentHelp("Connections to these ports leave directly.", valueName: "PORTS"), transform: portRanges)
    var excludeOutboundPorts: [PortRange] = []

    @Option(
        help: ArgumentHelp("Connections to these networks leave directly.", valueName: "NETWORKS"),
        transform: networks)
    var excludeOutboundCidrs: [CIDRRange] = []

    func apply(to rules: inout RedirectRules) {
        rules.outbound = outbound
        rules.outboundPorts = outboundPorts
        rules.excludedOutboundPorts = excludeOutboundPorts
        rules.excludedDestinations = excludeOutboundCidrs
    }
}

struct RedirectOwnerFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp("The user that the proxy runs as: a number or a name.", valueName: "ID"),
        transform: { try account($0, Accounts.userID) })
    var proxyUid: IDRange?

    @Option(
        help: ArgumentHelp("The group that the proxy runs as: a number or a name.", valueName: "ID"),
        transform: { try account($0, Accounts.groupID) })
    var proxyGid: IDRange?

    @Option(help: ArgumentHelp("The mark (SO_MARK) of the proxy's own connections.", valueName: "N"))
    var proxyMark: UInt32?

    @Option(help: ArgumentHelp("More users.", valueName: "IDS"), transform: ids)
    var excludeUids: [IDRange] = []

    @Option(help: ArgumentHelp("More groups.", valueName: "IDS"), transform: ids)
    var excludeGids: [IDRange] = []

    @Option(
        help: ArgumentHelp(
            "Processes in these cgroups (v2), which have to exist: system.slice/outrider.service",
            valueName: "PATHS"),
        transform: { list($0).map { $0.hasPrefix("/") ? String($0.dropFirst()) : $0 } })
    var excludeCgroups: [String] = []

    func apply(to rules: inout RedirectRules) {
        rules.excludedUsers = (proxyUid.map { [$0] } ?? []) + excludeUids
        rules.excludedGroups = (proxyGid.map { [$0] } ?? []) + excludeGids
        rules.excludedCgroups = excludeCgroups
        rules.proxyMark = proxyMark
    }
}
