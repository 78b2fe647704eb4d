// Envoy's default tag patterns, in the order in which it tries them.

/// The default tags of Envoy 1.40 for what a sidecar has. Patterns that are regular expressions in Envoy are matched by
/// hand here; each comment gives the expression.
enum DefaultTags {
    static let all = matched + tokenized + [endpointAddress]

    /// `cluster.<name>.endpoint.<address>.<word>`: Envoy gives these stats their tags without looking at a name.
    private static let endpointAddress = TagPattern(
        name: "envoy.endpoint_address", firstToken: "cluster",
        rule: .spelled { name in
            let last = name.tokens.count - 1
            guard last >= 4, name.hasToken(2, "endpoint") else { return nil }
            let address = name.tokens[3].lowerBound..<name.tokens[last - 1].upperBound
            return (addressText(name.text(address)), address.lowerBound..<address.upperBound + 1)
        })

    private static let matched: [TagPattern] = [
        // _rq(_(\d{3}))$
        TagPattern("envoy.response_code") { responseCode($0) },
        // _rq_((\d))xx$
        TagPattern("envoy.response_code_class") { responseCodeClass($0) },
        // ^listener\..*?\.ssl\.ciphers(\.([\w-]+))$
        TagPattern("envoy.ssl_cipher", in: "listener") { name in
            sslWord(name, "ciphers")
        },
        // ^(?:listener|cluster)\..*?\.ssl\.curves(\.([\w-]+))$
        TagPattern("envoy.ssl_curve") { isListenerOrCluster($0) ? sslWord($0, "curves") : nil },
        TagPattern("envoy.ssl_sigalg") { isListenerOrCluster($0) ? sslWord($0, "sigalgs") : nil },
        // ^(?:listener|cluster)\..*?\.ssl\.versions(\.(TLSv\d\.\d))$
        TagPattern("envoy.ssl_version") { isListenerOrCluster($0) ? sslVersion($0) : nil },
        // ^(?:listener|cluster)\..*?\.ssl\.certificate\.(([^.]+)\.).*$
        TagPattern("envoy.tls_certificate") { isListenerOrCluster($0) ? sslCertificate($0) : nil },
        // ^cluster\.[^.]+\.ssl\.ciphers(\.([\w-]+))$
        TagPattern("cipher_suite", in: "cluster") { $0.tokens.count == 5 ? sslWord($0, "ciphers") : nil },
        // ^cluster\.[^.]+\.health_check(\.name\.([^.]+))\..+
        TagPattern("envoy.health_check_name", in: "cluster") { healthCheckName($0) },
        // ^listener\..*?\.http\.(([^.]+)\.)
        TagPattern("envoy.http_conn_manager_prefix", in: "listener") { listenerHTTPPrefix($0) },
        // ^(?:listener\.(?:ADDRESS|[^.]+)|server|listener_manager|thread_local_cluster_manager)\.worker_((\d+)\.)
        TagPattern("envoy.worker_id") { workerID($0) },
        // ^listener\.((ADDRESS|[^.]+)\.), but not "admin"
        TagPattern("envoy.listener_address", in: "listener") { listenerAddress($0) },
        // ^http\.[^.]+\.rds\.(([\w-.]+)\.)\w+?$
        TagPattern("envoy.rds_route_config", in: "http") { routeConfiguration($0, "rds") },
        TagPattern("envoy.scoped_rds_config", in: "http") { routeConfiguration($0, "scoped_rds") },
        // ^http\.[^.]+\.rbac\.(?:[^.]+\.)?policy\.(([^.]+)\.)(allowed|shadow_allowed|denied|shadow_denied)$
        TagPattern("envoy.rbac_policy_name", in: "http") { rbacPolicy($0) },
        // ^http\.[^.]+\.rbac\.(([^.]+)\.).*?
        TagPattern("envoy.rbac_http_prefix", in: "http") { rbacPrefix($0) },
        // ^sds\.(([^.]+)\.).+
        TagPattern("envoy.xds_resource_name", in: "sds") { resourceName($0) },
        // ^proxy_proto\.(([^.]+)\.).+$, but not "versions"
        TagPattern("envoy.proxy_protocol_prefix", in: "proxy_proto") { name in
            name.hasToken(1, "versions") ? nil : resourceName(name)
        },
        // ^proxy_proto\.((?:[^.]+\.)?versions\.v(\d)\.)\w+$
        TagPattern("envoy.proxy_protocol_version", in: "proxy_proto") { proxyProtocolVersion($0) },
    ]

    private static let tokenized: [TagPattern] = [
        TagPattern("envoy.grpc_bridge_method", .literal("cluster"), .one, .literal("grpc"), .one, .value, .some),
        TagPattern("envoy.http_user_agent", .literal("http"), .one, .literal("user_agent"), .value, .some),
        TagPattern("envoy.virtual_cluster", .literal("vhost"), .one, .literal("vcluster"), .value, .some),
        TagPattern("envoy.fault_downstream_cluster", .literal("http"), .one, .literal("fault"), .value, .some),
        TagPattern("envoy.grpc_bridge_service", .literal("cluster"), .one, .literal("grpc"), .value, .some),
        TagPattern("envoy.tcp_prefix", .literal("tcp"), .value, .some),
        TagPattern("envoy.udp_prefix", .literal("udp"), .value, .some),
        TagPattern("envoy.ratelimit_prefix", .literal("ratelimit"), .value, .some),
        TagPattern("envoy.cluster_name", .literal("cluster"), .value, .some),
        TagPattern("envoy.ext_authz_prefix", .literal("cluster"), .one, .literal("ext_authz"), .value, .some),
        TagPattern("envoy.ext_authz_prefix", .literal("http"), .one, .literal("ext_authz"), .value, .some),
        TagPattern("envoy.http_conn_manager_prefix", .literal("http"), .value, .some),
        TagPattern("envoy.virtual_host", .literal("vhost"), .value, .some),
        TagPattern("envoy.route", .literal("vhost"), .one, .literal("route"), .value, .some),
        TagPattern("envoy.local_http_ratelimit_prefix", .value, .literal("http_local_rate_limit"), .some),
        TagPattern("envoy.local_network_ratelimit_prefix", .literal("local_rate_limit"), .value, .some),
        TagPattern("envoy.local_listener_ratelimit_prefix", .literal("listener_local_ratelimit"), .value, .some),
        TagPattern("envoy.dns_filter_prefix", .literal("dns_filter"), .value, .some),
        TagPattern("envoy.connection_limit_prefix", .literal("connection_limit"), .value, .some),
    ]

    // MARK: Matchers

    private static func responseCode(_ name: TokenizedName) -> TagMatch? {
        let end = name.bytes.count
        guard end >= 7, name.bytes[(end - 7)...].starts(with: "_rq_".utf8), name.bytes[(end - 3)...].allSatisfy(isDigit)
        else { return nil }
        return TagMatch(removed: end - 4..<end, value: end - 3..<end)
    }

    private static func responseCodeClass(_ name: TokenizedName) -> TagMatch? {
        let end = name.bytes.count
        guard end >= 7, name.bytes[(end - 7)...].starts(with: "_rq_".utf8), isDigit(name.bytes[end - 3]),
            name.bytes[(end - 2)...].elementsEqual("xx".utf8)
        else { return nil }
        return TagMatch(removed: end - 3..<end - 2, value: end - 3..<end - 2)
    }

    private static func isListenerOrCluster(_ name: TokenizedName) -> Bool {
        name.hasToken(0, "listener") || name.hasToken(0, "cluster")
    }

    /// `<...>.ssl.<group>.<word>` at the end.
    private static func sslWord(_ name: TokenizedName, _ group: StaticString) -> TagMatch? {
        let last = name.tokens.count - 1
        guard last >= 4, name.hasToken(last - 1, group), name.hasToken(last - 2, "ssl") else { return nil }
        let range = name.tokens[last]
        guard !range.isEmpty, name.bytes[range].allSatisfy({ isWord($0) || $0 == UInt8(ascii: "-") }) else {
            return nil
        }
        return TagMatch(removed: range.lowerBound - 1..<range.upperBound, value: range)
    }

    /// `<...>.ssl.versions.TLSv1.3` at the end: the version has a dot in it.
    private static func sslVersion(_ name: TokenizedName) -> TagMatch? {
        let last = name.tokens.count - 1
        guard last >= 5, name.hasToken(last - 2, "versions"), name.hasToken(last - 3, "ssl") else { return nil }
        let range = name.tokens[last - 1].lowerBound..<name.tokens[last].upperBound
        let version = name.bytes[range]
        guard version.count == 7, version.starts(with: "TLSv".utf8), isDigit(version[version.startIndex + 4]),
            isDigit(version[version.startIndex + 6])
        else { return nil }
        return TagMatch(removed: range.lowerBound - 1..<range.upperBound, value: range)
    }

    private static func sslCertificate(_ name: TokenizedName) -> TagMatch? {
        for index in name.tokens.indices.dropFirst(3) where name.hasToken(index, "certificate") {
            guard name.hasToken(index - 1, "ssl"), index + 2 < name.tokens.count, !name.tokens[index + 1].isEmpty else {
                continue
            }
            return TagMatch(removed: name.withDot(index + 1), value: name.tokens[index + 1])
        }
        return nil
    }

    private static func listenerHTTPPrefix(_ name: TokenizedName) -> TagMatch? {
        for index in name.tokens.indices.dropFirst(2) where name.hasToken(index, "http") {
            guard index + 2 < name.tokens.count, !name.tokens[index + 1].isEmpty else { continue }
            return TagMatch(removed: name.withDot(index + 1), value: name.tokens[index + 1])
        }
        return nil
    }

    private static func workerID(_ name: TokenizedName) -> TagMatch? {
        let places: [Int]
        if name.hasToken(0, "listener") {
            places = isIPv4Address(name, from: 1) ? [5, 2] : [2]
        } else if name.hasToken(0, "server") || name.hasToken(0, "listener_manager")
            || name.hasToken(0, "thread_local_cluster_manager")
        {
            places = [1]
        } else {
            return nil
        }
        for place in places where place + 1 < name.tokens.count {
            let range = name.tokens[place]
            let digits = name.bytes[range].dropFirst(7)
            guard name.bytes[range].starts(with: "worker_".utf8), !digits.isEmpty, digits.allSatisfy(isDigit) else {
                continue
            }
            let value = range.lowerBound + 7..<range.upperBound
            return TagMatch(removed: value.lowerBound..<value.upperBound + 1, value: value)
        }
        return nil
    }

    private static func listenerAddress(_ name: TokenizedName) -> TagMatch? {
        let last = isIPv4Address(name, from: 1) ? 4 : 1
        guard last + 1 < name.tokens.count, !name.tokens[1].isEmpty, !name.hasToken(1, "admin") else { return nil }
        let value = name.tokens[1].lowerBound..<name.tokens[last].upperBound
        return TagMatch(removed: value.lowerBound..<value.upperBound + 1, value: value)
    }

    /// Whether four tokens from `start` are `10.0.0.1_80` and more follow.
    private static func isIPv4Address(_ name: TokenizedName, from start: Int) -> Bool {
        guard start + 4 < name.tokens.count else { return false }
        for offset in 0..<3 {
            let part = name.bytes[name.tokens[start + offset]]
            guard (1...3).contains(part.count), part.allSatisfy(isDigit) else { return false }
        }
        let parts = name.bytes[name.tokens[start + 3]]
            .split(separator: UInt8(ascii: "_"), maxSplits: 1, omittingEmptySubsequences: false)
        return parts.count == 2 && (1...3).contains(parts[0].count) && parts[0].allSatisfy(isDigit)
            && !parts[1].isEmpty && parts[1].allSatisfy(isDigit)
    }

    /// `http.<prefix>.<group>.<name, dots allowed>.<word>`
    private static func routeConfiguration(_ name: TokenizedName, _ group: StaticString) -> TagMatch? {
        let last = name.tokens.count - 1
        guard last >= 4, name.hasToken(2, group), !name.tokens[1].isEmpty, !name.tokens[last].isEmpty,
            name.bytes[name.tokens[last]].allSatisfy(isWord)
        else { return nil }
        let value = name.tokens[3].lowerBound..<name.tokens[last - 1].upperBound
        let isName = name.bytes[value].allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
        guard !value.isEmpty, isName else { return nil }
        return TagMatch(removed: value.lowerBound..<value.upperBound + 1, value: value)
    }

    private static func healthCheckName(_ name: TokenizedName) -> TagMatch? {
        guard name.tokens.count > 5, name.hasToken(2, "health_check"), name.hasToken(3, "name"),
            !name.tokens[1].isEmpty,
            !name.tokens[4].isEmpty
        else { return nil }
        return TagMatch(removed: name.tokens[3].lowerBound - 1..<name.tokens[4].upperBound, value: name.tokens[4])
    }

    private static func rbacPolicy(_ name: TokenizedName) -> TagMatch? {
        let last = name.tokens.count - 1
        guard last == 5 || last == 6, name.hasToken(2, "rbac"), name.hasToken(last - 2, "policy"),
            !name.tokens[last - 1].isEmpty,
            ["allowed", "shadow_allowed", "denied", "shadow_denied"].contains(where: { name.hasToken(last, $0) })
        else { return nil }
        return TagMatch(removed: name.withDot(last - 1), value: name.tokens[last - 1])
    }

    private static func rbacPrefix(_ name: TokenizedName) -> TagMatch? {
        guard name.tokens.count > 4, name.hasToken(2, "rbac"), !name.tokens[1].isEmpty, !name.tokens[3].isEmpty else {
            return nil
        }
        return TagMatch(removed: name.withDot(3), value: name.tokens[3])
    }

    /// The colons of an address, which are `_` in a stat's name. The path of a socket keeps its own.
    private static func addressText(_ text: String) -> String {
        let isIP = text.utf8.first == UInt8(ascii: "[") || text.utf8.first.map(isDigit) == true
        return isIP ? String(text.map { $0 == "_" ? ":" : $0 }) : text
    }

    private static func resourceName(_ name: TokenizedName) -> TagMatch? {
        guard name.tokens.count > 2, !name.tokens[1].isEmpty else { return nil }
        return TagMatch(removed: name.withDot(1), value: name.tokens[1])
    }

    private static func proxyProtocolVersion(_ name: TokenizedName) -> TagMatch? {
        let last = name.tokens.count - 1
        guard last == 3 || last == 4, name.hasToken(last - 2, "versions") else { return nil }
        let version = name.tokens[last - 1]
        guard version.count == 2, name.bytes[version.lowerBound] == UInt8(ascii: "v"),
            isDigit(name.bytes[version.lowerBound + 1])
        else { return nil }
        return TagMatch(
            removed: name.tokens[1].lowerBound..<version.upperBound + 1,
            value: version.lowerBound + 1..<version.upperBound)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    private static func isWord(_ byte: UInt8) -> Bool {
        isDigit(byte) || (byte | 0x20) &- UInt8(ascii: "a") < 26 || byte == UInt8(ascii: "_")
    }
}
