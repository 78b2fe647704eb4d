// TLS contexts: certificates, validation, versions and names, each file read and checked.
import DataPlane
import EnvoyAPI
import Matching
import Reactor

struct TLSSpecBuilder {
    let context: SpecContext

    /// Where the pieces of a context stand, for the problems that come out of making it.
    private struct Places {
        var whole: FieldPath
        var common: FieldPath
        var certificates: [FieldPath] = []
        var validation: FieldPath
        /// Where these stand in a secret, apart from `validation`.
        var trustedCA: FieldPath?
        var crl: FieldPath?

        /// How many problems were known before this context.
        var problemsBefore: Int

        init(_ path: FieldPath, after problems: Int) {
            problemsBefore = problems
            whole = path
            common = path.field("common_tls_context")
            validation = common.field("validation_context")
        }

        /// The path of a field as `TLSConfigurationError` names it.
        func path(of field: String) -> FieldPath {
            if field.hasPrefix("tls_certificates["), let close = field.firstIndex(of: "]"),
                let index = Int(field[field.index(field.startIndex, offsetBy: 17)..<close]),
                certificates.indices.contains(index)
            {
                let rest = field[field.index(after: close)...].dropFirst()
                return rest.isEmpty ? certificates[index] : certificates[index].field(String(rest))
            }
            if field == "validation_context.trusted_ca", let trustedCA { return trustedCA }
            if field == "validation_context.crl", let crl { return crl }
            if field == "validation_context" { return validation }
            if field.hasPrefix("validation_context.") { return validation.field(String(field.dropFirst(19))) }
            if ["sni", "auto_sni_san_validation", "require_client_certificate"].contains(field) {
                return whole.field(field)
            }
            return common.field(field)
        }
    }

    /// What a cluster's HTTP options ask of its TLS context.
    struct AutoNames: Sendable {
        /// `auto_sni`
        var sni: Bool
        /// `auto_san_validation`
        var san: Bool

        init(_ http: API.UpstreamHTTP?) {
            sni = http?.upstreamHTTPProtocolOptions.autoSni == true
            san = http?.upstreamHTTPProtocolOptions.autoSanValidation == true
        }
    }

    /// The TLS context of a filter chain; nil for plain text.
    func downstream(
        _ socket: API.TransportSocket, isSet: Bool, _ path: FieldPath, _ owner: TLSContextOwner
    ) -> TLSContextSpec? {
        guard isSet, let config = config(socket, path) else { return nil }
        let place = path.field("typed_config")
        if config.unpacked(API.UpstreamTLS.self) != nil {
            context.bad(
                place, "an UpstreamTlsContext belongs to a cluster; a filter chain takes a DownstreamTlsContext")
        }
        if config.unpacked(API.ProxyProtocolTransport.self) != nil {
            context.bad(
                place,
                "a ProxyProtocolUpstreamTransport belongs to a cluster; what comes in is read by the listener filter "
                    + "envoy.filters.listener.proxy_protocol")
        }
        guard let tls = config.unpacked(API.DownstreamTLS.self) else { return nil }
        let spec = downstream(tls, place)
        context.noteSource(owner, place) { (try? tls.serializedBytes()).map(TLSContextSource.Request.downstream) }
        return spec
    }

    func downstream(_ tls: API.DownstreamTLS, _ place: FieldPath) -> TLSContextSpec? {
        var places = Places(place, after: context.report.issueCount)
        var spec = common(tls.commonTlsContext, &places)
        spec.verify.required = tls.requireClientCertificate.value
        spec.prefersClientCiphers = tls.preferClientCiphers
        spec.requireSNI = tls.requireSni.value
        spec.fullScanOnSNIMismatch = tls.fullScanCertsOnSniMismatch.value
        spec.statefulResumption = !tls.disableStatefulSessionResumption
        if tls.hasSessionTimeout {
            let seconds = context.amount(tls.sessionTimeout).seconds
            guard let whole = UInt32(exactly: seconds) else {
                context.bad(place.field("session_timeout"), "must be less than \(UInt32.max)s")
                return nil
            }
            spec.sessionTimeout = whole
        }
        switch tls.sessionTicketKeysType {
        case .sessionTicketKeys(let keys)?:
            if let keys = ticketKeys(keys, place.field("session_ticket_keys.keys")) { spec.sessionTickets = keys }
        case .sessionTicketKeysSdsSecretConfig(let reference)?:
            if let keys = ticketKeys(reference, place.field("session_ticket_keys_sds_secret_config")) {
                spec.sessionTickets = keys
            }
        case .disableStatelessSessionResumption(true)?:
            spec.sessionTickets = .disabled
        default: break
        }
        report(TLSContext.problems(in: spec, isServer: true), places)
        return spec
    }

    /// The TLS context of a cluster; nil for plain text.
    func upstream(
        _ socket: API.TransportSocket, isSet: Bool, _ auto: AutoNames, _ path: FieldPath, _ owner: TLSContextOwner
    ) -> TLSContextSpec? {
        guard isSet, let config = config(socket, path) else { return nil }
        let place = path.field("typed_config")
        if config.unpacked(API.DownstreamTLS.self) != nil {
            context.bad(
                place, "a DownstreamTlsContext belongs to a filter chain; a cluster takes an UpstreamTlsContext")
        }
        guard let tls = config.unpacked(API.UpstreamTLS.self) else { return nil }
        let spec = upstream(tls, auto, place)
        context.noteSource(owner, place) { (try? tls.serializedBytes()).map { .upstream($0, auto) } }
        return spec
    }

    func upstream(_ tls: API.UpstreamTLS, _ auto: AutoNames, _ place: FieldPath) -> TLSContextSpec {
        var places = Places(place, after: context.report.issueCount)
        var spec = common(tls.commonTlsContext, &places)
        spec.sni = tls.sni.isEmpty ? nil : tls.sni
        spec.autoSNI = tls.autoHostSni || auto.sni
        spec.autoSANValidation = tls.autoSniSanValidation
        if auto.san {
            if spec.trustedCA != nil {
                spec.autoSANValidation = true
            } else {
                context.report.warn(path: place, "auto_san_validation has no effect: there is no trusted_ca")
            }
        }
        spec.allowRenegotiation = tls.allowRenegotiation
        if tls.hasMaxSessionKeys { spec.maxSessionKeys = Int(tls.maxSessionKeys.value) }
        report(TLSContext.problems(in: spec, isServer: false), places)
        return spec
    }

    private func config(_ socket: API.TransportSocket, _ path: FieldPath) -> API.AnyMessage? {
        guard case .typedConfig(let config)? = socket.configType else {
            context.missing(
                path.field("typed_config"), "is required: extensions are chosen by the type of their config")
            return nil
        }
        return config
    }

    /// Problems that come from a file that is missing.
    private static let needsFiles: Set<String> = [
        "tls_certificates", "validation_context.match_typed_subject_alt_names", "validation_context.crl",
        "auto_sni_san_validation", "require_client_certificate",
    ]

    private func report(_ problems: [TLSConfigurationError], _ places: Places) {
        // Where a file could not be read, what needs it is no news.
        let isWhole = context.report.issueCount == places.problemsBefore && !context.isIncomplete(places.whole)
        for problem in problems where isWhole || !Self.needsFiles.contains(problem.field) {
            context.inconsistent(places.path(of: problem.field), problem.message)
        }
    }

    // MARK: - CommonTlsContext

    private func common(_ common: API.CommonTLS, _ places: inout Places) -> TLSContextSpec {
        var spec = TLSContextSpec()
        spec.takesOverRecords = context.isOn(.takeOverTLSRecords)
        parameters(common.tlsParams, into: &spec)
        spec.alpn = common.alpnProtocols
        for (index, certificate) in common.tlsCertificates.enumerated() {
            add(certificate, places.common.field("tls_certificates")[index], &spec, &places)
        }
        for (index, reference) in common.tlsCertificateSdsSecretConfigs.enumerated() {
            let path = places.common.field("tls_certificate_sds_secret_configs")[index]
            guard let (secret, place) = secret(reference, path) else { continue }
            guard case .tlsCertificate(let certificate)? = secret.type else {
                context.inconsistent(
                    path.field("name"), "secret \(quotedForMessage(reference.name)) is no tls_certificate")
                continue
            }
            add(certificate, place.field("tls_certificate"), &spec, &places, secretName: reference.name)
        }
        switch common.validationContextType {
        case .validationContext(let validation)?:
            self.validation(validation, places.validation, into: &spec)
        case .validationContextSdsSecretConfig(let reference)?:
            let path = places.common.field("validation_context_sds_secret_config")
            if let (validation, place) = validation(reference, path) {
                places.validation = place
                self.validation(validation, place, into: &spec)
                spec.trustedCASecret = reference.name
            }
        case .combinedValidationContext(let combined)?:
            let path = places.common.field("combined_validation_context")
            places.validation = path.field("default_validation_context")
            var merged = combined.defaultValidationContext
            let reference = path.field("validation_context_sds_secret_config")
            if combined.hasValidationContextSdsSecretConfig,
                let (validation, place) = validation(combined.validationContextSdsSecretConfig, reference),
                let bytes: [UInt8] = try? validation.serializedBytes()
            {
                // As in Envoy: the secret is merged over the default.
                try? merged.merge(serializedBytes: bytes)
                spec.trustedCASecret = combined.validationContextSdsSecretConfig.name
                if validation.hasTrustedCa { places.trustedCA = place.field("trusted_ca") }
                if validation.hasCrl { places.crl = place.field("crl") }
            }
            self.validation(merged, places.validation, trustedCA: places.trustedCA, crl: places.crl, into: &spec)
        default: break
        }
        return spec
    }

    /// A secret of the configuration, or of the file that the reference names.
    private func secret(
        _ reference: API.SecretConfig, _ path: FieldPath
    ) -> (secret: API.Secret, path: FieldPath)? {
        let name = reference.name
        if reference.hasSdsConfig {
            return context.secret(name, from: reference.sdsConfig, path.field("sds_config"), referredAt: path)
        }
        if let found = context.secrets.all[name] { return found }
        let names = context.secrets.all.keys
        context.inconsistent(
            path.field("name"),
            "there is no secret \(quotedForMessage(name)) in static_resources.secrets"
                + Suggestion.clause(for: name, among: names))
        return nil
    }

    private func validation(
        _ reference: API.SecretConfig, _ path: FieldPath
    ) -> (validation: API.Validation, path: FieldPath)? {
        guard let (secret, place) = secret(reference, path) else { return nil }
        guard case .validationContext(let validation)? = secret.type else {
            context.inconsistent(
                path.field("name"), "secret \(quotedForMessage(reference.name)) is no validation_context")
            return nil
        }
        return (validation, place.field("validation_context"))
    }

    // MARK: - Files

    /// The folder whose moves tell that all files of a message have changed; nil: each file tells for itself.
    func watchedDirectory(
        _ directory: API.WatchedDirectory, isSet: Bool, _ path: FieldPath
    ) -> WatchedPlace? {
        guard isSet else { return nil }
        if directory.path.isEmpty {
            context.missing(path.field("path"))
            return nil
        }
        let place = WatchedPlace.moves(into: directory.path)
        context.note(place, for: path)
        return place
    }

    /// The bytes of a source. A file is followed, unless the moves into a folder tell of it.
    func data(
        _ source: API.DataSource, _ path: FieldPath, _ moves: WatchedPlace?
    ) -> (bytes: [UInt8], name: String)? {
        if case .filename(let name)? = source.specifier, moves == nil { context.note(.file(name), for: path) }
        return context.data(source, path)
    }

    // MARK: - Certificates

    private func add(
        _ certificate: API.TLSCertificate, _ path: FieldPath, _ spec: inout TLSContextSpec, _ places: inout Places,
        secretName: String = ""
    ) {
        let moves = watchedDirectory(
            certificate.watchedDirectory, isSet: certificate.hasWatchedDirectory, path.field("watched_directory"))
        let password =
            certificate.hasPassword
            ? data(certificate.password, path.field("password"), moves)?.bytes : nil
        let found =
            certificate.hasPkcs12
            ? pkcs12(certificate, password: password, path, moves)
            : chainAndKey(certificate, password: password, path, moves)
        guard var material = found else { return }
        material.secretName = secretName
        spec.certificates.append(material)
        places.certificates.append(path)
    }

    private func chainAndKey(
        _ certificate: API.TLSCertificate, password: [UInt8]?, _ path: FieldPath, _ moves: WatchedPlace?
    ) -> TLSCertificateMaterial? {
        if !certificate.hasCertificateChain { context.missing(path.field("certificate_chain")) }
        if !certificate.hasPrivateKey { context.missing(path.field("private_key")) }
        guard certificate.hasCertificateChain, certificate.hasPrivateKey else { return nil }
        let chain = data(certificate.certificateChain, path.field("certificate_chain"), moves)
        let key = data(certificate.privateKey, path.field("private_key"), moves)
        guard let chain, let key else { return nil }
        return TLSCertificateMaterial(
            chainPEM: chain.bytes, keyPEM: key.bytes, password: password, chainName: chain.name, keyName: key.name)
    }

    private func pkcs12(
        _ certificate: API.TLSCertificate, password: [UInt8]?, _ path: FieldPath, _ moves: WatchedPlace?
    ) -> TLSCertificateMaterial? {
        for (name, isSet) in [
            ("certificate_chain", certificate.hasCertificateChain), ("private_key", certificate.hasPrivateKey),
        ] where isSet {
            context.bad(path.field(name), "only one of pkcs12 and \(name) may be set")
        }
        let place = path.field("pkcs12")
        guard let (bytes, name) = data(certificate.pkcs12, place, moves) else { return nil }
        do throws(TLSConfigurationError) {
            return try TLSCertificateMaterial(pkcs12: bytes, password: password, name: name, field: "pkcs12")
        } catch {
            context.inconsistent(place, error.message)
            return nil
        }
    }

    private func parameters(_ parameters: API.TLSParameters, into spec: inout TLSContextSpec) {
        spec.minVersion = version(parameters.tlsMinimumProtocolVersion)
        spec.maxVersion = version(parameters.tlsMaximumProtocolVersion)
        spec.cipherSuites = parameters.cipherSuites
        spec.curves = parameters.ecdhCurves
        spec.signatureAlgorithms = parameters.signatureAlgorithms
    }

    private func version(_ version: API.TLSParameters.TlsProtocol) -> TLSVersion? {
        switch version {
        case .tlsv10: .tls10
        case .tlsv11: .tls11
        case .tlsv12: .tls12
        case .tlsv13: .tls13
        default: nil
        }
    }

    private func ticketKeys(_ reference: API.SecretConfig, _ path: FieldPath) -> TLSSessionTickets? {
        guard let (secret, place) = secret(reference, path) else { return nil }
        guard case .sessionTicketKeys(let keys)? = secret.type else {
            context.inconsistent(
                path.field("name"), "secret \(quotedForMessage(reference.name)) is no session_ticket_keys")
            return nil
        }
        return ticketKeys(keys, place.field("session_ticket_keys.keys"))
    }

    private func ticketKeys(_ keys: API.TicketKeys, _ path: FieldPath) -> TLSSessionTickets? {
        var found: [SessionTicketKeys.Key] = []
        for (index, source) in keys.keys.enumerated() {
            guard let (bytes, _) = data(source, path[index], nil) else { continue }
            guard let key = SessionTicketKeys.Key(bytes) else {
                context.bad(
                    path[index], "a session ticket key has \(SessionTicketKeys.Key.size) bytes, this has \(bytes.count)"
                )
                continue
            }
            found.append(key)
        }
        return SessionTicketKeys.given(found).map { .enabled($0) }
    }
}
