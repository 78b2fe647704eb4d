// `outrider sidecar`: a sidecar without a configuration file.
import ArgumentParser
import Reactor
import Sidecar

struct SidecarCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sidecar",
        abstract: "Run beside an app without a configuration file.",
        usage: """
            outrider sidecar --app PORT [--inbound PORT] [--outbound PORT]
                   --tls-cert FILE --tls-key FILE --tls-ca FILE [OPTION ...]
            """,
        discussion: """
            Takes the connections that `outrider redirect` leads here. Between two sidecars they are mutual TLS; to \
            everybody else they go out as they are. HTTP is recognised, counted and retried where that is safe; all \
            other protocols pass through.

              outrider sidecar --app 8080 --inbound 15006 --outbound 15001 \\
                --tls-cert app.crt --tls-key app.key --tls-ca ca.crt \\
                --allow 'spiffe://cluster.local/ns/shop/*'

            With --print-config it prints the bootstrap that it would run on: a file for `outrider -c`, and for Envoy. \
            The flags of `outrider` itself can be given, too (outrider --help): --drain-time-s, --exit-with, \
            --concurrency, -l; --config-yaml is merged over the bootstrap.

            Lists are separated by commas.
            """)

    @ParentCommand var outrider: Outrider
    @OptionGroup(title: "The app and its ports") var ports: SidecarPortFlags
    @OptionGroup(title: "Identity") var identity: SidecarIdentityFlags
    @OptionGroup(title: "Who speaks plain text") var plain: SidecarPlainFlags
    @OptionGroup(title: "Around it") var around: SidecarAroundFlags

    func run() throws {
        guard outrider.source.configPath == nil else {
            throw ValidationError("`outrider sidecar` makes its own configuration; run a file with `outrider -c FILE`")
        }
        var preset = SidecarPreset(app: ports.app, identity: identity.files)
        ports.apply(to: &preset)
        identity.apply(to: &preset)
        plain.apply(to: &preset)
        around.apply(to: &preset)
        if preset.traceCollector != nil { preset.serviceName = try outrider.options().serviceCluster }
        do {
            try preset.check()
        } catch {
            throw ValidationError(error.description)
        }
        guard !around.printConfig else { return print(preset.bootstrap, terminator: "") }
        var options = try outrider.options()
        options.bootstrap = preset.bootstrap
        if ports.readyWithApp {
            guard options.readyWhenApp == nil else {
                throw ValidationError("--ready-with-app and --ready-when-app: one of them")
            }
            options.readyWhenApp = try ProbeTarget("tcp://\(preset.app.probe)")
        }
        throw ExitCode(Server.main(options))
    }
}

struct SidecarPortFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The app's port; it is reached under the address that the client called. With an address before it, all \
            that comes in goes there, also what was sent to the inbound port itself: for hosts without redirect rules.
            """, valueName: "PORT|HOST:PORT"), transform: appPlace)
    var app: SidecarPreset.App

    @Option(help: ArgumentHelp("The port that inbound connections are led to: 15006.", valueName: "PORT"))
    var inbound: UInt16?

    @Option(help: ArgumentHelp("The port that outbound connections are led to: 15001.", valueName: "PORT"))
    var outbound: UInt16?

    @Flag(help: "/ready is 503 while the app's port takes no connection.")
    var readyWithApp = false

    @Flag(help: "Inbound connections come by `redirect --inbound-mode tproxy`, and the app sees the client's address.")
    var tproxy = false

    @Option(help: ArgumentHelp("The --tproxy-mark of the redirect rules.", valueName: "N"))
    var tproxyMark: UInt32 = 1338

    @Option(
        help: ArgumentHelp(
            "The --proxy-mark of the redirect rules, set on connections that go out. Needs CAP_NET_ADMIN.",
            valueName: "N"))
    var mark: UInt32?

    @Flag(inversion: .prefixedNo, help: "Listen on IPv6, too. Default: if this machine has it.")
    var ipv6: Bool?

    func apply(to preset: inout SidecarPreset) {
        preset.inbound = inbound
        preset.outbound = outbound
        preset.transparent = tproxy
        preset.transparentMark = tproxyMark
        preset.mark = mark
        preset.ipv6 = ipv6 ?? (IPv6State.ofThisNamespace == .on)
    }
}

struct SidecarIdentityFlags: ParsableArguments {
    @Option(help: ArgumentHelp("This workload's certificate, PEM.", valueName: "FILE"))
    var tlsCert: String

    @Option(help: ArgumentHelp("Its key, PEM.", valueName: "FILE"))
    var tlsKey: String

    @Option(help: ArgumentHelp("The authority that signs the certificates of all peers, PEM.", valueName: "FILE"))
    var tlsCa: String

    @Option(
        help: ArgumentHelp(
            "Only these workloads may call the app. With * at the end: all that begin so. Can be given again. "
                + "Default: all that the authority has signed.", valueName: "SPIFFE-ID"))
    var allow: [String] = []

    @Option(
        help: ArgumentHelp("Only these workloads may answer when the app calls a peer.", valueName: "SPIFFE-ID"))
    var allowServer: [String] = []

    var files: SidecarPreset.Identity { .init(certificate: tlsCert, key: tlsKey, authority: tlsCa) }

    func apply(to preset: inout SidecarPreset) {
        preset.clients = allow
        preset.servers = allowServer
    }
}

struct SidecarPlainFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Where peers have a sidecar: connections there are mutual TLS, all others go out as they are. Default: \
            private networks. none: nowhere.
            """, valueName: "NETWORKS"), transform: { $0 == "none" ? [] : try networks($0) })
    var meshCidrs: [CIDRRange] = SidecarPreset.privateNetworks

    @Option(
        help: ArgumentHelp(
            "Ports that are plain text in both directions: a database without a sidecar, a probe.",
            valueName: "PORTS"), transform: singlePorts)
    var plaintextPorts: [UInt16] = []

    @Option(
        help: ArgumentHelp(
            """
            Ports that are not looked at: where the server speaks first, as with MySQL and SMTP, which then lose no \
            time to that, and those of a forward proxy.
            """, valueName: "PORTS"), transform: singlePorts)
    var tcpPorts: [UInt16] = []

    @Flag(help: "Let clients without a sidecar in, too: while sidecars are being rolled out.")
    var acceptPlaintext = false

    func apply(to preset: inout SidecarPreset) {
        preset.mesh = meshCidrs
        preset.plaintextPorts = plaintextPorts
        preset.tcpPorts = tcpPorts
        preset.acceptsPlaintext = acceptPlaintext
    }
}

struct SidecarAroundFlags: ParsableArguments {
    @Option(help: ArgumentHelp("The admin port.", valueName: "HOST:PORT"), transform: place)
    var admin = SocketAddress.v4(.loopback, port: 9901)

    @Option(
        help: ArgumentHelp(
            "Serve /stats/prometheus and /ready, and nothing else, to other hosts: 0.0.0.0:15090.",
            valueName: "HOST:PORT"), transform: place)
    var metrics: SocketAddress?

    @Option(
        help: ArgumentHelp(
            """
            Send a span of each HTTP request to an OpenTelemetry collector (OTLP over gRPC); --service-cluster is the \
            service's name there.
            """, valueName: "HOST:PORT"), transform: place)
    var traceOtlp: SocketAddress?

    @Option(help: ArgumentHelp("Where the access log goes: stdout, a file, or off.", valueName: "FILE"))
    var accessLog = "stdout"

    @Flag(help: "Print the bootstrap and end.")
    var printConfig = false

    func apply(to preset: inout SidecarPreset) {
        preset.admin = admin
        preset.metrics = metrics
        preset.traceCollector = traceOtlp
        preset.accessLog =
            switch accessLog {
            case "off": nil
            case "stdout": .standardOutput
            default: .file(accessLog)
            }
    }
}

// MARK: Values

private func appPlace(_ text: String) throws -> SidecarPreset.App {
    if let port = UInt16(text), port > 0 { return .originalDestination(port: port) }
    return .address(try place(text))
}

private func place(_ text: String) throws -> SocketAddress {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0,
        let address = SocketAddress(parsing: String(text[..<colon]), port: port)
    else { throw ValidationError("'\(text)' is no address with a port, like 127.0.0.1:8080 or [::1]:8080") }
    return address
}

private func singlePorts(_ text: String) throws -> [UInt16] {
    try list(text).map { part in
        guard let port = UInt16(part), port > 0 else { throw ValidationError("'\(part)' is no port") }
        return port
    }
}
