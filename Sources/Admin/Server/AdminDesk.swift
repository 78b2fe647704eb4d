// Chooses the endpoint of an admin request, and answers those that have none.
import Matching
import Reactor

/// Answers admin requests. Knows nothing of connections. Main thread only.
final class AdminDesk {
    unowned let backend: any AdminBackend
    let loop: EventLoop
    /// By path.
    let endpoints: [AdminEndpoint]
    private let byPath: [String: AdminEndpoint]
    private let allowedPaths: [StringMatcher]
    /// nil: who reaches the port may change things.
    private let changes: AdminGuard?
    private static let statsPaths: Set<String> = ["/ready", "/stats", "/stats/prometheus"]

    /// - Parameter allowedPaths: `admin.allow_paths`; empty: all.
    init(
        backend: any AdminBackend, loop: EventLoop, access: AdminAccess = .full, allowedPaths: [StringMatcher] = [],
        changes: AdminGuard? = nil
    ) {
        self.changes = changes
        self.backend = backend
        self.loop = loop
        self.allowedPaths = allowedPaths
        let table =
            switch access {
            case .full: ReadingEndpoints.all + ChangingEndpoints.all
            case .stats: ReadingEndpoints.all.filter { AdminDesk.statsPaths.contains($0.path) }
            }
        endpoints = table.sorted { $0.path < $1.path }
        byPath = Dictionary(table.map { ($0.path, $0) }) { first, _ in first }
    }

    func answer(_ request: AdminRequest) -> AdminAnswer {
        guard allowedPaths.isEmpty || allowedPaths.contains(where: { $0.matches(request.target) }) else {
            return AdminAnswer("request to path \(request.target) not allowed", status: 403)
        }
        guard let endpoint = byPath[request.path] else {
            return AdminAnswer("invalid path. " + HelpPage.text(endpoints), status: 404)
        }
        guard !endpoint.isChanging || request.method == "POST" else {
            return AdminAnswer("Method \(request.method) not allowed, POST required.", status: 405)
        }
        if endpoint.isChanging, let refusal = changes?.refusal(request) { return refusal }
        return endpoint.answer(self, request)
    }
}
