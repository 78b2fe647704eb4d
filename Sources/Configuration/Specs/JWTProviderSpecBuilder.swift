// Who issues tokens.
import DataPlane
import EnvoyAPI
import Reactor
import SwiftProtobuf

struct JWTProviderSpecBuilder {
    let context: SpecContext

    /// nil after a problem.
    func provider(_ provider: API.JWTProvider, name: String, _ path: FieldPath) -> JWTProviderSpec? {
        guard let keys = keys(provider, path) else { return nil }
        var spec = JWTProviderSpec(name: name, keys: keys)
        spec.issuer = provider.issuer
        spec.audiences = provider.audiences
        if provider.hasSubjects { spec.subjects = context.matcher(provider.subjects, path.field("subjects")) }
        spec.requiresExpiration = provider.requireExpiration
        if provider.hasMaxLifetime { spec.maxLifetime = context.amount(provider.maxLifetime) }
        if provider.clockSkewSeconds > 0 { spec.clockSkew = .seconds(Int64(provider.clockSkewSeconds)) }
        spec.headers = provider.fromHeaders.map { .init(name: $0.name.lowercased(), prefix: $0.valuePrefix) }
        spec.parameters = provider.fromParams
        spec.cookies = provider.fromCookies
        spec.forwards = provider.forward
        spec.payloadHeader = provider.forwardPayloadHeader
        spec.padsPayload = provider.padForwardPayloadHeader
        check(provider.forwardPayloadHeader, path.field("forward_payload_header"))
        for (index, entry) in provider.claimToHeaders.enumerated() {
            check(entry.headerName, path.field("claim_to_headers")[index].field("header_name"))
            spec.claims.append((entry.headerName, entry.claimName))
        }
        if provider.hasJwtCacheConfig {
            let cache = provider.jwtCacheConfig
            spec.cache = .init(
                tokens: cache.jwtCacheSize == 0 ? 100 : Int(cache.jwtCacheSize),
                maxTokenBytes: cache.jwtMaxTokenSize == 0 ? 4096 : Int(cache.jwtMaxTokenSize))
        }
        return spec
    }

    /// What the filter sets and clears must not be what requests are routed by.
    private func check(_ header: String, _ path: FieldPath) {
        if header.hasPrefix(":") || header.lowercased() == "host" {
            context.bad(path, "\(quotedForMessage(header)) cannot be set by this filter")
        }
    }

    private func keys(_ provider: API.JWTProvider, _ path: FieldPath) -> JWTProviderSpec.Keys? {
        switch provider.jwksSourceSpecifier {
        case .localJwks(let source)?:
            let place = path.field("local_jwks")
            guard let data = context.data(source, place) else { return nil }
            do throws(JSONWebKeySetError) {
                _ = try JSONWebKeySet(data.bytes)
            } catch {
                context.bad(place, "\(error)")
                return nil
            }
            guard case .filename(let name)? = source.specifier, context.followsKeySets else {
                return .local(data.bytes)
            }
            return .file(KeySetFile(name, stamp: context.files.stamp(of: .file(name)), text: data.bytes))
        case .remoteJwks(let remote)?: return self.remote(remote, path.field("remote_jwks")).map { .remote($0) }
        case nil: return nil
        }
    }

    private func remote(_ remote: API.RemoteKeys, _ path: FieldPath) -> RemoteKeysSpec? {
        let uri = remote.httpUri
        let place = path.field("http_uri")
        guard remote.hasHTTPUri else {
            context.missing(place)
            return nil
        }
        context.checkCluster(uri.cluster, place.field("cluster"))
        guard let (authority, target) = parts(of: uri.uri) else {
            context.bad(place.field("uri"), "must be a URL with http or https, found \(quotedForMessage(uri.uri))")
            return nil
        }
        var spec = RemoteKeysSpec(cluster: uri.cluster, authority: authority, path: target)
        spec.timeout = context.timeout(uri.timeout, isSet: uri.hasTimeout)
        if remote.hasCacheDuration { spec.duration = context.amount(remote.cacheDuration) }
        spec.isAhead = remote.hasAsyncFetch
        if remote.asyncFetch.hasFailedRefetchDuration {
            spec.failedPause = context.amount(remote.asyncFetch.failedRefetchDuration)
        }
        return spec
    }

    /// Authority and path of a URL.
    private func parts(of url: String) -> (authority: String, path: String)? {
        let lowercased = url.lowercased()
        guard let scheme = ["http://", "https://"].first(where: { lowercased.hasPrefix($0) }) else { return nil }
        let rest = url.dropFirst(scheme.count).prefix { $0 != "#" }
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard !authority.isEmpty else { return nil }
        let target = rest.dropFirst(authority.count)
        return (String(authority), target.hasPrefix("/") ? String(target) : "/" + target)
    }
}
