// A development CA and its leaves: what `outrider certs` writes and `outrider demo` runs on.
import Glibc
import Reactor

/// Certificates for trying things out, all of one new CA. The same files as `certs/make` makes by the openssl command.
public struct DevelopmentCertificates: Sendable {
    public struct File: Sendable {
        public let name: String
        public let contents: [UInt8]
        /// What it is, in a few words.
        public let note: String
        /// A key: for its owner's eyes only.
        public let isSecret: Bool

        init(_ name: String, _ contents: [UInt8], _ note: String, isSecret: Bool = false) {
            self.name = name
            self.contents = contents
            self.note = note
            self.isSecret = isSecret
        }
    }

    /// What is wrong with a wish.
    public struct Refusal: Error, Sendable, Equatable, CustomStringConvertible {
        public let description: String
    }

    /// The CA, and what it issues.
    public let files: [File]

    /// The name in a workload's certificate (SPIFFE ID).
    public static func spiffeID(trustDomain: String, service: String) -> String {
        "spiffe://\(trustDomain)/ns/default/sa/\(service)"
    }

    /// Makes a CA, a server for localhost, a client, and a leaf for each service, good as server and client.
    public init(days: Int, trustDomain: String, services: [String]) throws {
        try DevelopmentCertificates.check(days: days, trustDomain: trustDomain, services: services)
        let authority = try CertificateAuthority(
            commonName: "Outrider development CA", validity: .days(max(days, 3650)))
        var files = [
            File("ca.crt", authority.certificatePEM, "the CA: goes into trusted_ca"),
            File("ca.key", authority.keyPEM, "signs more of them", isSecret: true),
        ]
        func issue(_ name: String, _ note: String, _ fill: (inout CertificateRequest) -> Void) throws {
            var request = CertificateRequest(commonName: name)
            request.organization = "Outrider development"
            request.validity = .days(days)
            fill(&request)
            let issued = try authority.issue(request)
            files.append(File("\(name).crt", issued.chainPEM, note))
            files.append(File("\(name).key", issued.keyPEM, "its key", isSecret: true))
        }
        try issue("server", "localhost, *.localhost, 127.0.0.1, ::1") { request in
            request.dnsNames = ["localhost", "*.localhost"]
            request.ipAddresses = ["127.0.0.1", "::1"]
            request.usage = .server
        }
        try issue("client", "client.localhost, client@localhost") { request in
            request.dnsNames = ["client.localhost"]
            request.emails = ["client@localhost"]
            request.usage = .client
        }
        for service in services {
            let id = DevelopmentCertificates.spiffeID(trustDomain: trustDomain, service: service)
            try issue(service, id) { $0.uris = [id] }
        }
        self.files = files
    }

    /// Names of `files` that the folder has already.
    public func present(in folder: String) -> [String] {
        files.map(\.name).filter { Folder.has("\(folder)/\($0)") }
    }

    /// Writes the files into the folder, keys readable by their owner only. What is there under their names is replaced.
    public func write(to folder: String) throws(SystemError) {
        try Folder.make(folder)
        for file in files {
            try FileContents.write(file.contents, to: "\(folder)/\(file.name)", mode: file.isSecret ? 0o600 : 0o644)
        }
    }

    /// Names become file names and parts of a SPIFFE ID (SPIFFE-ID, section 2).
    static func check(days: Int, trustDomain: String, services: [String]) throws(Refusal) {
        guard (1...36_500).contains(days) else { throw Refusal(description: "\(days) days is not in 1...36500") }
        let isDomain =
            !trustDomain.isEmpty && trustDomain.utf8.count <= 255
            && trustDomain.utf8.allSatisfy { $0.isNameByte && !(0x41...0x5a).contains($0) }
        guard isDomain else {
            throw Refusal(
                description: "trust domain '\(trustDomain)': only a-z, 0-9, '.', '-' and '_' can be in its name")
        }
        var seen: Set<String> = ["ca", "server", "client"]
        for service in services {
            let isName =
                !service.isEmpty && service.utf8.count <= 63
                && service.utf8.allSatisfy(\.isNameByte) && service.utf8.first != 0x2e && service.utf8.first != 0x2d
            guard isName else {
                throw Refusal(
                    description: "service '\(service)': only a-z, A-Z, 0-9, '.', '-' and '_' can be in a name, "
                        + "'.' and '-' not as the first, and no more than 63 of them")
            }
            guard seen.insert(service).inserted else {
                throw Refusal(description: "service '\(service)': there is a certificate of that name already")
            }
        }
    }
}

extension UInt8 {
    /// A letter, a digit, '.', '-' or '_'.
    fileprivate var isNameByte: Bool {
        switch self {
        case 0x61...0x7a, 0x41...0x5a, 0x30...0x39, 0x2d, 0x2e, 0x5f: true
        default: false
        }
    }
}
