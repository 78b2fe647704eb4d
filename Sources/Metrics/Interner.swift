// Interner: strings that many stats share, kept once and counted.

/// Text <-> small number, with a count of uses. Number 0 is the empty string and always there.
struct Interner: Sendable {
    private var ids: [String: UInt32] = ["": 0]
    private(set) var texts: [String] = [""]
    private var uses: [UInt32] = [1]
    private var free: [UInt32] = []

    /// How many different texts are in use.
    var count: Int { ids.count }

    /// The number of `text` with one more use of it.
    mutating func acquire(_ text: String) -> UInt32 {
        if let id = ids[text] {
            uses[Int(id)] &+= 1
            return id
        }
        let id: UInt32
        if let reused = free.popLast() {
            id = reused
            texts[Int(id)] = text
            uses[Int(id)] = 1
        } else {
            id = UInt32(truncatingIfNeeded: texts.count)
            texts.append(text)
            uses.append(1)
        }
        ids[text] = id
        return id
    }

    /// The number of `text` if it is in use.
    func find(_ text: String) -> UInt32? { ids[text] }

    /// Ends one use.
    mutating func release(_ id: UInt32) {
        let index = Int(id)
        guard id != 0, uses[index] > 0 else { return }
        uses[index] -= 1
        guard uses[index] == 0 else { return }
        ids[texts[index]] = nil
        texts[index] = ""
        free.append(id)
    }
}
