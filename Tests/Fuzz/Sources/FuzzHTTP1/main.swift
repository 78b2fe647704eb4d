// Fuzzes the HTTP/1 parsers, the serializer, the header map and the path and authority rules.
//
// The first byte of an input chooses what the rest is: a client's bytes, an upstream's bytes, changes of a header map,
// or a path and an authority. Nothing may crash, and each part checks what must hold for any input at all.
import CFuzzer
import Glibc

func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    var input = Input(UnsafeBufferPointer(start: data, count: size))
    switch input.byte() & 3 {
    case 0: fuzzRequests(&input)
    case 1: fuzzResponse(&input)
    case 2: fuzzHeaderMap(&input)
    default: fuzzRules(&input)
    }
    return 0
}

var argumentCount = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(LLVMFuzzerRunDriver(&argumentCount, &arguments, fuzz))
