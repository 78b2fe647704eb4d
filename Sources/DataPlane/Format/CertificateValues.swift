// Operators about TLS: certificates of both sides, versions and ciphers.
import Reactor

extension FormatContext {
    private func tls(_ source: CertificateSource) -> TLSConnectionInfo? {
        switch source {
        case .downstreamPeer, .downstreamLocal: info.downstream?.tls
        case .upstreamPeer, .upstreamLocal: info.upstream.tls
        }
    }

    func append(_ source: CertificateSource, _ field: ConnectionTLSField, to sink: inout ByteArena) -> Bool {
        guard let tls = tls(source) else { return false }
        switch field {
        case .version: return append(nonEmpty: tls.version, to: &sink)
        case .cipher: return append(nonEmpty: tls.cipherSuite, to: &sink)
        case .sessionID: return append(nonEmpty: tls.sessionID, to: &sink)
        case .group: return append(nonEmpty: tls.curve, to: &sink)
        }
    }

    func append(_ source: CertificateSource, _ field: CertificateField, to sink: inout ByteArena) -> Bool {
        guard let tls = tls(source) else { return false }
        let isPeer = source == .downstreamPeer || source == .upstreamPeer
        guard let certificate = isPeer ? tls.peer : tls.local else { return false }
        switch field {
        case .subject: return append(nonEmpty: certificate.subject, to: &sink)
        case .issuer: return append(nonEmpty: certificate.issuer, to: &sink)
        case .serial: return append(nonEmpty: certificate.serialNumber, to: &sink)
        case .fingerprint256: return append(nonEmpty: certificate.sha256Fingerprint, to: &sink)
        case .fingerprint1: return append(nonEmpty: certificate.sha1Fingerprint, to: &sink)
        case .pem: return append(nonEmpty: certificate.urlEncodedPEM, to: &sink)
        case .uriNames: return append(list: certificate.uriNames, to: &sink)
        case .dnsNames: return append(list: certificate.dnsNames, to: &sink)
        case .ipNames: return append(list: certificate.ipNames, to: &sink)
        case .emailNames: return append(list: certificate.emailNames, to: &sink)
        case .otherNames: return append(list: certificate.otherNames, to: &sink)
        case .chainFingerprints256: return append(list: tls.chainFingerprints, to: &sink)
        case .chainSerials: return append(list: tls.chainSerialNumbers, to: &sink)
        case .issuerFingerprint256: return append(list: Array(tls.chainFingerprints.dropFirst().prefix(1)), to: &sink)
        case .issuerSerial: return append(list: Array(tls.chainSerialNumbers.dropFirst().prefix(1)), to: &sink)
        }
    }

    private func append(nonEmpty text: String, to sink: inout ByteArena) -> Bool {
        if text.isEmpty { return false }
        sink.append(text: text)
        return true
    }

    private func append(list: [String], to sink: inout ByteArena) -> Bool {
        for (index, text) in list.enumerated() {
            if index > 0 { sink.append(byte: UInt8(ascii: ",")) }
            sink.append(text: text)
        }
        return !list.isEmpty
    }
}
