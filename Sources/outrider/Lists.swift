// Lists on the command line: ports, ids, networks.
import ArgumentParser
import Reactor
import Sidecar

func list(_ text: String) -> [String] {
    text.split(separator: ",").map { String($0) }
}

func portRanges(_ text: String) throws -> [PortRange] {
    try list(text).map { part in
        guard let range = PortRange(part), range.first > 0 else {
            throw ValidationError("'\(part)' is neither a port nor a range of ports like 8000-8010")
        }
        return range
    }
}

func ids(_ text: String) throws -> [IDRange] {
    try list(text).map { part in
        guard let range = IDRange(part) else {
            throw ValidationError("'\(part)' is neither a number nor a range like 1000-1999")
        }
        return range
    }
}

func networks(_ text: String) throws -> [CIDRRange] {
    try list(text).map { part in
        guard let range = CIDRRange(part) else {
            throw ValidationError("'\(part)' is neither an address nor a network like 10.0.0.0/8")
        }
        return range
    }
}

func account(_ text: String, _ named: (String) -> UInt32?) throws -> IDRange {
    guard let number = UInt32(text) ?? named(text) else {
        throw ValidationError("'\(text)' is neither a number nor a name that this system knows")
    }
    return IDRange(number)
}
