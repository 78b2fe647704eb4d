// Fuzzes HTTP/2 sessions, server and client, in memory.
//
// The first byte chooses the role, the settings and how the input is cut; the second whether the rest is raw bytes or a
// list of frames (type, flags, stream, length, payload), which gets deeper. Nothing may crash, what a session sends must
// be whole frames, and when it is over no memory may be left in it.
import CFuzzer
import Glibc
import HTTPWire
import Reactor

func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    var rest = UnsafeBufferPointer(start: data, count: size)[...]
    let pool = SlabPool(keepLimit: 0)
    do {
        let run = SessionRun(choices: rest.popFirst() ?? 0, pool: pool)
        let isFramed = (rest.popFirst() ?? 0) & 1 == 0
        run.feed(isFramed ? frames(&rest) : Array(rest))
        run.end()
    }
    if pool.slabsInUse != 0 { fatalError("\(pool.slabsInUse) slabs are left") }
    return 0
}

/// Frames with right lengths out of anything.
func frames(_ rest: inout Slice<UnsafeBufferPointer<UInt8>>) -> [UInt8] {
    var bytes: [UInt8] = []
    while let kind = rest.popFirst() {
        let flags = rest.popFirst() ?? 0
        let stream = rest.popFirst() ?? 0
        let payload = rest.prefix(Int(rest.popFirst() ?? 0))
        rest = rest.dropFirst(payload.count)
        bytes += [0, 0, UInt8(payload.count), kind % 12, flags, 0, 0, 0, stream & 15] + payload
    }
    return bytes
}

var argumentCount = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(LLVMFuzzerRunDriver(&argumentCount, &arguments, fuzz))
