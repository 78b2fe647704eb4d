// `local_reply_config` of a connection manager.
import DataPlane
import EnvoyAPI

struct LocalReplySpecBuilder {
    let context: SpecContext

    func replies(_ config: API.LocalReplyConfig, _ path: FieldPath) -> LocalReplySpec {
        var spec = LocalReplySpec()
        let mappers = path.field("mappers")
        spec.mappers = config.mappers.enumerated().compactMap { mapper($1, mappers[$0]) }
        if config.hasBodyFormat { spec.format = format(config.bodyFormat, path.field("body_format")) }
        return spec
    }

    private func mapper(_ mapper: API.ResponseMapper, _ path: FieldPath) -> LocalReplySpec.Mapper? {
        // Everything is looked at, so that every problem is found in one run.
        let body = mapper.hasBody ? context.data(mapper.body, path.field("body"))?.bytes : nil
        let headers = HeaderMutationSpecBuilder(context: context).add(
            mapper.headersToAdd, path.field("headers_to_add"))
        let format =
            mapper.hasBodyFormatOverride
            ? self.format(mapper.bodyFormatOverride, path.field("body_format_override")) : nil
        let filter = AccessLogSpecBuilder(context: context).filter(mapper.filter, path.field("filter"))
        guard mapper.hasFilter, let filter else { return nil }
        var spec = LocalReplySpec.Mapper(filter: filter)
        spec.status = mapper.hasStatusCode ? Int(mapper.statusCode.value) : nil
        spec.body = body
        spec.headersToAdd = headers
        spec.format = format
        return spec
    }

    private func format(_ format: API.FormatString, _ path: FieldPath) -> LocalReplySpec.BodyFormat {
        var contentType = format.contentType
        if contentType.isEmpty {
            contentType = "text/plain"
            if case .jsonFormat? = format.format { contentType = "application/json" }
        }
        return LocalReplySpec.BodyFormat(
            AccessLogSpecBuilder(context: context).format(format, path), contentType: contentType)
    }
}
