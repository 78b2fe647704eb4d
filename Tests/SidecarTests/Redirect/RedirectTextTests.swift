// The rules in the words of each tool, and what is refused.
import Reactor
import Testing

@testable import Sidecar

@Suite struct RedirectTextTests {
    private func rules(_ fill: (inout RedirectRules) -> Void = { _ in }) -> RedirectRules {
        var rules = RedirectRules()
        rules.inbound = 15006
        rules.outbound = 15001
        rules.excludedUsers = [IDRange(1337)]
        fill(&rules)
        return rules
    }

    private func parts(_ rules: RedirectRules, _ backend: RedirectBackend) -> [RedirectPart] {
        RedirectReader.blank(backend, rules: rules)
    }

    @Test func oneTableForNft() {
        let part = parts(rules(), .nft)[0]
        #expect(part.command == "nft -f -")
        #expect(
            part.change == """
                table inet outrider
                delete table inet outrider
                table inet outrider {
                \tchain inbound {
                \t\ttype nat hook prerouting priority -100; policy accept;
                \t\tmeta l4proto != tcp return
                \t\tiifname "lo" return
                \t\tfib daddr type != local return
                \t\ttcp dport 53 return
                \t\tmeta l4proto tcp redirect to :15006
                \t}
                \tchain outbound {
                \t\ttype nat hook output priority -100; policy accept;
                \t\tmeta l4proto != tcp return
                \t\tfib daddr type local return
                \t\tmeta skuid 1337 return
                \t\ttcp dport 53 return
                \t\tmeta l4proto tcp redirect to :15001
                \t}
                }

                """)
        #expect(part.revert == "table inet outrider\ndelete table inet outrider\n")
    }

    @Test func chainsOfTheirOwnForIptables() {
        let parts = parts(rules(), .iptables)
        #expect(parts.map(\.tool) == ["iptables-restore", "ip6tables-restore"])
        #expect(parts[0].change == parts[1].change)
        #expect(
            parts[0].change == """
                *nat
                :OUTRIDER_INBOUND - [0:0]
                :OUTRIDER_OUTBOUND - [0:0]
                -A OUTRIDER_INBOUND -i lo -j RETURN
                -A OUTRIDER_INBOUND -m addrtype ! --dst-type LOCAL -j RETURN
                -A OUTRIDER_INBOUND -p tcp -m tcp --dport 53 -j RETURN
                -A OUTRIDER_INBOUND -p tcp -j REDIRECT --to-ports 15006
                -A OUTRIDER_OUTBOUND -m addrtype --dst-type LOCAL -j RETURN
                -A OUTRIDER_OUTBOUND -m owner --uid-owner 1337 -j RETURN
                -A OUTRIDER_OUTBOUND -p tcp -m tcp --dport 53 -j RETURN
                -A OUTRIDER_OUTBOUND -p tcp -j REDIRECT --to-ports 15001
                -A PREROUTING -p tcp -j OUTRIDER_INBOUND
                -A OUTPUT -p tcp -j OUTRIDER_OUTBOUND
                COMMIT

                """)
        #expect(
            parts[0].revert == """
                *nat
                -D PREROUTING -p tcp -j OUTRIDER_INBOUND
                -D OUTPUT -p tcp -j OUTRIDER_OUTBOUND
                -F OUTRIDER_INBOUND
                -F OUTRIDER_OUTBOUND
                -X OUTRIDER_INBOUND
                -X OUTRIDER_OUTBOUND
                COMMIT

                """)
        let variants: [(RedirectBackend, String)] = [(.iptablesLegacy, "-legacy"), (.iptablesNft, "-nft")]
        for (backend, suffix) in variants {
            #expect(
                self.parts(rules(), backend).map(\.tool) == [
                    "iptables\(suffix)-restore", "ip6tables\(suffix)-restore",
                ])
        }
    }

    /// Everything that can be excluded, in both languages.
    private var exclusions: RedirectRules {
        rules {
            $0.inboundPorts = [PortRange(80), PortRange("8000-8010")].compactMap { $0 }
            $0.excludedInboundPorts = [PortRange(22)]
            $0.excludedSources = ["10.0.0.0/8", "fd00::/8", "192.0.2.7"].compactMap { CIDRRange($0) }
            $0.outboundPorts = [PortRange(443)]
            $0.excludedOutboundPorts = [PortRange(25)]
            $0.excludedDestinations = ["169.254.169.254", "2001:db8::1", "0.0.0.0/0"].compactMap { CIDRRange($0) }
            $0.excludedUsers = [IDRange(7), IDRange("2000-3000")].compactMap { $0 }
            $0.excludedGroups = [IDRange(8)]
            $0.excludedCgroups = ["system.slice/db.service"]
            $0.proxyMark = 0x539
        }
    }

    @Test func exclusionsForNft() {
        let lines = parts(exclusions, .nft)[0].wanted
        for rule in [
            "tcp dport 22 return", "ip saddr 10.0.0.0/8 return", "ip6 saddr fd00::/8 return",
            "ip saddr 192.0.2.7 return", "tcp dport 80 redirect to :15006", "tcp dport 8000-8010 redirect to :15006",
            "meta skuid 7 return", "meta skuid 2000-3000 return", "meta skgid 8 return",
            "socket cgroupv2 level 2 \"system.slice/db.service\" return", "meta mark 0x00000539 return",
            "tcp dport 25 return", "ip daddr 169.254.169.254 return", "ip6 daddr 2001:db8::1 return",
            "ip daddr 0.0.0.0/0 return", "tcp dport 443 redirect to :15001",
        ] {
            #expect(lines.contains(rule), "\(rule)")
        }
        #expect(!lines.contains("meta l4proto tcp redirect to :15001"))
    }

    @Test func exclusionsForIptables() {
        let parts = parts(exclusions, .iptables)
        for rule in [
            "INBOUND -p tcp -m tcp --dport 22 -j RETURN",
            "INBOUND -p tcp -m tcp --dport 8000:8010 -j REDIRECT --to-ports 15006",
            "OUTBOUND -m owner --uid-owner 2000-3000 -j RETURN", "OUTBOUND -m owner --gid-owner 8 -j RETURN",
            "OUTBOUND -m cgroup --path system.slice/db.service -j RETURN", "OUTBOUND -m mark --mark 0x539 -j RETURN",
            "OUTBOUND -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 15001",
        ] {
            for part in parts { #expect(part.wanted.contains("nat -A OUTRIDER_\(rule)"), "\(part.tool) \(rule)") }
        }
        let v4 = [
            "INBOUND -s 10.0.0.0/8", "INBOUND -s 192.0.2.7/32", "OUTBOUND -d 169.254.169.254/32", "OUTBOUND",
        ]
        let v6 = ["INBOUND -s fd00::/8", "OUTBOUND -d 2001:db8::1/128"]
        for (mine, others, part) in [(v4, v6, parts[0]), (v6, v4, parts[1])] {
            for rule in mine { #expect(part.wanted.contains("nat -A OUTRIDER_\(rule) -j RETURN")) }
            for rule in others { #expect(!part.wanted.contains("nat -A OUTRIDER_\(rule) -j RETURN")) }
        }
    }

    @Test func transparentProxying() {
        let rules = rules { $0.inboundMode = .tproxy }
        let nft = parts(rules, .nft)
        for line in [
            "type filter hook prerouting priority -150; policy accept;", "ct state != new return",
            "meta l4proto tcp tproxy to :15006", "type route hook output priority -150; policy accept;",
            "meta mark 0x0000053a ct mark set 0x0000053a", "ct mark 0x0000053a meta mark set 0x0000053a",
        ] {
            #expect(nft[0].wanted.contains(line), "\(line)")
        }
        let routes = nft.dropFirst().map { "\($0.command): \($0.change)" }
        #expect(
            routes
                == [4, 6].flatMap { family in
                    [
                        "ip -\(family) -batch -: route add local default dev lo table 1338\n",
                        "ip -\(family) -batch -: rule add fwmark 0x53a lookup 1338\n",
                    ]
                })
        let iptables = parts(rules, .iptables)
        #expect(iptables.prefix(4).map { $0.change.prefix(5) } == ["*nat\n", "*mang", "*nat\n", "*mang"])
        #expect(
            iptables[3].wanted.contains(
                "mangle -A OUTRIDER_INBOUND -p tcp -j TPROXY --on-port 15006 --on-ip :: --tproxy-mark 0x0/0x0"))
    }

    @Test func withoutIPv6() {
        let rules = rules {
            $0.ipv6 = false
            $0.inboundMode = .tproxy
        }
        let nft = parts(rules, .nft)
        #expect(nft[0].wanted.count { $0 == "meta nfproto ipv6 return" } == 2)
        #expect(nft.dropFirst().allSatisfy { $0.arguments.first == "-4" })
        #expect(!parts(rules, .iptables).contains { $0.tool.hasPrefix("ip6") })
    }

    @Test func refusals() {
        func refused(_ part: String, _ fill: (inout RedirectRules) -> Void) {
            var rules = rules()
            fill(&rules)
            do throws(RedirectRules.Refusal) {
                try rules.check()
                Issue.record("accepted: \(part)")
            } catch {
                #expect(error.description.contains(part), "\(error)")
            }
        }
        #expect(throws: Never.self) { try rules().check() }
        refused("nothing to redirect") { ($0.inbound, $0.outbound) = (nil, nil) }
        refused("port 0") { $0.inbound = 0 }
        refused("the same port") { $0.inbound = $0.outbound }
        refused("come back to it") { $0.excludedUsers = [] }
        refused("needs --inbound") { ($0.inbound, $0.inboundMode) = (nil, .tproxy) }
        refused("a mark of 0") { $0.proxyMark = 0 }
        refused("are the same, 1338") { ($0.inboundMode, $0.proxyMark) = (.tproxy, 1338) }
        for path in ["", "/a", "a/", "a//b", "a/../b", "a b", "a\"b", "a\nb"] {
            refused("cgroup '\(path)'") { $0.excludedCgroups = [path] }
        }
    }

    @Test func ranges() {
        #expect(PortRange("80")?.description == "80")
        #expect(PortRange("8000-8010")?.text(":") == "8000:8010")
        for text in ["", "-", "80-", "-80", "9-8", "65536", "1-65536", "+1", "0x10", "1-2-3", " 1", "é"] {
            #expect(PortRange(text) == nil, "\(text)")
        }
    }
}
