// All routes of one worker that come from subscriptions, and how routes are compiled.
import Metrics
import Reactor

/// Compiles route configurations for one worker, and knows who serves by which. Loop thread only.
final class RouteLibrary {
    private struct Key: Hashable {
        let subscription: RouteSubscriptionSpec
        let bufferLimit: Int
        /// Of a connection manager with filters before its router, whose routes are its alone. Its book holds them.
        let filters: ObjectIdentifier?
    }

    private let clusters: ClusterSet
    private let runtime: RuntimeSpec
    private let cells: StatCells
    private var books: [Key: RouteBook] = [:]

    init(clusters: ClusterSet, runtime: RuntimeSpec, cells: StatCells) {
        self.clusters = clusters
        self.runtime = runtime
        self.cells = cells
    }

    /// A book of its own, for routes that stand in the listener.
    ///
    /// - Parameter filters: of the connection manager; nil: no filter looks at requests before the router.
    func book(
        _ routes: RouteConfigurationSpec, bufferLimit: Int, filters: HTTPFilters? = nil
    ) throws(FormatError) -> RouteBook {
        RouteBook(try compile(routes, filters), bufferLimit: bufferLimit, cells: cells, filters: filters)
    }

    /// The book of a subscription. Without an answer so far it has no routes, and every request finds none.
    ///
    /// - Parameter routes: the last answer, if there was one.
    func book(
        of subscription: RouteSubscriptionSpec, _ routes: RouteConfigurationSpec?, bufferLimit: Int,
        filters: HTTPFilters? = nil
    ) throws(FormatError) -> RouteBook {
        let key = Key(
            subscription: subscription, bufferLimit: bufferLimit, filters: filters.map { ObjectIdentifier($0) })
        if let known = books[key] { return known }
        let made = try book(routes ?? RouteConfigurationSpec(), bufferLimit: bufferLimit, filters: filters)
        books[key] = made
        return made
    }

    /// Replaces the routes of a subscription for all who serve by it; where they do not compile, for none.
    func assign(_ routes: RouteConfigurationSpec, to subscription: RouteSubscriptionSpec) throws(FormatError) {
        // One table a book: `ForwardFacts` belong to the table's routes, and differ with the buffer limit.
        var tables: [(RouteBook, RouteTable)] = []
        for (key, book) in books where key.subscription == subscription {
            tables.append((book, try compile(routes, book.filters)))
        }
        for (book, table) in tables { book.replace(table) }
    }

    /// Lets go of books that nobody serves by any more.
    func forgetUnused() {
        for key in Array(books.keys) {
            guard var book = books.removeValue(forKey: key) else { continue }
            if !isKnownUniquelyReferenced(&book) { books[key] = book }
        }
    }

    private func compile(
        _ routes: RouteConfigurationSpec, _ filters: HTTPFilters?
    ) throws(FormatError) -> RouteTable {
        try RouteTable(routes, runtime: runtime, filters: filters, clusters: clusters)
    }
}
