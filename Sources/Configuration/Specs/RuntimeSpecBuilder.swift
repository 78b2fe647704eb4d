// The runtime's static layers and the stats settings.
import DataPlane
import EnvoyAPI
import Matching
import Reactor
import SwiftProtobuf

struct RuntimeSpecBuilder {
    let context: SpecContext

    /// The keys of all layers in one table, and where each has its value from: later layers win.
    private struct Table {
        var values: [String: RuntimeSpec.Value] = [:]
        var places: [String: FieldPath] = [:]

        mutating func set(_ key: String, _ value: RuntimeSpec.Value, _ place: FieldPath) {
            values[key] = value
            places[key] = place
        }
    }

    /// Reads all layers into the context's runtime, and checks the keys that are Outrider's own.
    func read(_ runtime: API.LayeredRuntime, _ path: FieldPath) -> RuntimeSpec {
        var spec = RuntimeSpec()
        var table = Table()
        for (index, layer) in runtime.layers.enumerated() {
            let place = path.field("layers")[index]
            if spec.layerNames.contains(layer.name), !layer.name.isEmpty {
                context.duplicate(place.field("name"), "\(quotedForMessage(layer.name)) is the name of another layer")
            }
            spec.layerNames.append(layer.name)
            if case .staticLayer(let values)? = layer.layerSpecifier {
                flatten(values, "", place.field("static_layer"), into: &table)
            }
        }
        spec.values = table.values
        context.runtime = spec
        context.checkSwitches { table.places[$0] ?? path }
        return spec
    }

    /// `{a: {b: 1}}` is the key `a.b`; an object of a numerator and a denominator is one value.
    private func flatten(
        _ object: Google_Protobuf_Struct, _ prefix: String, _ path: FieldPath, into table: inout Table
    ) {
        for (name, value) in object.fields {
            let key = prefix.isEmpty ? name : "\(prefix).\(name)"
            let place = path.field(named: name)
            switch value.kind {
            case .numberValue(let number)?: table.set(key, .number(number), place)
            case .boolValue(let flag)?: table.set(key, .text(flag ? "true" : "false"), place)
            case .stringValue(let text)?:
                table.set(key, ScalarText.decimal(text).map { .number($0) } ?? .text(text), place)
            case .structValue(let inner)?:
                if let fraction = fraction(inner) {
                    table.set(key, .fraction(fraction), place)
                } else {
                    flatten(inner, key, place, into: &table)
                }
            case .listValue?, .nullValue?, nil: break
            }
        }
    }

    private func fraction(_ object: Google_Protobuf_Struct) -> Fraction? {
        guard case .numberValue(let numerator)? = object.fields["numerator"]?.kind,
            let number = UInt32(exactly: numerator.rounded())
        else { return nil }
        var denominator: UInt32 = 100
        if case .stringValue(let name)? = object.fields["denominator"]?.kind {
            switch name {
            case "TEN_THOUSAND": denominator = 10_000
            case "MILLION": denominator = 1_000_000
            default: break
            }
        }
        return Fraction(numerator: number, denominator: denominator)
    }

    /// Keys that no setting reads are named in the log: they would have meant something to Envoy.
    func noteUnusedKeys(_ path: FieldPath) {
        for key in context.runtime.values.keys.sorted() where !context.usedRuntimeKeys.contains(key) {
            context.report.skip(
                "runtime key \(key)",
                reason: "no setting of this configuration reads the runtime key \(quotedForMessage(key))",
                path: path)
        }
    }
}

struct StatsSpecBuilder {
    let context: SpecContext

    func stats(_ bootstrap: API.Bootstrap) -> StatsSpec {
        var spec = StatsSpec()
        spec.maxSeries = context.number(.maxSeries, default: spec.maxSeries)
        if bootstrap.hasStatsFlushInterval { spec.flushInterval = context.amount(bootstrap.statsFlushInterval) }
        if case .statsFlushOnAdmin(let value)? = bootstrap.statsFlush {
            spec.flushOnAdmin = value
            if bootstrap.hasStatsFlushInterval {
                context.bad(
                    FieldPath().field("stats_flush_on_admin"),
                    "only one of stats_flush_interval and stats_flush_on_admin may be set")
            }
        }
        let config = bootstrap.statsConfig
        let path = FieldPath().field("stats_config")
        if config.hasUseAllDefaultTags { spec.useAllDefaultTags = config.useAllDefaultTags.value }
        spec.tags = config.statsTags.enumerated().compactMap { tag($1, path.field("stats_tags")[$0]) }
        let matcher = path.field("stats_matcher")
        switch config.statsMatcher.statsMatcher {
        case .rejectAll(let value)?: spec.admission = value ? .none : .all
        case .exclusionList(let list)?:
            spec.admission = .excluding(context.matchers(list.patterns, matcher.field("exclusion_list.patterns")))
        case .inclusionList(let list)?:
            spec.admission = .including(context.matchers(list.patterns, matcher.field("inclusion_list.patterns")))
        case nil: break
        }
        spec.bucketOverrides = config.histogramBucketSettings.enumerated().compactMap { index, settings in
            let place = path.field("histogram_bucket_settings")[index]
            guard let name = context.matcher(settings.match, place.field("match")) else { return nil }
            return StatsSpec.BucketOverride(name: name, buckets: settings.buckets.sorted())
        }
        return spec
    }

    private func tag(
        _ tag: Envoy_Config_Metrics_V3_TagSpecifier, _ path: FieldPath
    ) -> StatsSpec.StatTag? {
        switch tag.tagValue {
        case .fixedValue(let text)?: return StatsSpec.StatTag(name: tag.tagName, value: .fixed(text))
        case .regex(let pattern)? where !pattern.isEmpty:
            guard let regex = context.regex(pattern, path.field("regex")) else { return nil }
            if regex.groupCount < 1 {
                context.bad(path.field("regex"), "needs a group: what it captures is cut out of the name")
            }
            return StatsSpec.StatTag(name: tag.tagName, value: .extracted(regex))
        default:
            context.missing(path, "one of regex, fixed_value is required")
            return nil
        }
    }
}
