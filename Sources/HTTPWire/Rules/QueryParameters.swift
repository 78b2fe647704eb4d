// The query of a path, taken apart as far as it is asked.
import Reactor

/// Parameters of a query string, in order. Nothing is decoded: `%41` stays (as in Envoy's route matching).
public struct QueryParameters {
    private let query: ByteView

    /// The parameters of a path; none when there is no `?`. A fragment does not count.
    public init(path: ByteView) {
        let whole = path.prefix(path.firstIndex(of: 0x23) ?? path.count)
        guard let mark = whole.firstIndex(of: 0x3f) else {
            query = ByteView()
            return
        }
        query = whole.dropFirst(mark + 1)
    }

    /// The first value of `name`; empty when the parameter has no `=`.
    public func value(_ name: ByteView) -> ByteView? {
        var found: ByteView?
        forEachParameter { key, value in
            if found == nil && key == name { found = value }
        }
        return found
    }

    /// The first value of `name`.
    public func value(_ name: StaticString) -> ByteView? { value(ByteView(name)) }

    /// Calls `body` with each parameter; empty pieces between two `&` are skipped.
    public func forEachParameter(_ body: (_ name: ByteView, _ value: ByteView) -> Void) {
        var rest = query
        while !rest.isEmpty {
            let end = rest.firstIndex(of: 0x26) ?? rest.count
            let piece = rest.prefix(end)
            if !piece.isEmpty {
                let equals = piece.firstIndex(of: 0x3d) ?? piece.count
                body(piece.prefix(equals), piece.dropFirst(equals + 1))
            }
            rest = rest.dropFirst(end + 1)
        }
    }
}
