// Up to eight bytes as one number, wherever they lie in a view.
import Reactor
import Testing

@testable import HTTPWire

@Suite struct ByteWordsTests {
    @Test func shortWordsAreTheirBytes() {
        let bytes = (0..<24).map { UInt8(0xf0 - $0 * 7) }
        for size in 0...bytes.count {
            bytes.prefix(size).withUnsafeBytes { part in
                let view = ByteView(part)
                for index in 0...size {
                    for length in 0...min(8, size - index) {
                        let expected = (0..<length).reduce(UInt64(0)) {
                            $0 | UInt64(bytes[index + $1]) << UInt64(8 * $1)
                        }
                        #expect(
                            view.shortWord(at: index, length: length) == expected, "\(length) at \(index) of \(size)")
                    }
                }
            }
        }
    }
}
