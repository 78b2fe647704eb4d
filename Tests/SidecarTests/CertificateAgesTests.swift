// What is said of certificates that come, grow old and go.
import Logging
import Reactor
import Synchronization
import TestKit
import Testing

@testable import Sidecar

@Suite struct CertificateAgesTests {
    /// Keeps the lines that are logged.
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])

        func add(_ line: String) { lines.withLock { $0.append(line) } }

        /// Those since the last call.
        func taken() -> [String] {
            lines.withLock { lines in
                defer { lines = [] }
                return lines
            }
        }
    }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { lines.add("\(event.level) \(event.message)") }
    }

    private let lines = Lines()
    private let ages: CertificateAges
    private let pki: TestCertificates

    init() throws {
        let lines = lines
        ages = CertificateAges(log: Logger(label: "test") { _ in Handler(lines: lines) })
        pki = try TestCertificates()
    }

    private func context(_ name: String, days: Int) throws -> (spec: TLSContextSpec, leaf: CertificateDetails) {
        let issued = try pki.issue(name) { $0.validity = .days(days) }
        var spec = pki.mutualServerSpec(issued)
        spec.certificates[0].chainName = "/etc/\(name).crt"
        spec.trustedCAName = "/etc/ca.crt"
        return (spec, try #require(spec.certificateDetails.certChain.first))
    }

    @Test func eachIsToldOnce() throws {
        let (one, leaf) = try context("a", days: 30)
        let now = leaf.validFrom + 600
        ages.follow([one, one], now: now)
        let told = lines.taken()
        #expect(told.count == 2)
        #expect(
            told.first?.hasPrefix("info certificate CN=a of /etc/a.crt: serial \(leaf.serialNumber), valid from ")
                == true)
        #expect(told.last?.hasPrefix("info CA CN=Test CA of /etc/ca.crt: serial ") == true)
        ages.follow([one], now: now)
        #expect(lines.taken() == [])
        let (two, _) = try context("a", days: 30)
        ages.follow([two], now: now)
        #expect(lines.taken().count == 1)
    }

    @Test func ageIsWarnedOfTwice() throws {
        let (one, leaf) = try context("a", days: 30)
        let life = leaf.expirationTime - leaf.validFrom
        ages.follow([one], now: leaf.validFrom + 600)
        ages.warn(now: leaf.expirationTime - life / 3 - 1)
        #expect(lines.taken().count == 2)
        ages.warn(now: leaf.expirationTime - life / 3)
        let old = lines.taken()
        #expect(old.first?.hasPrefix("warning certificate CN=a of /etc/a.crt has lived two thirds of its time") == true)
        #expect(old.first?.hasSuffix("in 10 days") == true)
        ages.warn(now: leaf.expirationTime)
        #expect(old.count == 1 && lines.taken() == [])
        ages.warn(now: leaf.expirationTime + 1)
        ages.warn(now: leaf.expirationTime + 100)
        let late = lines.taken()
        #expect(late.count == 1)
        #expect(late.first?.hasPrefix("warning certificate CN=a of /etc/a.crt expired on ") == true)
        // Renewed in time, and nothing more is said of the old one.
        let (two, newer) = try context("a", days: 30)
        ages.follow([two], now: newer.validFrom + 600)
        ages.warn(now: newer.validFrom + 700)
        #expect(lines.taken().count == 1)
    }

    @Test func expiredAtTheStart() throws {
        let (one, leaf) = try context("a", days: 1)
        ages.follow([one], now: leaf.expirationTime + 1)
        #expect(lines.taken().count { $0.hasPrefix("warning ") } == 1)
    }
}
