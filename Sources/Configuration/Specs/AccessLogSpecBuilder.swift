// Access logs: sinks, formats and filters.
import DataPlane
import EnvoyAPI
import Reactor
import SwiftProtobuf

struct AccessLogSpecBuilder {
    let context: SpecContext

    func logs(_ logs: [API.AccessLog], _ path: FieldPath) -> [AccessLogSpec] {
        logs.enumerated().compactMap { log($1, path[$0]) }
    }

    /// `access_log_path`: a file with the default format.
    func log(path name: String) -> AccessLogSpec { AccessLogSpec(sink: sink(path: name)) }

    private func log(_ log: API.AccessLog, _ path: FieldPath) -> AccessLogSpec? {
        let config = path.field("typed_config")
        if log.configType == nil {
            context.missing(config, "is required: extensions are chosen by the type of their config")
            return nil
        }
        var spec: AccessLogSpec
        if let file = log.typedConfig.unpacked(API.FileLog.self) {
            spec = AccessLogSpec(sink: sink(path: file.path))
            switch file.accessLogFormat {
            case .format(let text)?:
                if !text.isEmpty { spec.format = self.text(text, config.field("format")) }
            case .jsonFormat(let json)?:
                spec.format = self.json(json, config.field("json_format"))
            case .typedJsonFormat(let json)?:
                spec.format = self.json(json, config.field("typed_json_format"))
            case .logFormat(let format)?:
                spec.format = self.format(format, config.field("log_format"))
            case nil: break
            }
        } else if let stdout = log.typedConfig.unpacked(API.StdoutLog.self) {
            spec = AccessLogSpec(sink: .stdout)
            if stdout.accessLogFormat != nil { spec.format = format(stdout.logFormat, config.field("log_format")) }
        } else if let stderr = log.typedConfig.unpacked(API.StderrLog.self) {
            spec = AccessLogSpec(sink: .stderr)
            if stderr.accessLogFormat != nil { spec.format = format(stderr.logFormat, config.field("log_format")) }
        } else {
            return nil
        }
        if log.hasFilter { spec.filter = filter(log.filter, path.field("filter")) }
        return spec
    }

    private func sink(path: String) -> AccessLogSpec.Sink {
        switch path {
        case "/dev/stdout": .stdout
        case "/dev/stderr": .stderr
        default: .file(path: path)
        }
    }

    // MARK: - Formats

    func format(_ format: API.FormatString, _ path: FieldPath) -> AccessLogFormatSpec {
        switch format.format {
        case .textFormat(let text)?:
            return self.text(text, path.field("text_format"), omitEmpty: format.omitEmptyValues)
        case .textFormatSource(let source)?:
            let path = path.field("text_format_source")
            guard let (bytes, _) = context.data(source, path) else { return .text("") }
            return text(String(decoding: bytes, as: UTF8.self), path, omitEmpty: format.omitEmptyValues)
        case .jsonFormat(let json)?:
            return self.json(
                json, path.field("json_format"), omitEmpty: format.omitEmptyValues,
                sortKeys: format.jsonFormatOptions.sortProperties)
        case nil:
            return .text(AccessLogSpec.defaultFormat)
        }
    }

    private func text(_ template: String, _ path: FieldPath, omitEmpty: Bool = false) -> AccessLogFormatSpec {
        context.check(format: template, path)
        return .text(template, omitEmpty: omitEmpty)
    }

    private func json(
        _ object: Google_Protobuf_Struct, _ path: FieldPath, omitEmpty: Bool = false, sortKeys: Bool = false
    ) -> AccessLogFormatSpec {
        .json(template(object, path), omitEmpty: omitEmpty, sortKeys: sortKeys)
    }

    /// The keys in the order of the file, or by name when there is no file.
    private func template(_ object: Google_Protobuf_Struct, _ path: FieldPath) -> AccessLogFormatSpec.JSONTemplate {
        let order = context.report.root?.keys(at: path) ?? []
        let places = Dictionary(order.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        let keys = object.fields.keys.sorted { one, other in
            (places[one] ?? Int.max, one) < (places[other] ?? Int.max, other)
        }
        return .object(
            keys.map { key in
                (key: key, value: template(object.fields[key] ?? Google_Protobuf_Value(), path.field(named: key)))
            })
    }

    private func template(_ value: Google_Protobuf_Value, _ path: FieldPath) -> AccessLogFormatSpec.JSONTemplate {
        switch value.kind {
        case .structValue(let object)?: return template(object, path)
        case .listValue(let list)?: return .list(list.values.enumerated().map { template($1, path[$0]) })
        case .stringValue(let text)?:
            context.check(format: text, path)
            return .template(text)
        case .numberValue(let number)?: return .number(number)
        case .boolValue(let value)?: return .bool(value)
        case .nullValue?, nil: return .null
        }
    }

    // MARK: - Filters

    func filter(_ filter: API.AccessLogFilter, _ path: FieldPath) -> AccessLogFilterSpec? {
        switch filter.filterSpecifier {
        case .statusCodeFilter(let status)?:
            return .statusCode(comparison(status.comparison))
        case .durationFilter(let duration)?:
            return .duration(comparison(duration.comparison))
        case .notHealthCheckFilter?:
            return .notHealthCheck
        case .runtimeFilter(let runtime)?:
            context.use(runtimeKey: runtime.runtimeKey)
            let fraction = RuntimeFraction(context.fraction(runtime.percentSampled), key: runtime.runtimeKey)
            return .runtime(fraction, independent: runtime.useIndependentRandomness)
        case .andFilter(let all)?:
            return .and(filters(all.filters, path.field("and_filter.filters")))
        case .orFilter(let any)?:
            return .or(filters(any.filters, path.field("or_filter.filters")))
        case .headerFilter(let header)?:
            let path = path.field("header_filter.header")
            return RouteMatchSpecBuilder(context: context).header(header.header, path).map { .header($0) }
        case .responseFlagFilter(let flags)?:
            noteFlags(flags.flags, path.field("response_flag_filter.flags"))
            return .responseFlags(flags.flags)
        case .traceableFilter?, .grpcStatusFilter?, .extensionFilter?, .metadataFilter?, .logTypeFilter?, nil:
            return nil
        }
    }

    private func filters(_ filters: [API.AccessLogFilter], _ path: FieldPath) -> [AccessLogFilterSpec] {
        filters.enumerated().compactMap { filter($1, path[$0]) }
    }

    private func comparison(
        _ comparison: Envoy_Config_Accesslog_V3_ComparisonFilter
    ) -> AccessLogFilterSpec.Comparison {
        let op: AccessLogFilterSpec.Comparison.Operator
        switch comparison.op {
        case .ge: op = .greaterOrEqual
        case .le: op = .lessOrEqual
        case .ne: op = .notEqual
        default: op = .equal
        }
        let value = comparison.value
        let number = context.number(Double(value.defaultValue), runtimeKey: value.runtimeKey)
        return AccessLogFilterSpec.Comparison(op: op, value: UInt32(exactly: number.rounded()) ?? value.defaultValue)
    }

    /// A flag that Outrider never sets matches nothing, as it should.
    private func noteFlags(_ flags: [String], _ path: FieldPath) {
        let known = ResponseFlags.names.map(\.short)
        for (index, flag) in flags.enumerated() where !known.contains(flag) {
            context.report.skip(
                "response flag \(flag)", reason: "Outrider never sets the response flag \(flag)", path: path[index])
        }
    }
}

extension ConfigNode {
    /// The keys of the mapping at `path`, in the order of the text.
    func keys(at path: FieldPath) -> [String] {
        guard case .map(let entries)? = node(at: path)?.value else { return [] }
        return entries.map(\.key)
    }
}
