// Making certificates and revocation lists by OpenSSL.
import COpenSSL

enum X509Builder {
    typealias Failure = CertificateAuthority.Failure

    /// Who signs. Borrowed for the length of a call.
    struct Issuer {
        let certificate: OpaquePointer
        let key: OpaquePointer
    }

    /// Makes a key and a certificate for it, signed by the issuer or by itself. The caller owns a reference to each.
    static func make(
        _ request: CertificateRequest, issuer: Issuer?
    ) throws(Failure) -> (certificate: OpaquePointer, key: OpaquePointer) {
        let key = try makeKey(request.keyType)
        guard let certificate = X509_new() else { throw failure("a certificate") }
        do throws(Failure) {
            try fill(certificate, key: key, request, issuer: issuer)
        } catch {
            X509_free(certificate)
            EVP_PKEY_free(key)
            throw error
        }
        return (certificate, key)
    }

    private static func makeKey(_ type: CertificateRequest.KeyType) throws(Failure) -> OpaquePointer {
        let key: OpaquePointer?
        switch type {
        case .ecdsaP256: key = cossl_ec_keygen("P-256")
        case .rsa2048: key = cossl_rsa_keygen(2048)
        case .rsa1024: key = cossl_rsa_keygen(1024)
        }
        guard let key else { throw failure("a key") }
        return key
    }

    private static func fill(
        _ certificate: OpaquePointer, key: OpaquePointer, _ request: CertificateRequest, issuer: Issuer?
    ) throws(Failure) {
        X509_set_version(certificate, 2)
        var serial = [UInt8](repeating: 0, count: 16)
        RAND_bytes(&serial, 16)
        serial[0] = serial[0] & 0x7f | 0x40
        guard let number = BN_bin2bn(serial, 16, nil) else { throw failure("a serial number") }
        defer { BN_free(number) }
        BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate))
        X509_gmtime_adj(X509_getm_notBefore(certificate), request.validity.from)
        X509_gmtime_adj(X509_getm_notAfter(certificate), request.validity.to)
        X509_set_pubkey(certificate, key)

        let subject = X509_get_subject_name(certificate)
        if !request.organization.isEmpty { try add("O", request.organization, to: subject) }
        try add("CN", request.commonName, to: subject)
        let issuerCertificate = issuer?.certificate ?? certificate
        X509_set_issuer_name(certificate, X509_get_subject_name(issuerCertificate))

        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuerCertificate, certificate, nil, nil, 0)
        func extend(_ nid: Int32, _ value: String) throws(Failure) {
            guard let one = X509V3_EXT_conf_nid(nil, &context, nid, value) else { throw failure("extension \(value)") }
            defer { X509_EXTENSION_free(one) }
            guard X509_add_ext(certificate, one, -1) == 1 else { throw failure("extension \(value)") }
        }
        try extend(NID_basic_constraints, request.isAuthority ? "critical,CA:TRUE" : "critical,CA:FALSE")
        if request.isAuthority {
            try extend(NID_key_usage, "critical,keyCertSign,cRLSign")
        } else {
            try extend(NID_key_usage, "critical,digitalSignature,keyEncipherment")
            let usages =
                (request.usage.contains(.server) ? ["serverAuth"] : [])
                + (request.usage.contains(.client) ? ["clientAuth"] : [])
            if !usages.isEmpty { try extend(NID_ext_key_usage, usages.joined(separator: ",")) }
        }
        try extend(NID_subject_key_identifier, "hash")
        if issuer != nil { try extend(NID_authority_key_identifier, "keyid:always") }
        try addNames(request, to: certificate)
        guard X509_sign(certificate, issuer?.key ?? key, EVP_sha256()) > 0 else { throw failure("a signature") }
    }

    private static func add(_ field: String, _ value: String, to name: OpaquePointer?) throws(Failure) {
        let bytes = Array(value.utf8)
        guard X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, bytes, Int32(clamping: bytes.count), -1, 0) == 1
        else { throw failure("the name '\(value)' (at most 64 characters)") }
    }

    private static func addNames(_ request: CertificateRequest, to certificate: OpaquePointer) throws(Failure) {
        guard let names = cossl_names_new() else { throw failure("names") }
        defer { cossl_names_free(names) }
        func push(_ type: Int32, _ value: NameValue) throws(Failure) {
            guard let name = GENERAL_NAME_new() else { throw failure("a name") }
            guard let string = value.string else {
                GENERAL_NAME_free(name)
                throw failure("the name '\(value.text)'")
            }
            GENERAL_NAME_set0_value(name, type, string)
            _ = cossl_names_push(names, name)
        }
        for one in request.dnsNames { try push(GEN_DNS, .text(one)) }
        for one in request.uris { try push(GEN_URI, .text(one)) }
        for one in request.emails { try push(GEN_EMAIL, .text(one)) }
        for one in request.ipAddresses { try push(GEN_IPADD, .address(one)) }
        for one in request.otherNames {
            guard let name = GENERAL_NAME_new(), let oid = OBJ_txt2obj(one.oid, 1), let value = ASN1_TYPE_new(),
                let string = NameValue.text(one.value).string
            else { throw failure("the name '\(one.value)' of type \(one.oid)") }
            ASN1_TYPE_set(value, V_ASN1_UTF8STRING, string)
            GENERAL_NAME_set0_othername(name, oid, value)
            _ = cossl_names_push(names, name)
        }
        guard cossl_names_count(names) > 0 else { return }
        guard X509_add1_ext_i2d(certificate, NID_subject_alt_name, UnsafeMutableRawPointer(names), 0, 0) == 1
        else { throw failure("subject alternative names") }
    }

    /// The value of a name, made into a new ASN.1 string that the name takes over.
    private enum NameValue {
        case text(String)
        case address(String)

        var text: String {
            switch self {
            case .text(let text), .address(let text): text
            }
        }

        var string: UnsafeMutablePointer<ASN1_STRING>? {
            switch self {
            case .address(let text):
                return a2i_IPADDRESS(text)
            case .text(let text):
                guard let string = ASN1_STRING_type_new(V_ASN1_IA5STRING) else { return nil }
                let bytes = Array(text.utf8)
                ASN1_STRING_set(string, bytes, Int32(clamping: bytes.count))
                return string
            }
        }
    }

    /// A private key as PEM (PKCS #8), encrypted when there is a password.
    static func pem(key: OpaquePointer, password: [UInt8]?) -> [UInt8] {
        let text = X509Text.withMemoryBIO { bio in
            guard let password else { return PEM_write_bio_PKCS8PrivateKey(bio, key, nil, nil, 0, nil, nil) == 1 }
            let count = Int32(clamping: password.count)
            return password.withUnsafeBytes { bytes in
                let secret = bytes.assumingMemoryBound(to: CChar.self).baseAddress
                return PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), secret, count, nil, nil) == 1
            }
        }
        return Array((text ?? "").utf8)
    }

    /// A list that revokes the first certificate of each PEM.
    static func revocationList(
        _ revoked: [[UInt8]], validity: CertificateRequest.Validity, issuer: Issuer
    ) throws(Failure) -> [UInt8] {
        guard let list = X509_CRL_new(), let time = ASN1_TIME_new() else { throw failure("a revocation list") }
        defer {
            X509_CRL_free(list)
            ASN1_TIME_free(time)
        }
        X509_CRL_set_version(list, 1)
        X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer.certificate))
        X509_gmtime_adj(time, validity.from)
        X509_CRL_set1_lastUpdate(list, time)
        for pem in revoked {
            guard let found = try? TLSMaterial.certificates(pem, name: "", field: ""), let leaf = found.first,
                let entry = X509_REVOKED_new()
            else { throw failure("a revocation") }
            X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(leaf))
            X509_REVOKED_set_revocationDate(entry, time)
            X509_CRL_add0_revoked(list, entry)
            for one in found { X509_free(one) }
        }
        X509_gmtime_adj(time, validity.to)
        X509_CRL_set1_nextUpdate(list, time)
        X509_CRL_sort(list)
        guard X509_CRL_sign(list, issuer.key, EVP_sha256()) > 0,
            let text = X509Text.withMemoryBIO({ PEM_write_bio_X509_CRL($0, list) == 1 })
        else { throw failure("a revocation list") }
        return Array(text.utf8)
    }

    private static func failure(_ what: String) -> Failure {
        Failure(description: "cannot make \(what): \(OpenSSLErrors.drain().lastWords(or: "not valid"))")
    }
}
