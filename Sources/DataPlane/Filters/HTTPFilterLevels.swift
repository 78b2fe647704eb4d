// What the levels of the routes change about filters.

/// The overrides that hold at one place of the routes, and the chain that they make: routes that add nothing of their own
/// share it.
struct HTTPFilterLevels {
    /// nil: no filter looks at requests before the router.
    let filters: HTTPFilters?
    /// The most specific first.
    let overrides: [HTTPFilterOverrides]
    /// The `cors` fields of routes and virtual hosts, the most specific first.
    let cors: [CORSPolicySpec]
    /// nil: the standard one.
    let chain: HTTPFilterChain?

    init(_ filters: HTTPFilters?) {
        self.filters = filters
        overrides = []
        cors = []
        chain = nil
    }

    private init(
        _ filters: HTTPFilters, _ overrides: [HTTPFilterOverrides], cors: [CORSPolicySpec]
    ) throws(FormatError) {
        self.filters = filters
        self.overrides = overrides
        self.cors = cors
        chain = try filters.chain(overrides, cors: cors)
    }

    /// With those of the next, more specific level.
    func adding(
        _ overrides: HTTPFilterOverrides?, cors: CORSPolicySpec? = nil
    ) throws(FormatError) -> HTTPFilterLevels {
        guard let filters else { return self }
        let overrides = overrides.flatMap { $0.isEmpty ? nil : $0 }
        let cors = filters.hasCORS ? cors : nil
        guard overrides != nil || cors != nil else { return self }
        return try HTTPFilterLevels(
            filters, (overrides.map { [$0] } ?? []) + self.overrides, cors: (cors.map { [$0] } ?? []) + self.cors)
    }

    /// All that is said of one filter, the most specific first.
    static func overrides(of name: String, _ levels: [HTTPFilterOverrides]) -> [HTTPFilterOverride] {
        levels.compactMap { $0[name] }
    }
}
