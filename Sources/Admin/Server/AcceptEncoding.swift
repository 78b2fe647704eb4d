// Whether a client takes compressed answers (RFC 9110, section 12.5.3).
import HTTPWire
import Reactor

enum AcceptEncoding {
    /// `accept-encoding` names gzip, or any coding, with a weight that is not 0.
    static func takesGzip(_ headers: HeaderMap) -> Bool {
        guard let list = headers.value(.acceptEncoding)?.string.lowercased() else { return false }
        var takesAny = false
        for entry in list.split(separator: ",") {
            let parts = entry.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
            guard let coding = parts.first else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }
            let isRefused = weight.map { $0.dropFirst(2).allSatisfy { $0 == "0" || $0 == "." } } ?? false
            if coding == "gzip" || coding == "x-gzip" { return !isRefused }
            if coding == "*" { takesAny = !isRefused }
        }
        return takesAny
    }
}
