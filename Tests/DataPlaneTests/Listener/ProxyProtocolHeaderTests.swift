// PROXY protocol headers: versions, addresses, extensions, and what breaks the format.
import Reactor
import Testing

@testable import DataPlane

@Suite struct ProxyProtocolHeaderTests {
    private static let signature: [UInt8] = Array("\r\n\r\n\0\r\nQUIT\n".utf8)

    private func look(_ bytes: [UInt8]) -> ProxyProtocolHeader.Look {
        bytes.withUnsafeBytes { ProxyProtocolHeader.look(at: ByteView($0)) }
    }

    private func v2(
        command: UInt8 = 0x21, family: UInt8 = 0x11, addresses: [UInt8], extensions: [UInt8] = [], length: Int? = nil
    ) -> [UInt8] {
        let length = length ?? addresses.count + extensions.count
        return Self.signature + [command, family, UInt8(length >> 8), UInt8(length & 0xff)] + addresses + extensions
    }

    private static let addressesV4: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 7, 0x10, 0, 0x20, 1]

    @Test func versionOne() throws {
        let text = "PROXY TCP4 192.0.2.1 198.51.100.7 4096 8193\r\n"
        guard case .header(let header) = look(Array((text + "GET /").utf8)) else {
            Issue.record("no header")
            return
        }
        #expect(header.version == .v1)
        #expect(header.length == text.utf8.count)
        #expect(header.endpoints?.client.description == "192.0.2.1:4096")
        #expect(header.endpoints?.destination.description == "198.51.100.7:8193")
    }

    @Test func versionTwo() throws {
        let bytes = v2(addresses: Self.addressesV4, extensions: [2, 0, 2, 0x61, 0x62, 4, 0, 0])
        guard case .header(let header) = look(bytes + [1, 2, 3]) else {
            Issue.record("no header")
            return
        }
        #expect(header.length == bytes.count)
        #expect(header.endpoints?.client.description == "192.0.2.1:4096")
        #expect(header.endpoints?.destination.description == "198.51.100.7:8193")
        var found: [String] = []
        let isWhole = bytes.withUnsafeBytes { raw in
            header.forEachExtension(in: ByteView(raw)) { found.append("\($0)=\($1)") }
        }
        #expect(isWhole)
        #expect(found == ["2=ab", "4="])
    }

    @Test func versionTwoOverIPv6() {
        let addresses: [UInt8] =
            [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [1] + [UInt8](repeating: 0, count: 15) + [2]
            + [0, 80, 1, 0]
        guard case .header(let header) = look(v2(family: 0x21, addresses: addresses)) else {
            Issue.record("no header")
            return
        }
        #expect(header.endpoints?.client.description == "[2001:db8::1]:80")
        #expect(header.endpoints?.destination.description == "[::2]:256")
    }

    @Test func whoSpeaksForItselfNamesNobody() {
        for bytes in [
            v2(command: 0x20, family: 0, addresses: []), v2(command: 0x20, addresses: Self.addressesV4),
            Array("PROXY UNKNOWN\r\n".utf8), Array("PROXY UNKNOWN a b c d\r\n".utf8),
        ] {
            guard case .header(let header) = look(bytes) else {
                Issue.record("no header in \(bytes)")
                continue
            }
            #expect(header.endpoints == nil)
            #expect(header.length == bytes.count)
        }
    }

    @Test func everyPartWaitsForMore() {
        for bytes in [
            Array("PROXY TCP6 2001:db8::1 ::2 1 2\r\n".utf8),
            v2(addresses: Self.addressesV4, extensions: [2, 0, 1, 0x61]),
        ] {
            for count in bytes.indices { #expect(look(Array(bytes[..<count])) == .needMore, "\(count) bytes") }
        }
    }

    @Test func otherBytesAreNoHeader() {
        for text in ["GET / HTTP/1.1\r\n", "PROXYTCP4", "\r\n\r\n\r\n", "P\r\n", "\u{16}\u{3}"] {
            #expect(look(Array(text.utf8)) == .absent, "\(text)")
        }
    }

    @Test(arguments: [
        "PROXY TCP4 192.0.2.1 198.51.100.7 1\r\n", "PROXY TCP4 192.0.2.1 198.51.100.7 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 1 -2\r\n", "PROXY TCP4 192.0.2.1 198.51.100.7 1 +2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7  1 2\r\n", "PROXY TCP4 ::1 ::2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.7 1 2\r\n", "PROXY TCP4 0.0.0.0 198.51.100.7 1 2\r\n",
        "PROXY TCP4 192.0.2.1 224.0.0.1 1 2\r\n", "PROXY TCP6 ff02::1 ::2 1 2\r\n",
        "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY \r\n", "PROXY TCP4 192.0.2.1 198.51.100.7 1 2\n",
    ])
    func linesThatBreakTheFormat(_ text: String) {
        guard case .malformed(.v1, _) = look(Array(text.utf8)) else {
            Issue.record("\(look(Array(text.utf8)))")
            return
        }
    }

    @Test func aLineHasAnEnd() {
        let text = Array(("PROXY UNKNOWN " + String(repeating: "a", count: 200)).utf8)
        #expect(look(Array(text.prefix(ProxyProtocolHeader.maxLengthV1 - 1))) == .needMore)
        guard case .malformed(.v1, _) = look(text) else {
            Issue.record("waits on")
            return
        }
    }

    @Test func binaryHeadersThatBreakTheFormat() {
        for bytes in [
            v2(command: 0x11, addresses: Self.addressesV4), v2(command: 0x2f, addresses: Self.addressesV4),
            v2(family: 0x10, addresses: Self.addressesV4), v2(family: 0x31, addresses: Self.addressesV4),
            v2(family: 0x01, addresses: Self.addressesV4), v2(addresses: Self.addressesV4, length: 11),
            v2(family: 0x21, addresses: Self.addressesV4), v2(addresses: [UInt8](repeating: 0, count: 12)),
        ] {
            guard case .malformed(.v2, _) = look(bytes) else {
                Issue.record("\(look(bytes)) of \(bytes)")
                continue
            }
        }
    }

    @Test func extensionsMayBeCutOff() {
        for extensions: [UInt8] in [[2], [2, 0], [2, 0, 1], [2, 0, 0, 3, 1, 0]] {
            let bytes = v2(addresses: Self.addressesV4, extensions: extensions)
            guard case .header(let header) = look(bytes) else {
                Issue.record("no header")
                continue
            }
            let isWhole = bytes.withUnsafeBytes { header.forEachExtension(in: ByteView($0)) { _, _ in } }
            #expect(!isWhole, "\(extensions)")
        }
    }
}
