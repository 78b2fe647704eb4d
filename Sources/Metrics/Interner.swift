// Interner: strings that many stats share, kept once and counted.
import Glibc

/// Text <-> small number, with a count of uses. Number 0 is the empty string and always there.
struct Interner: Sendable {
    private(set) var texts: [String] = [""]
    private var uses: [UInt32] = [1]
    private var free: [UInt32] = []
    /// All but the empty string.
    private var places = PlaceTable()

    /// How many different texts are in use.
    var count: Int { places.count + 1 }

    /// The number of `text` with one more use of it.
    mutating func acquire(_ text: String) -> UInt32 { Interner.withBytes(text) { acquire($0, known: find($0)) } }

    /// The same for UTF-8. `known`: what `find` has said.
    mutating func acquire(_ text: UnsafeRawBufferPointer, known: UInt32?) -> UInt32 {
        if let known {
            uses[Int(known)] &+= 1
            return known
        }
        let string = String(decoding: text, as: UTF8.self)
        let id: UInt32
        if let reused = free.popLast() {
            id = reused
            texts[Int(id)] = string
            uses[Int(id)] = 1
        } else {
            id = UInt32(truncatingIfNeeded: texts.count)
            texts.append(string)
            uses.append(1)
        }
        places.insert(id) { [texts] in Interner.hash(texts[Int($0)]) }
        return id
    }

    /// The number of a text in UTF-8 if it is in use.
    func find(_ text: UnsafeRawBufferPointer) -> UInt32? {
        if text.isEmpty { return 0 }
        return places.find(Interner.hash(text)) { place in
            Interner.withBytes(texts[Int(place)]) { known in
                guard let one = known.baseAddress, let other = text.baseAddress else { return false }
                return known.count == text.count && memcmp(one, other, text.count) == 0
            }
        }
    }

    /// Ends one use.
    mutating func release(_ id: UInt32) {
        let index = Int(id)
        guard id != 0, uses[index] > 0 else { return }
        uses[index] -= 1
        guard uses[index] == 0 else { return }
        places.remove(id) { [texts] in Interner.hash(texts[Int($0)]) }
        texts[index] = ""
        free.append(id)
    }

    /// Runs `body` with the UTF-8 of a string.
    static func withBytes<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        var text = text
        return text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }

    private static func hash(_ text: String) -> UInt64 { withBytes(text) { hash($0) } }

    /// Seeded by the process: some names come from clients.
    private static func hash(_ text: UnsafeRawBufferPointer) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(bytes: text)
        return UInt64(truncatingIfNeeded: hasher.finalize())
    }
}
