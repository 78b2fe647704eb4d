// Pieces of JSON that several pages are made of.
import Configuration
import HTTPWire
import Reactor

/// Before the names of Envoy's messages in `@type`.
let envoyTypePrefix = "type.googleapis.com/envoy."

extension JSONValue {
    /// An object; members whose value is nil are left out, as protobuf's JSON leaves out what is not set.
    static func members(_ members: (String, JSONValue?)...) -> JSONValue {
        .object(members.compactMap { name, value in value.map { (key: name, value: $0) } })
    }

    /// An array, or nil when there is nothing in it.
    static func list(_ elements: [JSONValue]) -> JSONValue? { elements.isEmpty ? nil : .array(elements) }

    /// A number of at most 32 bits; 64 bits are strings in protobuf's JSON.
    static func whole(_ value: some BinaryInteger) -> JSONValue { .number("\(value)") }

    /// The digits of a number, without a fraction where there is none.
    static func text(_ number: Double) -> String {
        let text = "\(number)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// `envoy.type.v3.Percent`; one that is less than nothing is left out, as by Envoy.
    static func percent(_ percent: Double?) -> JSONValue? {
        guard let percent, percent >= 0 else { return nil }
        // A field that is zero is not written.
        return .members(("value", percent == 0 ? nil : .number(text(percent))))
    }

    /// `envoy.config.core.v3.Address`.
    static func address(_ address: SocketAddress) -> JSONValue {
        guard let ip = address.ip else {
            return .members(("pipe", .members(("path", .string(address.description)))))
        }
        return .members(
            (
                "socket_address",
                .members(("address", .string(ip.description)), ("port_value", .whole(address.port)))
            ))
    }

    /// RFC 3339 in UTC, to the second.
    static func time(unixSeconds: Int64) -> JSONValue { .string(rfc3339(unixSeconds) + "Z") }

    /// RFC 3339 in UTC, to the millisecond.
    static func time(_ time: WallTime) -> JSONValue { .string(timeText(time)) }

    /// The same as a text.
    static func timeText(_ time: WallTime) -> String {
        let milliseconds = String(1000 + time.nanosecondOfSecond / 1_000_000).dropFirst()
        return rfc3339(time.unixSeconds) + "." + milliseconds + "Z"
    }

    private static func rfc3339(_ unixSeconds: Int64) -> String {
        let date = HTTPDate(unixSeconds: unixSeconds)
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let day = [padded(date.year, 4), padded(date.month, 2), padded(date.day, 2)].joined(separator: "-")
        let time = [padded(date.hour, 2), padded(date.minute, 2), padded(date.second, 2)].joined(separator: ":")
        return day + "T" + time
    }
}

extension AdminAnswer {
    /// A JSON page, printed as Envoy prints it.
    init(_ json: JSONValue) {
        self.init(json.rendered() + [UInt8(ascii: "\n")], .json)
    }
}
