// One word of the schema table: bytes, because a start that makes a thousand substrings takes ten times as long.
import Glibc

/// Bytes between two spaces of the table, which is part of the program and stays where it is.
struct SchemaWord {
    private let bytes: UnsafeBufferPointer<UInt8>

    /// Calls `body` with the words of each line.
    static func forEachLine(of table: UnsafeBufferPointer<UInt8>, _ body: ([SchemaWord]) -> Void) {
        var words: [SchemaWord] = []
        var start = 0
        for index in 0...table.count {
            let isEnd = index == table.count || table[index] == UInt8(ascii: "\n")
            guard isEnd || table[index] == UInt8(ascii: " ") else { continue }
            if index > start { words.append(SchemaWord(table, start..<index)) }
            start = index + 1
            guard isEnd else { continue }
            if !words.isEmpty { body(words) }
            words.removeAll(keepingCapacity: true)
        }
    }

    private init(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        self.bytes = UnsafeBufferPointer(rebasing: bytes[range])
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }
    var first: UInt8? { bytes.first }

    /// The word as a decimal number; nil when it is none.
    var number: UInt64? {
        guard !bytes.isEmpty else { return nil }
        var number: UInt64 = 0
        for byte in bytes {
            let (tens, isTooLarge) = number.multipliedReportingOverflow(by: 10)
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9"), !isTooLarge else { return nil }
            let (sum, overflows) = tens.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
            guard !overflows else { return nil }
            number = sum
        }
        return number
    }

    /// All but the first byte.
    var rest: SchemaWord { SchemaWord(bytes, min(1, bytes.count)..<bytes.count) }

    /// What stands before and after the first `=`; nil when there is none.
    var sides: (name: SchemaWord, value: SchemaWord)? {
        guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        return (SchemaWord(bytes, 0..<equals), SchemaWord(bytes, equals + 1..<bytes.count))
    }

    static func == (word: SchemaWord, text: StaticString) -> Bool {
        guard let start = word.bytes.baseAddress, word.bytes.count == text.utf8CodeUnitCount else { return false }
        return memcmp(start, text.utf8Start, word.bytes.count) == 0
    }

    static func != (word: SchemaWord, text: StaticString) -> Bool { !(word == text) }

    static func ~= (text: StaticString, word: SchemaWord) -> Bool { word == text }
}
