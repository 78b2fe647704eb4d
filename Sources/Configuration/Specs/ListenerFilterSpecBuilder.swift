// Listener filters: what a listener does before it chooses a filter chain.
import DataPlane
import EnvoyAPI

struct ListenerFilterSpecBuilder {
    let context: SpecContext

    /// The filters that are listed, and behind them the ones that Envoy adds by itself: a `tls_inspector` where the
    /// match of a chain asks for what it finds, and `original_dst` where connections are handed on.
    func filters(
        _ filters: [API.ListenerFilter], for chains: [FilterChainMatchSpec], handsOn: Bool, _ path: FieldPath
    ) -> [ListenerFilterSpec] {
        var specs = filters.enumerated().compactMap { filter($1, path[$0]) }
        let inspectsTLS = specs.contains { if case .tlsInspector = $0.kind { true } else { false } }
        if !inspectsTLS, chains.contains(where: asksForTLS) {
            specs.append(ListenerFilterSpec(.tlsInspector(TLSInspectorSpec())))
        }
        if handsOn { specs.append(ListenerFilterSpec(.originalDestination)) }
        return specs
    }

    private func asksForTLS(_ match: FilterChainMatchSpec) -> Bool {
        if match.transportProtocol == "tls" { return true }
        return match.transportProtocol.isEmpty && !(match.serverNames.isEmpty && match.applicationProtocols.isEmpty)
    }

    private func filter(_ filter: API.ListenerFilter, _ path: FieldPath) -> ListenerFilterSpec? {
        let config = path.field("typed_config")
        guard filter.configType != nil else {
            context.missing(config, "is required: extensions are chosen by the type of their config")
            return nil
        }
        guard let kind = kind(filter.typedConfig, config) else { return nil }
        return ListenerFilterSpec(
            kind, disabled: filter.hasFilterDisabled ? predicate(filter.filterDisabled) : nil)
    }

    /// nil for a type that was refused already.
    private func kind(_ config: API.AnyMessage, _ path: FieldPath) -> ListenerFilterSpec.Kind? {
        if let inspector = config.unpacked(API.TLSInspector.self) { return .tlsInspector(tlsInspector(inspector)) }
        if config.unpacked(API.HTTPInspector.self) != nil { return .httpInspector }
        if config.unpacked(API.OriginalDestination.self) != nil { return .originalDestination }
        if let source = config.unpacked(API.OriginalSource.self) { return .originalSource(mark: source.mark) }
        if let proxy = config.unpacked(API.ProxyProtocol.self) { return .proxyProtocol(proxyProtocol(proxy, path)) }
        return nil
    }

    private func tlsInspector(_ inspector: API.TLSInspector) -> TLSInspectorSpec {
        var spec = TLSInspectorSpec()
        if inspector.hasMaxClientHelloSize { spec.maxClientHelloSize = Int(inspector.maxClientHelloSize.value) }
        spec.closesWithoutClientHello = inspector.closeConnectionOnClientHelloParsingErrors
        return spec
    }

    private func proxyProtocol(_ proxy: API.ProxyProtocol, _ path: FieldPath) -> ProxyProtocolSpec {
        var spec = ProxyProtocolSpec()
        for (index, rule) in proxy.rules.enumerated() {
            let place = path.field("rules")[index]
            guard rule.hasOnTlvPresent else {
                context.missing(place.field("on_tlv_present"), "is required: where is the value to go?")
                continue
            }
            let target = rule.onTlvPresent
            spec.rules.append(
                ProxyProtocolSpec.Rule(
                    type: UInt8(truncatingIfNeeded: rule.tlvType),
                    namespace: target.metadataNamespace.isEmpty
                        ? "envoy.filters.listener.proxy_protocol" : target.metadataNamespace,
                    key: target.key))
        }
        spec.allowsAbsence = proxy.allowRequestsWithoutProxyProtocol
        spec.allowsV1 = !proxy.disallowedVersions.contains(.v1)
        spec.allowsV2 = !proxy.disallowedVersions.contains(.v2)
        if !spec.allowsV1, !spec.allowsV2 {
            context.bad(path.field("disallowed_versions"), "both versions are disallowed, and there is no other")
        }
        spec.statPrefix = proxy.statPrefix
        return spec
    }

    private func predicate(_ predicate: API.ListenerFilterPredicate) -> ListenerFilterPredicate {
        switch predicate.rule {
        case .orMatch(let set)?: .oneOf(set.rules.map(self.predicate))
        case .andMatch(let set)?: .all(set.rules.map(self.predicate))
        case .notMatch(let inner)?: .not(self.predicate(inner))
        case .destinationPortRange(let ports)?: .destinationPort(ports.start..<max(ports.start, ports.end))
        case .anyMatch?, nil: .any
        }
    }
}
