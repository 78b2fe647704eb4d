// What a peer's certificate has to be.
import DataPlane
import EnvoyAPI
import Matching
import Reactor

extension TLSSpecBuilder {
    /// Where systems keep the certificates of public authorities; the first that is there is used.
    private static let systemRoots = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
        "/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
    ]

    /// `trustedCA` and `crl` are the places of these, where they are not below `path`.
    func validation(
        _ validation: API.Validation, _ path: FieldPath, trustedCA: FieldPath? = nil, crl: FieldPath? = nil,
        into spec: inout TLSContextSpec
    ) {
        let moves = watchedDirectory(
            validation.watchedDirectory, isSet: validation.hasWatchedDirectory, path.field("watched_directory"))
        if validation.hasTrustedCa,
            let (bytes, name) = data(validation.trustedCa, trustedCA ?? path.field("trusted_ca"), moves)
        {
            spec.trustedCA = bytes
            spec.trustedCAName = name
        } else if validation.hasSystemRootCerts, !validation.hasTrustedCa {
            systemRoots(path.field("system_root_certs"), moves, into: &spec)
        }
        if validation.hasCrl, let (bytes, name) = data(validation.crl, crl ?? path.field("crl"), moves) {
            spec.crl = bytes
            spec.crlName = name
        }
        var verify = PeerVerification()
        verify.sanMatchers = names(validation, path)
        verify.certificateHashes = validation.verifyCertificateHash.enumerated().compactMap { index, text in
            hash(text, path.field("verify_certificate_hash")[index])
        }
        verify.spkiHashes = validation.verifyCertificateSpki.enumerated().compactMap { index, text in
            guard let bytes = ScalarText.base64(text), bytes.count == 32 else {
                context.bad(
                    path.field("verify_certificate_spki")[index], "must be the base64 of a SHA-256 (32 bytes)")
                return nil
            }
            return bytes
        }
        verify.acceptUntrusted = validation.trustChainVerification == .acceptUntrusted
        if validation.hasMaxVerifyDepth { verify.maxVerifyDepth = Int(validation.maxVerifyDepth.value) }
        verify.allowExpired = validation.allowExpiredCertificate
        verify.onlyVerifyLeafCRL = validation.onlyVerifyLeafCertCrl
        spec.verify = verify
    }

    private func systemRoots(_ path: FieldPath, _ moves: WatchedPlace?, into spec: inout TLSContextSpec) {
        for name in Self.systemRoots {
            guard let bytes = try? context.files.read(name) else { continue }
            if moves == nil { context.note(.file(name), for: path) }
            spec.trustedCA = bytes
            spec.trustedCAName = name
            return
        }
        context.bad(
            path, "this system has no file of root certificates; looked for \(Self.systemRoots.joined(separator: ", "))"
        )
    }

    private func names(_ validation: API.Validation, _ path: FieldPath) -> [SANMatcher] {
        var matchers: [SANMatcher] = []
        for (index, typed) in validation.matchTypedSubjectAltNames.enumerated() {
            let path = path.field("match_typed_subject_alt_names")[index]
            guard let matcher = context.matcher(typed.matcher, path.field("matcher")) else { continue }
            let type: SANMatcher.NameType
            switch typed.sanType {
            case .email: type = .email
            case .uri: type = .uri
            case .ipAddress: type = .ip
            case .otherName:
                if typed.oid.isEmpty { context.missing(path.field("oid"), "is required for OTHER_NAME") }
                type = .otherName(oid: typed.oid)
            default: type = .dns
            }
            matchers.append(SANMatcher(type: type, matcher: matcher))
        }
        // The older field matches names of every type.
        for (index, untyped) in validation.matchSubjectAltNames.enumerated() {
            guard let matcher = context.matcher(untyped, path.field("match_subject_alt_names")[index]) else { continue }
            for type in [SANMatcher.NameType.dns, .uri, .email, .ip] {
                matchers.append(SANMatcher(type: type, matcher: matcher))
            }
        }
        return matchers
    }

    /// 64 hexadecimal digits, or 32 pairs with colons between them.
    private func hash(_ text: String, _ path: FieldPath) -> [UInt8]? {
        let digits = text.split(separator: ":").joined()
        var bytes: [UInt8] = []
        var rest = Substring(digits)
        while rest.count >= 2, rest.prefix(2).allSatisfy(\.isHexDigit), let byte = UInt8(rest.prefix(2), radix: 16) {
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        guard rest.isEmpty, bytes.count == 32 else {
            context.bad(path, "must be a SHA-256: 64 hexadecimal digits, or 32 pairs with colons between them")
            return nil
        }
        return bytes
    }
}
