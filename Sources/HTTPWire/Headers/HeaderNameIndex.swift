// Recognises well-known field names: one hash of at most three words, one comparison.
import Reactor

/// A perfect-enough hash table over `HeaderName.allCases`. Built once; immutable.
final class HeaderNameIndex: Sendable {
    static let shared = HeaderNameIndex()

    /// Marks an entry whose name is not well known.
    static var unknown: UInt8 { 0xff }
    private static var wordsPerName: Int { 5 }

    private let slots: InlineArray<1024, UInt8>
    private let counts: InlineArray<128, UInt8>
    private let words: InlineArray<640, UInt64>

    init() {
        var slots = InlineArray<1024, UInt8>(repeating: HeaderNameIndex.unknown)
        var counts = InlineArray<128, UInt8>(repeating: 0)
        var words = InlineArray<640, UInt64>(repeating: 0)
        for name in HeaderName.allCases {
            let bytes = ByteView(name.text)
            var slot = HeaderNameIndex.hash(bytes, 0, bytes.count).slot
            while slots[slot] != HeaderNameIndex.unknown { slot = (slot + 1) & 1023 }
            slots[slot] = name.rawValue
            counts[Int(name.rawValue)] = UInt8(bytes.count)
            var word = 0
            while word * 8 < bytes.count {
                words[Int(name.rawValue) * HeaderNameIndex.wordsPerName + word] =
                    bytes.shortWord(at: word * 8, length: min(8, bytes.count - word * 8))
                word += 1
            }
        }
        self.slots = slots
        self.counts = counts
        self.words = words
    }

    struct Hash {
        let slot: Int
        /// Eight bits that tell unknown names apart before their bytes are compared.
        let mark: UInt8
    }

    /// Hashes without regard to case: the first, second and last eight bytes, and the length.
    @inline(__always)
    static func hash(_ view: ByteView, _ start: Int, _ count: Int) -> Hash {
        var state: UInt64
        if count >= 8 {
            state = (view.word(at: start) | Words.lower) &* 0x9e37_79b9_7f4a_7c15
            state ^= (view.word(at: start &+ count &- 8) | Words.lower) &* 0xd6e8_feb8_6659_fd93
            if count >= 16 { state ^= (view.word(at: start &+ 8) | Words.lower) &* 0xa076_1d64_78bd_642f }
        } else {
            state = (view.shortWord(at: start, length: count) | Words.lower) &* 0x9e37_79b9_7f4a_7c15
        }
        state = (state ^ UInt64(truncatingIfNeeded: count)) &* 0xe703_7ed1_a0b4_28db
        return Hash(slot: Int(truncatingIfNeeded: state &>> 54), mark: UInt8(truncatingIfNeeded: state &>> 40))
    }

    /// The name of `count` token characters at `start`, and its mark. Only for bytes known to be token characters.
    @inline(__always)
    func recognise(_ view: ByteView, _ start: Int, _ count: Int) -> (known: UInt8, mark: UInt8) {
        let hash = HeaderNameIndex.hash(view, start, count)
        var slot = hash.slot
        while true {
            let candidate = slots[slot]
            if candidate == HeaderNameIndex.unknown { return (candidate, hash.mark) }
            if Int(counts[Int(candidate)]) == count && matches(candidate, view, start, count) {
                return (candidate, hash.mark)
            }
            slot = (slot &+ 1) & 1023
        }
    }

    /// The well-known name that `name` spells, whatever its bytes.
    func find(_ name: ByteView) -> HeaderName? {
        guard name.isToken else { return nil }
        return HeaderName(rawValue: recognise(name, 0, name.count).known)
    }

    /// Setting bit 5 lower-cases letters and leaves digits and `-` alone; no other token character becomes one of them.
    @inline(__always)
    private func matches(_ candidate: UInt8, _ view: ByteView, _ start: Int, _ count: Int) -> Bool {
        var word = Int(candidate) &* HeaderNameIndex.wordsPerName
        var place = 0
        while place < count {
            let length = min(8, count &- place)
            let mask = length == 8 ? Words.lower : Words.lower & ((1 &<< (UInt64(length) &* 8)) &- 1)
            if view.shortWord(at: start &+ place, length: length) | mask != words[word] { return false }
            word &+= 1
            place &+= 8
        }
        return true
    }
}

extension ByteView {
    /// True when there is at least one byte and all are token characters (RFC 9110, section 5.6.2).
    public var isToken: Bool {
        let token = ByteClass.token
        var index = 0
        while index < count {
            if !token.contains(self[index]) { return false }
            index &+= 1
        }
        return count > 0
    }
}
