// ByteView, FixedBytes and ByteArena: comparing, searching, numbers, growth.
import Reactor
import Testing

@Suite struct ByteViewTests {
    @Test func slicesClampAndCompare() {
        let view = ByteView("hello world")
        #expect(view.count == 11)
        #expect(view.prefix(5).equals("hello"))
        #expect(view.prefix(50) == view)
        #expect(view.prefix(-1).isEmpty)
        #expect(view.suffix(5).equals("world"))
        #expect(view.dropFirst(6).equals("world"))
        #expect(view.dropFirst(60).isEmpty)
        #expect(view.dropLast(6).equals("hello"))
        #expect(view.slice(4..<7).string == "o w")
        #expect(view.first == UInt8(ascii: "h") && view.last == UInt8(ascii: "d"))
        #expect(ByteView().first == nil && ByteView().last == nil)
        #expect(view.hasPrefix("hell") && !view.hasPrefix("hello world!"))
        #expect(view.hasSuffix("rld") && view.hasSuffix(ByteView()))
        #expect(view != ByteView("hello worlD"))
        let text = "hello world"
        #expect(view.equals(text: text))
    }

    @Test func ignoresCaseOfLettersOnly() {
        #expect(ByteView("Content-LENGTH").equalsIgnoringCase("content-length"))
        #expect(!ByteView("a[b").equalsIgnoringCase("a{b"))
        #expect(!ByteView("@@").equalsIgnoringCase("``"))
        for seed in [UInt64(0), 7, .max] {
            let upper = ByteView("X-Forwarded-FOR-Something_LONG@[`{")
            let lower = ByteView("x-forwarded-for-something_long@[`{")
            #expect(upper.hashIgnoringCase(seed: seed) == lower.hashIgnoringCase(seed: seed))
            #expect(upper.hash(seed: seed) != lower.hash(seed: seed))
            #expect(lower.hash(seed: seed) == lower.hashIgnoringCase(seed: seed))
        }
        #expect(ByteView("ab[").hashIgnoringCase() != ByteView("ab{").hashIgnoringCase())
    }

    @Test func everyByteLowersAsOneAndAsWord() {
        for byte in UInt8.min...UInt8.max {
            let lowered = byte.asciiLowercased
            let isUpper = byte >= 0x41 && byte <= 0x5a
            #expect(lowered == (isUpper ? byte + 32 : byte))
            let eight = [UInt8](repeating: byte, count: 8)
            let eightLowered = [UInt8](repeating: lowered, count: 8)
            eight.withUnsafeBytes { left in
                eightLowered.withUnsafeBytes { right in
                    #expect(ByteView(left).hashIgnoringCase() == ByteView(right).hash())
                }
            }
        }
    }

    @Test func findsBytesAndRanges() {
        let view = ByteView("a,b,,c")
        #expect(view.firstIndex(of: UInt8(ascii: ",")) == 1)
        #expect(view.firstIndex(of: UInt8(ascii: ","), from: 2) == 3)
        #expect(view.firstIndex(of: UInt8(ascii: ","), from: 6) == nil)
        #expect(view.firstIndex(of: UInt8(ascii: "x")) == nil)
        #expect(view.lastIndex(of: UInt8(ascii: ",")) == 4)
        #expect(view.firstRange(of: ByteView(",,")) == 3..<5)
        #expect(view.firstRange(of: ByteView(",,,")) == nil)
        #expect(ByteView().firstIndex(of: 0) == nil)
        #expect(ByteView(" \t x y\t ").trimmingOWS.equals("x y"))
        #expect(ByteView(" \t ").trimmingOWS.isEmpty)
    }

    @Test func readsNumbersWithoutTrapping() {
        #expect(ByteView("0").decimal == 0)
        #expect(ByteView("18446744073709551615").decimal == .max)
        for bad in ["", "18446744073709551616", "99999999999999999999999", "-1", "+1", "1 ", " 1", "1a", "0x1"] {
            #expect(FixedBytes(bad).withView { $0.decimal } == nil)
        }
        #expect(ByteView("fFfFfFfFfFfFfFfF").hexadecimal == .max)
        #expect(ByteView("00000000000000000001a").hexadecimal == 26)
        for bad in ["", "10000000000000000", "g", "-1", "1;", " 1"] {
            #expect(FixedBytes(bad).withView { $0.hexadecimal } == nil)
        }
    }

    @Test func fixedBytesKeepTheirCopy() {
        #expect(FixedBytes([1, 2, 3]).withView { $0.array } == [1, 2, 3])
        #expect(FixedBytes("").count == 0)
        #expect(FixedBytes(ByteView("xyz")).string == "xyz")
    }

    @Test func arenaOffsetsSurviveGrowth() {
        var arena = ByteArena()
        var places: [(Int, String)] = []
        for number in 0..<500 {
            let text = "value-\(number)"
            places.append((arena.append(text), text))
        }
        for (offset, text) in places {
            #expect(arena.view(offset, text.utf8.count).equals(text: text))
        }
        let before = arena.count
        let copy = arena.append(arena.view)
        #expect(copy == before && arena.count == 2 * before)
        #expect(arena.view(0, before) == arena.view(before, before))
        arena.overwrite(at: 0, ByteView("VALUE"))
        #expect(arena.view(0, 7).equals("VALUE-0"))
        arena.truncate(to: 5)
        arena.append(byte: 33)
        #expect(arena.view.equals("VALUE!"))
        let capacity = arena.capacity
        arena.removeAll()
        #expect(arena.count == 0 && arena.capacity == capacity)
        arena.removeAll(keepingCapacity: false)
        #expect(arena.capacity == 0 && arena.view.isEmpty)
    }
}
