// Listeners and their filter chains.
import DataPlane
import EnvoyAPI
import Reactor
import SwiftProtobuf

struct ListenerSpecBuilder {
    let context: SpecContext

    /// All listeners, with the checks that need to see them together.
    func listeners(_ listeners: [API.Listener], _ path: FieldPath) -> [ListenerSpec] {
        let specs = listeners.enumerated().map { listener($1, path[$0]) }
        var names: [String: FieldPath] = [:]
        var addresses: [SocketAddress: String] = [:]
        for (index, spec) in specs.enumerated() {
            guard let spec else { continue }
            if let first = names[spec.name] {
                context.duplicate(
                    path[index].field("name"),
                    "\(quotedForMessage(spec.name)) is the name of another listener (\(context.place(of: first)))")
            }
            names[spec.name] = names[spec.name] ?? path[index]
            guard spec.bindToPort else { continue }
            for (number, listen) in spec.addresses.enumerated() where listen.address.isUnix || listen.address.port != 0
            {
                if let first = addresses[listen.address] {
                    let place =
                        number == 0
                        ? path[index].field("address") : path[index].field("additional_addresses")[number - 1]
                    context.duplicate(
                        place, "\(listen.address) is already the address of listener \(quotedForMessage(first))")
                }
                addresses[listen.address] = addresses[listen.address] ?? spec.name
            }
        }
        let found = specs.compactMap { $0 }
        if let index = specs.firstIndex(where: { $0?.bindToPort == false }), !found.contains(where: \.handsOnRedirected)
        {
            context.report.warn(
                path: path[index].field("bind_to_port"),
                "no listener has use_original_dst, so that nothing is handed on to a listener without a port")
        }
        return found
    }

    /// One listener.
    func listener(_ listener: API.Listener, _ path: FieldPath) -> ListenerSpec? {
        let chains = path.field("filter_chains")
        let addresses = addresses(listener, path)
        // As Envoy shows a listener without a name.
        let name = listener.name.isEmpty ? addresses.first?.address.description ?? "" : listener.name
        let filterChains = listener.filterChains.enumerated().compactMap { chain($1, chains[$0], of: name) }
        checkOverlaps(listener.filterChains, chains)
        var defaultChain: FilterChainSpec?
        if listener.hasDefaultFilterChain {
            let place = path.field("default_filter_chain")
            if listener.defaultFilterChain.hasFilterChainMatch {
                context.bad(
                    place.field("filter_chain_match"),
                    "the default chain takes what no other matches, it cannot match itself")
            }
            defaultChain = chain(listener.defaultFilterChain, place, of: name, isDefault: true)
        } else if listener.filterChains.isEmpty {
            context.missing(chains, "a listener needs at least one filter chain")
        }
        let accessLogs = AccessLogSpecBuilder(context: context).logs(listener.accessLog, path.field("access_log"))
        guard !addresses.isEmpty else { return nil }

        var spec = ListenerSpec(name: name, addresses: addresses)
        spec.identity = identity(listener)
        spec.statPrefix = listener.statPrefix
        spec.filterChains = filterChains
        spec.defaultFilterChain = defaultChain
        if listener.hasPerConnectionBufferLimitBytes {
            spec.perConnectionBufferLimit = Int(listener.perConnectionBufferLimitBytes.value)
        }
        if listener.hasTcpBacklogSize { spec.tcpBacklogSize = Int(listener.tcpBacklogSize.value) }
        spec.enableReusePort = listener.hasEnableReusePort ? listener.enableReusePort.value : true
        if listener.hasBindToPort {
            spec.bindToPort = listener.bindToPort.value
        } else if listener.hasDeprecatedV1, listener.deprecatedV1.hasBindToPort {
            spec.bindToPort = listener.deprecatedV1.bindToPort.value
        }
        spec.handsOnRedirected = listener.useOriginalDst.value
        spec.filters = ListenerFilterSpecBuilder(context: context).filters(
            listener.listenerFilters, for: filterChains.map(\.match), handsOn: spec.handsOnRedirected,
            path.field("listener_filters"))
        spec.serverFirst.asksServers = context.isOn(.askServersThatSpeakFirst)
        spec.serverFirst.ports = context.ports(.serverFirst)
        spec.connectionLimit = connectionLimit(of: spec.name)
        spec.listenerFiltersTimeout = context.timeout(
            listener.listenerFiltersTimeout, isSet: listener.hasListenerFiltersTimeout, default: .seconds(15))
        spec.continueOnListenerFiltersTimeout = listener.continueOnListenerFiltersTimeout
        spec.bypassesOverload = listener.bypassOverloadManager
        spec.ignoresGlobalLimit = listener.ignoreGlobalConnLimit
        spec.accessLogs = accessLogs
        if listener.hasMetadata { spec.metadata = context.metadata(listener.metadata, of: .listener) }
        spec.drainType = listener.drainType == .modifyOnly ? .modifyOnly : .default
        switch listener.trafficDirection {
        case .inbound: spec.direction = .inbound
        case .outbound: spec.direction = .outbound
        default: spec.direction = .unspecified
        }
        if listener.hasMaxConnectionsToAcceptPerSocketEvent {
            spec.maxConnectionsPerSocketEvent = Int(listener.maxConnectionsToAcceptPerSocketEvent.value)
        }
        return spec
    }

    /// The runtime key that limits a listener's connections.
    private func connectionLimit(of name: String) -> Int? {
        let key = "envoy.resource_limits.listener.\(name).connection_limit"
        let limit = context.number(-1, runtimeKey: key)
        return limit < 0 ? nil : Int(exactly: limit.rounded())
    }

    /// What tells one listener from another but for the filter chains.
    private func identity(_ listener: API.Listener) -> ContentDigest? {
        var rest = listener
        rest.filterChains = []
        rest.clearDefaultFilterChain()
        return ContentDigest(of: rest)
    }

    private func addresses(_ listener: API.Listener, _ path: FieldPath) -> [ListenAddress] {
        var options = SocketOptions()
        options.transparent = listener.transparent.value
        options.freebind = listener.freebind.value
        options.raw = context.socketOptions(listener.socketOptions, path.field("socket_options"))
        var found: [ListenAddress] = []
        if var address = context.listenAddress(listener.address, isSet: listener.hasAddress, path.field("address")) {
            address.socketOptions = options
            found.append(address)
        }
        for (index, additional) in listener.additionalAddresses.enumerated() {
            let path = path.field("additional_addresses")[index]
            guard
                var address = context.listenAddress(
                    additional.address, isSet: additional.hasAddress, path.field("address"))
            else { continue }
            address.socketOptions = options
            if additional.hasSocketOptions {
                address.socketOptions.raw = context.socketOptions(
                    additional.socketOptions.socketOptions, path.field("socket_options.socket_options"))
            }
            found.append(address)
        }
        if listener.hasTcpFastOpenQueueLength {
            let fastOpen = RawSocketOption.tcpFastOpen(queueLength: listener.tcpFastOpenQueueLength.value)
            for index in found.indices where !found[index].address.isUnix {
                found[index].socketOptions.raw.append(fastOpen)
            }
        }
        return found
    }

    // MARK: - Filter chains

    private func chain(
        _ chain: API.FilterChain, _ path: FieldPath, of listener: String, isDefault: Bool = false
    ) -> FilterChainSpec? {
        // The default chain may be word for word one that matches everything.
        guard let identity = ContentDigest(of: chain, mark: isDefault ? 1 : 0) else { return nil }
        let owner = TLSContextOwner.filterChain(listener: listener, chain: identity)
        let filters = path.field("filters")
        let match = match(chain.filterChainMatch, path.field("filter_chain_match"))
        var tls = TLSSpecBuilder(context: context).downstream(
            chain.transportSocket, isSet: chain.hasTransportSocket, path.field("transport_socket"), owner)
        let gates = chain.filters.enumerated().map {
            NetworkGateSpecBuilder(context: context).gate($1, filters[$0])
        }
        let specs = chain.filters.enumerated().map { gates[$0] == nil ? filter($1, filters[$0]) : nil }
        for index in specs.indices.dropLast() where specs[index] != nil {
            context.bad(
                filters[index],
                "\(quotedForMessage(chain.filters[index].name)) ends the chain of filters, and can only be its last"
            )
        }
        guard let last = specs.last else {
            context.missing(filters, "a filter chain needs a filter")
            return nil
        }
        if let index = gates.indices.last, gates[index] != nil {
            context.bad(
                filters[index],
                "\(quotedForMessage(chain.filters[index].name)) only lets connections in: a filter that serves them must follow"
            )
        }
        guard let last else { return nil }
        if case .http(let http) = last, http.codec == .http1, tls?.alpn.contains("h2") == true {
            tls?.alpn.removeAll { $0 == "h2" }
            context.report.warn(
                path: path.field("transport_socket"), "h2 is left out of alpn_protocols: codec_type is HTTP1")
        }
        var spec = FilterChainSpec(filter: last)
        spec.name = chain.name
        spec.identity = identity
        if chain.hasMetadata { spec.metadata = context.metadata(chain.metadata, of: .filterChain) }
        spec.gates = gates.compactMap { $0 }
        spec.match = match
        spec.tls = tls
        let handshake = context.number(.maxHandshakeMilliseconds, default: 15_000)
        spec.transportSocketConnectTimeout = context.timeout(
            chain.transportSocketConnectTimeout, isSet: chain.hasTransportSocketConnectTimeout,
            default: handshake > 0 ? .milliseconds(Int64(handshake)) : nil)
        return spec
    }

    private func filter(_ filter: API.NetworkFilter, _ path: FieldPath) -> NetworkFilterSpec? {
        let config = path.field("typed_config")
        if filter.configType == nil {
            context.missing(config, "is required: extensions are chosen by the type of their config")
            return nil
        }
        if let manager = filter.typedConfig.unpacked(API.ConnectionManager.self) {
            return HTTPSpecBuilder(context: context).manager(manager, config).map { .http($0) }
        }
        if let proxy = filter.typedConfig.unpacked(API.TCPProxy.self) {
            return .tcp(TCPProxySpecBuilder(context: context).proxy(proxy, config))
        }
        return nil
    }

    private func match(_ match: API.FilterChainMatch, _ path: FieldPath) -> FilterChainMatchSpec {
        var spec = FilterChainMatchSpec()
        if match.hasDestinationPort {
            spec.destinationPort = context.port(match.destinationPort.value, path.field("destination_port"))
        }
        spec.prefixRanges = context.ranges(match.prefixRanges, path.field("prefix_ranges"))
        spec.directSourcePrefixRanges = context.ranges(
            match.directSourcePrefixRanges, path.field("direct_source_prefix_ranges"))
        spec.sourcePrefixRanges = context.ranges(match.sourcePrefixRanges, path.field("source_prefix_ranges"))
        spec.sourcePorts = match.sourcePorts.enumerated().map {
            context.port($1, path.field("source_ports")[$0])
        }
        switch match.sourceType {
        case .sameIpOrLoopback: spec.sourceType = .sameIPOrLoopback
        case .external: spec.sourceType = .external
        default: spec.sourceType = .any
        }
        for (index, name) in match.serverNames.enumerated() {
            let place = path.field("server_names")[index]
            let inner = name.hasPrefix("*.") ? name.dropFirst(2) : name[...]
            if inner.isEmpty || inner.contains("*") {
                context.bad(
                    place,
                    "\(quotedForMessage(name)): a wildcard is only possible as the first label, as in \"*.example.com\""
                )
            }
            spec.serverNames.append(name.lowercased())
        }
        spec.transportProtocol = match.transportProtocol
        if !["", "tls", "raw_buffer"].contains(match.transportProtocol) {
            context.bad(
                path.field("transport_protocol"),
                "\(quotedForMessage(match.transportProtocol)) is no transport protocol; it takes tls, raw_buffer")
        }
        spec.applicationProtocols = match.applicationProtocols
        return spec
    }

    // MARK: - Overlaps

    /// Two chains that the same connection could pick are a problem, as in Envoy.
    private func checkOverlaps(_ chains: [API.FilterChain], _ path: FieldPath) {
        for later in chains.indices {
            for earlier in chains.indices.prefix(later) {
                guard overlap(chains[earlier].filterChainMatch, chains[later].filterChainMatch) else { continue }
                context.inconsistent(
                    path[later].field("filter_chain_match"),
                    "matches the same connections as the filter chain of \(context.place(of: path[earlier]))")
                break
            }
        }
    }

    private func overlap(_ one: API.FilterChainMatch, _ other: API.FilterChainMatch) -> Bool {
        func share(_ a: [String], _ b: [String]) -> Bool {
            if a.isEmpty || b.isEmpty { return a.isEmpty && b.isEmpty }
            let known = Set(a.map { $0.lowercased() })
            return b.contains { known.contains($0.lowercased()) }
        }
        func texts(_ ranges: [API.CIDR]) -> [String] { ranges.map { "\($0.addressPrefix)/\($0.prefixLen.value)" } }
        return one.hasDestinationPort == other.hasDestinationPort
            && one.destinationPort.value == other.destinationPort.value
            && one.sourceType == other.sourceType
            && one.transportProtocol == other.transportProtocol
            && share(texts(one.prefixRanges), texts(other.prefixRanges))
            && share(one.serverNames, other.serverNames)
            && share(one.applicationProtocols, other.applicationProtocols)
            && share(texts(one.directSourcePrefixRanges), texts(other.directSourcePrefixRanges))
            && share(texts(one.sourcePrefixRanges), texts(other.sourcePrefixRanges))
            && share(one.sourcePorts.map { "\($0)" }, other.sourcePorts.map { "\($0)" })
    }
}

extension ContentDigest {
    /// Equal for messages that say the same in the same order; nil when the message cannot be serialized, which one that
    /// was read can.
    ///
    /// - Parameter mark: tells messages apart that are the same.
    fileprivate init?(of message: any SwiftProtobuf.Message, mark: UInt8 = 0) {
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        guard let bytes: [UInt8] = try? message.serializedBytes(options: options) else { return nil }
        self.init(bytes + [mark])
    }
}
