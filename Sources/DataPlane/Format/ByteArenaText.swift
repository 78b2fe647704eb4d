// Writing text and numbers into a ByteArena.
import Reactor

extension ByteArena {
    mutating func append(text: String) {
        var text = text
        text.withUTF8 { _ = append(ByteView(UnsafeRawBufferPointer($0))) }
    }

    mutating func append(literal: StaticString) {
        append(ByteView(literal))
    }

    mutating func append(decimal value: UInt64) {
        var digits = InlineArray<20, UInt8>(repeating: 0x30)
        var first = 20
        var rest = value
        repeat {
            first &-= 1
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            digits[first] = 0x30 &+ UInt8(truncatingIfNeeded: digit)
            rest = quotient
        } while rest > 0
        digits.span.withUnsafeBytes { _ = append(ByteView($0).dropFirst(first)) }
    }

    mutating func append(decimal value: Int64) {
        if value < 0 { append(byte: UInt8(ascii: "-")) }
        append(decimal: value.magnitude)
    }

    /// Exactly `width` digits (at most 20): zeros, or another `pad`, in front; higher digits are cut.
    mutating func append(decimal value: UInt64, width: Int, pad: UInt8 = UInt8(ascii: "0")) {
        var digits = InlineArray<20, UInt8>(repeating: pad)
        var place = 20
        var rest = value
        let end = 20 - Swift.min(Swift.max(width, 1), 20)
        repeat {
            place &-= 1
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            digits[place] = 0x30 &+ UInt8(truncatingIfNeeded: digit)
            rest = quotient
        } while rest > 0 && place > end
        digits.span.withUnsafeBytes { _ = append(ByteView($0).dropFirst(end)) }
    }

    /// All sixteen digits of a number.
    mutating func append(hex value: UInt64) { append(hex: value, digits: 16) }

    /// The lowest `digits` hexadecimal digits, at most 16, in lower case.
    mutating func append(hex value: UInt64, digits: Int) {
        var text = InlineArray<16, UInt8>(repeating: 0x30)
        let count = Swift.min(Swift.max(digits, 0), 16)
        var place = count
        var rest = value
        while place > 0 {
            place &-= 1
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            text[place] = digit < 10 ? 0x30 &+ digit : 0x57 &+ digit
            rest &>>= 4
        }
        text.span.withUnsafeBytes { _ = append(ByteView($0).prefix(count)) }
    }

    /// The address as Envoy prints it, without building a string.
    mutating func append(_ ip: IPAddress) {
        let address: IPv4Address
        switch ip {
        case .v4(let v4): address = v4
        case .v6(let v6): return v6.withText { _ = append($0) }
        }
        var shift: UInt32 = 24
        while true {
            append(decimal: UInt64(address.bits >> shift & 0xff))
            if shift == 0 { break }
            append(byte: UInt8(ascii: "."))
            shift &-= 8
        }
    }

    /// Address and port: "10.0.0.1:80", "[::1]:80", or a path.
    mutating func append(_ address: SocketAddress) {
        guard case .v4(let ip, let port) = address else { return append(text: address.description) }
        append(IPAddress.v4(ip))
        append(byte: UInt8(ascii: ":"))
        append(decimal: UInt64(port))
    }
}
