// `outrider certs`: certificates for development.
import ArgumentParser
import Sidecar

struct Certs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a development CA, and server, client and SPIFFE certificates.",
        discussion: """
            Writes PEM files of one new CA, with ECDSA P-256 keys:

              ca.crt      goes into trusted_ca
              server.crt  a server on localhost, *.localhost, 127.0.0.1 and ::1
              client.crt  a client; what curl presents with --cert
              NAME.crt    for each --service: a workload, good as server and client,
                          spiffe://TRUST-DOMAIN/ns/default/sa/NAME

            Each has its key beside it (NAME.key, readable by its owner only). They are for trying things out: whoever \
            reads ca.key can make more of them.
            """)

    @Option(help: ArgumentHelp("The folder to write to; made if it is not there.", valueName: "DIR"))
    var out = "outrider-certs"

    @Option(help: ArgumentHelp("How long the leaves are good. The CA: ten years.", valueName: "N"))
    var days = 365

    @Option(help: ArgumentHelp("The trust domain of the SPIFFE IDs.", valueName: "TRUST-DOMAIN"))
    var trustDomain = "cluster.local"

    @Option(
        name: .customLong("service"),
        help: ArgumentHelp("A workload. Can be given again. Default: frontend and backend.", valueName: "NAME"))
    var services: [String] = []

    @Flag(help: "Replace files that are there.")
    var force = false

    func validate() throws {
        guard !out.isEmpty else { throw ValidationError("--out needs the name of a folder") }
    }

    func run() throws {
        let services = self.services.isEmpty ? ["frontend", "backend"] : self.services
        let certificates: DevelopmentCertificates
        do {
            certificates = try DevelopmentCertificates(days: days, trustDomain: trustDomain, services: services)
        } catch let refusal as DevelopmentCertificates.Refusal {
            throw ValidationError(refusal.description)
        }
        let present = certificates.present(in: out)
        guard present.isEmpty || force else {
            throw CleanFailure("\(out) has \(present.joined(separator: ", ")) already; --force replaces them")
        }
        try certificates.write(to: out)
        for file in certificates.files {
            let path = "\(out)/\(file.name)"
            print("wrote \(path)\(String(repeating: " ", count: max(1, 36 - path.count)))\(file.note)")
        }
        if let first = services.first, let last = services.last { print("\n\(snippet(server: last, client: first))") }
    }

    /// How a bootstrap uses them.
    private func snippet(server: String, client: String) -> String {
        let path = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
        let id = DevelopmentCertificates.spiffeID(trustDomain: trustDomain, service: client)
        return """
            # In a listener's filter chain: '\(server)' lets '\(client)' in and nobody else.
            transport_socket:
              name: envoy.transport_sockets.tls
              typed_config:
                "@type": \(path).DownstreamTlsContext
                require_client_certificate: true
                common_tls_context:
                  tls_certificates:
                  - certificate_chain: {filename: "\(out)/\(server).crt"}
                    private_key: {filename: "\(out)/\(server).key"}
                  validation_context:
                    trusted_ca: {filename: "\(out)/ca.crt"}
                    match_typed_subject_alt_names:
                    - san_type: URI
                      matcher: {exact: "\(id)"}
            # A cluster of '\(client)' that calls '\(server)' has the same with the names swapped, in
            #   "@type": \(path).UpstreamTlsContext
            # and without require_client_certificate.
            """
    }
}

/// An error that is shown without a usage line.
private struct CleanFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
