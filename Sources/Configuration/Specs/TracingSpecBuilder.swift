// Tracing: of a connection manager, and of a route.
import DataPlane
import EnvoyAPI

struct TracingSpecBuilder {
    let context: SpecContext

    func tracing(_ tracing: API.ManagerTracing, _ path: FieldPath) -> TracingSpec? {
        let provider = path.field("provider")
        guard tracing.hasProvider else {
            context.missing(provider, "is required: without a tracer nothing is traced")
            return nil
        }
        guard let tracer = TracerSpecBuilder(context: context).tracer(tracing.provider, provider) else { return nil }
        var spec = TracingSpec(tracer)
        noteRuntimeKeys()
        // Whole percents but for random sampling, which is in hundredths of them, as in Envoy.
        if tracing.hasClientSampling { spec.sampling.client = percent(tracing.clientSampling, of: 100) }
        if tracing.hasRandomSampling {
            let value = min(max((tracing.randomSampling.value * 100).rounded(), 0), 10_000)
            spec.sampling.random = Fraction(numerator: UInt32(value), denominator: 10_000)
        }
        if tracing.hasOverallSampling { spec.sampling.overall = percent(tracing.overallSampling, of: 100) }
        spec.isVerbose = tracing.verbose
        if tracing.hasMaxPathTagLength { spec.maxPathTagLength = Int(tracing.maxPathTagLength.value) }
        spec.customTags = tags(tracing.customTags, path.field("custom_tags"))
        spec.spawnsUpstreamSpans = tracing.spawnUpstreamSpan.value
        spec.operation = operation(tracing.operation, path.field("operation"))
        spec.upstreamOperation = operation(tracing.upstreamOperation, path.field("upstream_operation"))
        return spec
    }

    /// What a route says about tracing; nil: nothing.
    func route(_ route: API.Route, _ path: FieldPath) -> RouteTracingSpec? {
        guard route.hasTracing || route.hasDecorator else { return nil }
        var spec = RouteTracingSpec()
        if route.hasTracing {
            let (tracing, path) = (route.tracing, path.field("tracing"))
            noteRuntimeKeys()
            var sampling = SamplingSpec()
            if tracing.hasClientSampling { sampling.client = context.fraction(tracing.clientSampling) }
            if tracing.hasRandomSampling { sampling.random = context.fraction(tracing.randomSampling) }
            if tracing.hasOverallSampling { sampling.overall = context.fraction(tracing.overallSampling) }
            spec.sampling = sampling
            spec.customTags = tags(tracing.customTags, path.field("custom_tags"))
            spec.operation = operation(tracing.operation, path.field("operation"))
            spec.upstreamOperation = operation(tracing.upstreamOperation, path.field("upstream_operation"))
        }
        if route.hasDecorator {
            let decorator = route.decorator
            spec.decorator = DecoratorSpec(
                decorator.operation, isPropagated: !decorator.hasPropagate || decorator.propagate.value)
        }
        return spec
    }

    private func noteRuntimeKeys() {
        for key in ["tracing.client_enabled", "tracing.random_sampling", "tracing.global_enabled"] {
            context.use(runtimeKey: key)
        }
    }

    private func percent(_ percent: Envoy_Type_V3_Percent, of whole: UInt32) -> Fraction {
        Fraction(numerator: UInt32(min(max(percent.value, 0), 100)), denominator: whole)
    }

    private func operation(_ format: String, _ path: FieldPath) -> String {
        context.check(format: format, path)
        return format
    }

    private func tags(_ tags: [API.CustomTag], _ path: FieldPath) -> [CustomTagSpec] {
        var places: [String: FieldPath] = [:]
        return tags.enumerated().compactMap { index, tag in
            let path = path[index]
            if let first = places[tag.tag] {
                context.duplicate(
                    path.field("tag"),
                    "\(quotedForMessage(tag.tag)) is the name of another tag (\(context.place(of: first)))")
            }
            places[tag.tag] = places[tag.tag] ?? path.field("tag")
            return value(tag, path).map { CustomTagSpec(tag.tag, $0) }
        }
    }

    private func value(_ tag: API.CustomTag, _ path: FieldPath) -> CustomTagSpec.Value? {
        switch tag.type {
        case .literal(let literal)?: return .literal(literal.value)
        case .environment(let variable)?:
            let text = Environment.value(of: variable.name).map { String(decoding: $0, as: UTF8.self) }
            let value = text ?? variable.defaultValue
            return value.isEmpty ? CustomTagSpec.Value.none : .literal(value)
        case .requestHeader(let header)?:
            return .header(name: header.name.lowercased(), standard: header.defaultValue)
        case .value(let format)?:
            context.check(format: format, path.field("value"))
            return .format(format)
        case .metadata?, nil:
            // Refused as a field, or missing by the schema's rules.
            return nil
        }
    }
}
