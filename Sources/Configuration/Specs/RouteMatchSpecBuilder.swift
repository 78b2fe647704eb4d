// Route matches, header and query matchers.
import DataPlane
import EnvoyAPI
import Matching

struct RouteMatchSpecBuilder {
    let context: SpecContext

    func match(_ match: API.RouteMatch, _ path: FieldPath) -> RouteMatchSpec? {
        let matched: RouteMatchSpec.Path
        switch match.pathSpecifier {
        case .prefix(let prefix)?: matched = .prefix(prefix)
        case .path(let text)?: matched = .exact(text)
        case .pathSeparatedPrefix(let prefix)?:
            if !prefix.hasPrefix("/") {
                context.bad(path.field("path_separated_prefix"), "must begin with /, found \(quotedForMessage(prefix))")
            }
            matched = .separatedPrefix(prefix)
        case .safeRegex(let matcher)?:
            guard let regex = context.regex(matcher, path.field("safe_regex")) else { return nil }
            matched = .regex(regex)
        case .connectMatcher?: matched = .connect
        case .pathMatchPolicy?, nil: return nil
        }
        var spec = RouteMatchSpec(path: matched)
        if match.hasCaseSensitive { spec.caseSensitive = match.caseSensitive.value }
        spec.headers = headers(match.headers, path.field("headers"))
        spec.queryParameters = queries(match.queryParameters, path.field("query_parameters"))
        if match.hasRuntimeFraction { spec.runtimeFraction = context.fraction(match.runtimeFraction) }
        spec.grpcOnly = match.hasGrpc
        if match.hasTlsContext {
            if match.tlsContext.hasPresented { spec.tlsPresented = match.tlsContext.presented.value }
            if match.tlsContext.hasValidated { spec.tlsValidated = match.tlsContext.validated.value }
        }
        return spec
    }

    func headers(_ matchers: [API.HeaderMatcher], _ path: FieldPath) -> [HeaderMatchSpec] {
        matchers.enumerated().compactMap { header($1, path[$0]) }
    }

    func header(_ matcher: API.HeaderMatcher, _ path: FieldPath) -> HeaderMatchSpec? {
        let rule: HeaderMatchSpec.Rule
        switch matcher.headerMatchSpecifier {
        case .exactMatch(let text)?: rule = .string(StringMatcher(.exact(text)))
        case .prefixMatch(let text)?: rule = .string(StringMatcher(.prefix(text)))
        case .suffixMatch(let text)?: rule = .string(StringMatcher(.suffix(text)))
        case .containsMatch(let text)?: rule = .string(StringMatcher(.contains(text)))
        case .safeRegexMatch(let regex)?:
            guard let regex = context.regex(regex, path.field("safe_regex_match")) else { return nil }
            rule = .string(StringMatcher(.regex(regex)))
        case .stringMatch(let inner)?:
            guard let found = context.matcher(inner, path.field("string_match")) else { return nil }
            rule = .string(found)
        case .rangeMatch(let range)?: rule = .range(range.start, range.end)
        case .presentMatch(let present)?: rule = .present(present)
        case nil: rule = .present(true)
        }
        var spec = HeaderMatchSpec(name: matcher.name.lowercased(), rule: rule)
        spec.invert = matcher.invertMatch
        spec.treatMissingAsEmpty = matcher.treatMissingHeaderAsEmpty
        return spec
    }

    func queries(_ matchers: [API.QueryMatcher], _ path: FieldPath) -> [QueryMatchSpec] {
        matchers.enumerated().compactMap { query($1, path[$0]) }
    }

    private func query(_ matcher: API.QueryMatcher, _ path: FieldPath) -> QueryMatchSpec? {
        switch matcher.queryParameterMatchSpecifier {
        case .stringMatch(let inner)?:
            guard let found = context.matcher(inner, path.field("string_match")) else { return nil }
            return QueryMatchSpec(name: matcher.name, rule: .string(found))
        case .presentMatch(let present)?:
            return QueryMatchSpec(name: matcher.name, rule: .present(present))
        case nil:
            return QueryMatchSpec(name: matcher.name, rule: .present(true))
        }
    }
}
