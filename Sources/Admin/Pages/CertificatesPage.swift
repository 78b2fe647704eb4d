// `/certs`: the certificates of every TLS context, and when they expire.
import Configuration
import Reactor

enum CertificatesPage {
    /// - Parameter now: unix seconds.
    static func answer(_ backend: any AdminBackend, now: Int64) -> AdminAnswer {
        AdminAnswer(
            .members(
                (
                    "certificates",
                    .array(
                        backend.tlsContexts.map { context in
                            let details = context.certificateDetails
                            return .members(
                                ("ca_cert", .array(details.caCert.map { certificate($0, now) })),
                                ("cert_chain", .array(details.certChain.map { certificate($0, now) })))
                        })
                )))
    }

    private static func certificate(_ details: CertificateDetails, _ now: Int64) -> JSONValue {
        .members(
            ("path", .string(details.path)),
            ("serial_number", .string(details.serialNumber)),
            ("subject_alt_names", .array(details.subjectAltNames.map(name))),
            ("days_until_expiration", .string("\(details.daysUntilExpiration(now: now))")),
            ("valid_from", .time(unixSeconds: details.validFrom)),
            ("expiration_time", .time(unixSeconds: details.expirationTime)))
    }

    private static func name(_ name: SubjectAltName) -> JSONValue {
        switch name.type {
        case .uri: .members(("uri", .string(name.text)))
        case .ip: .members(("ip_address", .string(name.text)))
        default: .members(("dns", .string(name.text)))
        }
    }
}
