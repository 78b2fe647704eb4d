// The header mutation filter.
import HTTPWire
import Reactor

/// Changes requests on their way to the app and responses on their way back, the proxy's own answers included. Compiled for
/// one worker, once for the connection manager and once for each place in the routes that adds to it. Loop thread only.
/// Envoy page: HTTP filters, "Header Mutation".
final class HTTPHeaderMutation {
    private let requestSteps: [HeaderSteps]
    private let querySteps: [QuerySteps]
    private let responseSteps: [HeaderSteps]

    /// - Parameters:
    ///   - own: the filter's, which come first.
    ///   - levels: those of the routes, the most specific first.
    /// - Throws: for a format that does not compile; a checked configuration has none.
    init(_ own: HeaderMutationFilterSpec, _ levels: [HeaderMutationFilterSpec]) throws(FormatError) {
        var requestSteps: [HeaderSteps] = []
        var querySteps: [QuerySteps] = []
        var responseSteps: [HeaderSteps] = []
        // What comes last wins.
        for level in [own] + (own.mostSpecificWins ? levels.reversed() : levels) {
            requestSteps.append(try HeaderSteps(level.request))
            querySteps.append(try QuerySteps(level.parameters))
            responseSteps.append(try HeaderSteps(level.response))
        }
        self.requestSteps = requestSteps
        self.querySteps = querySteps
        self.responseSteps = responseSteps.filter { !$0.isEmpty }
    }

    /// Each level changes headers, and then the query.
    func changeRequest(_ stream: HTTPStream) {
        let request = stream.requestHeaders
        let context = FormatContext(
            stream.info, request: request, now: stream.loop.now, wallNow: stream.loop.wallNow)
        for (headers, query) in zip(requestSteps, querySteps) {
            headers.apply(to: request, context)
            query.apply(to: request, context)
        }
    }

    func changeResponse(_ stream: HTTPStream) {
        guard !responseSteps.isEmpty else { return }
        let response = stream.responseHeaders
        let context = FormatContext(
            stream.info, request: stream.requestHeaders, response: response, now: stream.loop.now,
            wallNow: stream.loop.wallNow)
        for steps in responseSteps { steps.apply(to: response, context) }
    }
}
