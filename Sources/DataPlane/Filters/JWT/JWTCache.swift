// Tokens whose signatures were found good.
import Reactor

/// As many tokens as there is room for; the one that nobody has shown for the longest time goes first. Loop thread only.
final class JWTCache {
    private struct Entry {
        let token: JSONWebToken
        /// Places of the neighbours in the order of use; -1: there is none.
        var newer: Int
        var older: Int
    }

    private let spec: JWTProviderSpec.Cache
    private var places: [[UInt8]: Int] = [:]
    private var entries: [Entry] = []
    private var newest = -1
    private var oldest = -1

    init(_ spec: JWTProviderSpec.Cache) { self.spec = spec }

    var count: Int { places.count }

    func find(_ text: [UInt8]) -> JSONWebToken? {
        guard let place = places[text] else { return nil }
        unlink(place)
        link(place)
        return entries[place].token
    }

    func keep(_ token: JSONWebToken) {
        guard spec.tokens > 0, token.text.count <= spec.maxTokenBytes, places[token.text] == nil else { return }
        let entry = Entry(token: token, newer: -1, older: -1)
        let place: Int
        if entries.count < spec.tokens {
            place = entries.count
            entries.append(entry)
        } else {
            place = oldest
            unlink(place)
            places[entries[place].token.text] = nil
            entries[place] = entry
        }
        places[token.text] = place
        link(place)
    }

    /// The keys have changed: what they have signed is to be shown anew.
    func removeAll() {
        places.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
        newest = -1
        oldest = -1
    }

    private func unlink(_ place: Int) {
        let entry = entries[place]
        if entry.newer >= 0 { entries[entry.newer].older = entry.older } else { newest = entry.older }
        if entry.older >= 0 { entries[entry.older].newer = entry.newer } else { oldest = entry.newer }
    }

    private func link(_ place: Int) {
        entries[place].newer = -1
        entries[place].older = newest
        if newest >= 0 { entries[newest].newer = place } else { oldest = place }
        newest = place
    }
}
