// IP addresses, prefixes and socket addresses: text both ways, matches.
import Reactor
import Testing

@Suite struct AddressTests {
    @Test func parsesAndPrintsAddresses() {
        #expect(SocketAddress(parsing: "1.2.3.4", port: 80)?.description == "1.2.3.4:80")
        #expect(SocketAddress(parsing: "::1", port: 80)?.description == "[::1]:80")
        #expect(SocketAddress(parsing: "[2001:DB8:0:0::1]", port: 8080)?.description == "[2001:db8::1]:8080")
        #expect(SocketAddress(parsing: "fe80::1%7", port: 1)?.description == "[fe80::1%7]:1")
        #expect(SocketAddress(parsing: "fe80::1%no-such-interface", port: 1) == nil)
        for bad in ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", "host", "1.2.3.4\0", ":::", "[::1", "01.2.3.4"] {
            #expect(SocketAddress(parsing: bad, port: 1) == nil, "\(bad)")
        }
        #expect(SocketAddress.unix(path: "/run/x.sock").description == "/run/x.sock")
        #expect(IPAddress("::ffff:10.0.0.1") == .v6(IPv6Address(high: 0, low: 0xffff_0a00_0001)))
        #expect(IPAddress("10.1.2.3")?.bytes == [10, 1, 2, 3])
        #expect(IPAddress("::1:2")?.bytes.suffix(4) == [0, 1, 0, 2])
    }

    @Test func parsesAddressesWithTheirPort() {
        for text in ["1.2.3.4:80", "[2001:db8::1]:8080", "0.0.0.0:0", "[::ffff:10.0.0.1]:65535"] {
            #expect(SocketAddress(text)?.description == text)
        }
        for bad in [
            "", ":", ":80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4:8o", "[::1]",
            "::1:80", "[1.2.3.4]:80", "[::1:80", "::1]:80", "host:80", "1.2.3.4:80,5.6.7.8:80", " 1.2.3.4:80", "[]:1",
        ] {
            #expect(SocketAddress(bad) == nil, "\(bad)")
        }
    }

    @Test func knowsItsOwnMachine() throws {
        for text in ["127.0.0.1", "127.1.2.3", "::1"] {
            #expect(InterfaceAddresses.contain(try #require(IPAddress(text))), "\(text)")
        }
        #expect(InterfaceAddresses.contain(InterfaceAddresses.first(v6: false)))
        #expect(!InterfaceAddresses.contain(try #require(IPAddress("192.0.2.1"))))
    }

    @Test func knowsLoopbackAndPrivateRanges() {
        for text in ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"] {
            #expect(IPAddress(text)?.isLoopback == true, "\(text)")
        }
        for text in ["128.0.0.1", "::2", "10.0.0.1"] { #expect(IPAddress(text)?.isLoopback == false, "\(text)") }
        for text in ["10.1.1.1", "172.16.0.1", "172.31.255.255", "192.168.3.4", "fc00::1", "fd12::1", "127.0.0.1"] {
            #expect(IPAddress(text)?.isPrivateOrLoopback == true, "\(text)")
        }
        for text in ["11.0.0.1", "172.32.0.1", "192.169.0.1", "fe00::1", "2001::1"] {
            #expect(IPAddress(text)?.isPrivateOrLoopback == false, "\(text)")
        }
        #expect(IPAddress("0.0.0.0")?.isAny == true && IPAddress("::")?.isAny == true)
    }

    @Test func prefixesMatch() throws {
        let ten = try #require(CIDRRange("10.1.2.3/8"))
        #expect(ten.description == "10.0.0.0/8")
        #expect(ten.contains(try #require(IPAddress("10.255.0.1"))))
        #expect(!ten.contains(try #require(IPAddress("11.0.0.1"))))
        #expect(ten.contains(try #require(IPAddress("::ffff:10.0.0.1"))))
        #expect(!ten.contains(try #require(IPAddress("::10.0.0.1"))))
        let all = try #require(CIDRRange("0.0.0.0/0"))
        #expect(all.contains(try #require(IPAddress("255.255.255.255"))))
        let one = try #require(CIDRRange("192.0.2.1"))
        #expect(one.length == 32)
        #expect(!one.contains(try #require(IPAddress("192.0.2.0"))))
        let six = try #require(CIDRRange("2001:db8:1:2:3::/72"))
        #expect(six.contains(try #require(IPAddress("2001:db8:1:2:0:ff::1"))))
        #expect(!six.contains(try #require(IPAddress("2001:db8:1:2:100::1"))))
        #expect(try #require(CIDRRange("::/0")).contains(try #require(IPAddress("ffff::1"))))
        for bad in ["10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/", "/8", "10.0.0.0/8/8", "x/8", "10.0.0.0/+8"] {
            #expect(CIDRRange(bad) == nil, "\(bad)")
        }
        #expect(CIDRRange(.v4(.loopback), length: 99).length == 32)
    }

    @Test func systemErrorsReadWell() {
        let error = SystemError("bind", code: 98, subject: "127.0.0.1:80")
        #expect(error.description == "bind 127.0.0.1:80: Address already in use")
    }
}
