// What the demo shows: plain lines, and on a terminal a block that is drawn again in place.
import Glibc
import Reactor

/// Standard output. Main thread only.
final class DemoScreen {
    let isTerminal = isatty(STDOUT_FILENO) == 1
    /// Nobody reads any more.
    private(set) var isClosed = false
    private let file: AppendFile
    private var blockHeight = 0

    init() throws(SystemError) { file = try AppendFile(.standardOutput) }

    func say(_ text: String) {
        blockHeight = 0
        write(text + "\n")
    }

    /// Replaces the block that was shown last, if nothing was said since. Lines should fit into 80 columns.
    func show(_ lines: [String]) {
        var text = blockHeight > 0 ? "\u{1b}[\(blockHeight)A" : ""
        for line in lines { text += "\r\(line)\u{1b}[K\n" }
        blockHeight = lines.count
        write(text)
    }

    private func write(_ text: String) {
        guard !isClosed else { return }
        FixedBytes(text).withView { bytes in
            if file.write(bytes) != nil { isClosed = true }
        }
    }
}
