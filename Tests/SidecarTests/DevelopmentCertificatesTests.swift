// Certificates for development: their names, and what cannot be one.
import Reactor
import Testing

@testable import Sidecar

@Suite struct DevelopmentCertificatesTests {
    typealias Refusal = DevelopmentCertificates.Refusal

    @Test func writesKeysForTheirOwnerOnly() throws {
        let folder = try Folder.makeTemporary(prefix: "outrider-test")
        defer { try? Folder.remove(folder) }
        let made = try DevelopmentCertificates(days: 1, trustDomain: "td", services: ["a", "B-1.x_y"])
        let names = ["ca", "server", "client", "a", "B-1.x_y"]
        #expect(made.files.map(\.name) == names.flatMap { ["\($0).crt", "\($0).key"] })
        #expect(made.present(in: folder).isEmpty)
        try made.write(to: folder)
        #expect(made.present(in: folder) == made.files.map(\.name))
        #expect(made.files.filter(\.isSecret).map(\.name) == made.files.map(\.name).filter { $0.hasSuffix(".key") })
    }

    @Test(arguments: ["", "ca", "server", "client", "../x", "a/b", "-a", ".a", "a b", "a\u{10}", "é", "a"])
    func refusesNames(service: String) {
        #expect(throws: Refusal.self) {
            try DevelopmentCertificates.check(days: 1, trustDomain: "td", services: ["a", service])
        }
    }

    @Test(arguments: ["", "A", "a/b", "a b", String(repeating: "a", count: 256)])
    func refusesTrustDomains(domain: String) {
        #expect(throws: Refusal.self) {
            try DevelopmentCertificates.check(days: 1, trustDomain: domain, services: [])
        }
    }

    @Test(arguments: [0, -1, 36_501])
    func refusesDays(days: Int) {
        #expect(throws: Refusal.self) {
            try DevelopmentCertificates.check(days: days, trustDomain: "td", services: [])
        }
    }
}
