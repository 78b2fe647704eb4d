// Authorization services that are asked by plain HTTP.
import HTTPWire
import Matching
import Reactor

/// Makes questions and reads answers. Compiled for one worker. Loop thread only.
final class HTTPAuthorization {
    let spec: HTTPAuthorizationSpec
    private let headersToAdd: HeaderMutations
    private let pathPrefix: FixedBytes
    let rules: SideCallRules

    init(_ spec: HTTPAuthorizationSpec) throws(FormatError) {
        self.spec = spec
        headersToAdd = try HeaderMutations(add: spec.headersToAdd, remove: [])
        pathPrefix = FixedBytes(spec.pathPrefix)
        var rules = SideCallRules()
        rules.timeout = spec.timeout
        rules.maxResponseBytes = FilterServices.maxResponseBytes
        rules.isRepeatable = true
        rules.isMarkedInternal = true
        rules.announcesTimeout = true
        self.rules = rules
    }

    /// Fills `call` with the question about a request.
    func ask(_ stream: HTTPStream, _ headers: AuthorizationHeaders, body: AuthorizationBody?, _ call: SideCall) {
        let request = stream.requestHeaders
        let question = call.request
        question.removeAll()
        question.setMethod(request.method)
        if pathPrefix.count == 0 {
            question.setPath(request.path)
        } else {
            (pathPrefix.view.array + request.path.array).withUnsafeBytes { question.setPath(ByteView($0)) }
        }
        question.setAuthority(request.authority)
        if let body {
            call.body = body.bytes
        } else {
            call.body = []
            question.append(.contentLength, "0")
        }
        headers.copy(request, to: question)
        if let body {
            question.append(name: ByteView(AuthorizationBody.markName), value: ByteView(body.mark))
        }
        headersToAdd.apply(
            to: question,
            FormatContext(stream.info, request: request, now: stream.loop.now, wallNow: stream.loop.wallNow))
    }

    /// What an answer says: 200 lets the request pass, 5xx is a failure, everything else is a refusal.
    func verdict(_ call: SideCall) -> AuthorizationVerdict {
        let head = call.response
        if head.status >= 500 { return .failed(nil, reason: "HTTP status \(head.status)") }
        guard head.status == 200 else {
            var refusal = AuthorizationRefusal(status: head.status, body: call.responseBody)
            refusal.fields = fields(of: head, spec.clientHeaders, isRefusal: true)
            return .denied(refusal)
        }
        var changes = AuthorizationChanges()
        changes.request = fields(of: head, spec.upstreamHeadersToAppend)
        changes.request += fields(of: head, spec.upstreamHeaders).map {
            ServiceField(name: $0.name, value: $0.value, action: .set)
        }
        changes.response = fields(of: head, spec.clientHeadersOnSuccess)
        head.forEachField { name, value in
            guard name.equalsIgnoringCase("x-envoy-auth-headers-to-remove") else { return }
            for part in value.string.split(separator: ",") {
                let name = Array(part.utf8.drop { $0 == 0x20 })
                changes.removed.append(Array(name.prefix { $0 != 0x20 }))
            }
        }
        return .allowed(changes)
    }

    /// What a refusal tells clients whatever the configuration says.
    private static let refusalHeaders: HeaderNameSet = [.location, .wwwAuthenticate]

    private func fields(
        of head: HeaderMap, _ matchers: [StringMatcher]?, isRefusal: Bool = false
    ) -> [ServiceField] {
        var fields: [ServiceField] = []
        head.forEachField { name, value in
            let lowercased = name.array.map(\.asciiLowercased)
            let isAlways =
                isRefusal && (HeaderName(name).map { HTTPAuthorization.refusalHeaders.contains($0) } ?? false)
            let isWanted =
                lowercased.withUnsafeBytes { name in matchers?.contains { $0.matches(name) } ?? true } || isAlways
            if isWanted { fields.append(ServiceField(name: lowercased, value: value.array, action: .append)) }
        }
        return fields
    }
}
