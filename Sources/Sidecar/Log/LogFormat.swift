// The pattern language of `--log-format`: spdlog's flags, compiled once.
import Glibc
import Reactor

/// A compiled log pattern. Unknown flags are printed as they are written, as spdlog does.
public struct LogFormat: Sendable {
    /// Envoy's default pattern.
    public static let envoyDefault = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v"

    private enum Piece: Sendable {
        case text(String)
        case flag(Character)
    }

    /// What one line is made of.
    struct Record {
        var level: String
        var component: String
        var message: String
        var file: String
        var line: UInt
        var function: String
    }

    private let pieces: [Piece]

    public init(_ pattern: String) {
        var pieces: [Piece] = []
        var text = ""
        var rest = pattern[...]
        while let character = rest.popFirst() {
            guard character == "%", let flag = rest.popFirst() else {
                text.append(character)
                continue
            }
            if flag == "%" {
                text.append("%")
                continue
            }
            if !text.isEmpty {
                pieces.append(.text(text))
                text = ""
            }
            pieces.append(.flag(flag))
        }
        if !text.isEmpty { pieces.append(.text(text)) }
        self.pieces = pieces
    }

    /// One line without its newline. `now` is the wall clock.
    func render(_ record: Record, at now: timespec) -> String {
        var seconds = now.tv_sec
        var local = tm()
        localtime_r(&seconds, &local)
        var out = ""
        for piece in pieces {
            switch piece {
            case .text(let text): out += text
            case .flag(let flag): Self.append(flag, record, now, local, to: &out)
            }
        }
        return out
    }

    private static func append(_ flag: Character, _ record: Record, _ now: timespec, _ local: tm, to out: inout String)
    {
        switch flag {
        case "v": out += record.message
        case "n": out += record.component
        case "l": out += record.level
        case "L": out += record.level.prefix(1).uppercased()
        case "Y": out += String(1900 + Int(local.tm_year))
        case "m": out += padded(Int(local.tm_mon) + 1, 2)
        case "d": out += padded(Int(local.tm_mday), 2)
        case "H": out += padded(Int(local.tm_hour), 2)
        case "M": out += padded(Int(local.tm_min), 2)
        case "S": out += padded(Int(local.tm_sec), 2)
        case "T":
            out += padded(Int(local.tm_hour), 2) + ":" + padded(Int(local.tm_min), 2) + ":"
            out += padded(Int(local.tm_sec), 2)
        case "e": out += padded(now.tv_nsec / 1_000_000, 3)
        case "f": out += padded(now.tv_nsec / 1000, 6)
        case "F": out += padded(now.tv_nsec, 9)
        case "E": out += String(now.tv_sec)
        case "t": out += String(LoopThread.currentID)
        case "P": out += String(getpid())
        case "g": out += record.file
        case "s": out += record.file.split(separator: "/").last.map(String.init) ?? record.file
        case "#": out += String(record.line)
        case "!": out += record.function
        case "^", "$": break
        default: out += "%" + String(flag)
        }
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
