// Fuzzes the configuration loader: from the text of a file, and of --config-yaml, to checked specs.
//
// An input is a bootstrap; what stands behind its first NUL is laid over it. Nothing may crash, and what must hold for any
// text is checked. Texts that name devices are left out: reading one may never end.
import CFuzzer
import Configuration
import Glibc

nonisolated(unsafe) private let known = ConfigurationLoader.KnownMessages()

/// What a load came to: the configuration, or its problems.
private enum Outcome {
    case loaded(LoadedConfiguration)
    case refused(ConfigurationErrors)

    init(_ text: [UInt8], overlay: [UInt8]? = nil, allowUnknown: Bool = false) {
        var options = ConfigurationLoader.Options()
        options.allowUnknownStaticFields = allowUnknown
        do throws(ConfigurationErrors) {
            self = .loaded(
                try ConfigurationLoader.load(
                    text: text, name: "f", overlayYAML: overlay, options: options, known: known))
        } catch {
            self = .refused(error)
        }
    }
}

/// Stops the fuzzer with the input kept.
private func check(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError(what()) }
}

/// Every problem stands in the text that it is told of.
private func checkPlaces(_ errors: ConfigurationErrors, _ text: [UInt8], _ overlay: [UInt8]?) {
    check(!errors.issues.isEmpty, "refused without a reason")
    for issue in errors.issues {
        let source = issue.source == "f" ? text : overlay ?? []
        // YAML ends lines with CR, LF, NEL, LS and PS; counting bytes that may do so is enough of a bound.
        let most = source.reduce(2) { $0 + ([0x0a, 0x0d, 0x85, 0xa8, 0xa9].contains($1) ? 1 : 0) }
        check(issue.line <= most, "line \(issue.line) of \(most): \(issue)")
        check(!issue.message.isEmpty && !issue.description.contains("\n"), "not one line: \(issue)")
    }
}

/// What `/config_dump` shows of a configuration loads again, and shows the same.
private func checkDump(_ configuration: LoadedConfiguration) {
    let dump = configuration.dump.bootstrap().rendered(pretty: false)
    if String(decoding: dump, as: UTF8.self).contains("[redacted]") { return }
    switch Outcome(Array(dump), allowUnknown: true) {
    case .loaded(let again):
        let other = again.dump.bootstrap().rendered(pretty: false)
        check(dump == other, "two dumps differ: \(String(decoding: dump, as: UTF8.self))")
    case .refused(let errors):
        fatalError("a dump is refused: \(errors)\n\(String(decoding: dump, as: UTF8.self))")
    }
}

func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let input = Array(UnsafeBufferPointer(start: data, count: size))
    let lowercased = String(decoding: input, as: UTF8.self).lowercased()
    if ["/dev", "/proc", "/sys", "\\"].contains(where: { lowercased.contains($0) }) { return -1 }
    let parts = input.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    let text = Array(parts[0])
    let overlay = parts.count > 1 ? Array(parts[1]) : nil
    switch Outcome(text, overlay: overlay) {
    case .loaded(let configuration):
        checkDump(configuration)
        if case .refused(let errors) = Outcome(text, overlay: overlay, allowUnknown: true) {
            fatalError("refused only when more is allowed: \(errors)")
        }
    case .refused(let errors):
        checkPlaces(errors, text, overlay)
        _ = Outcome(text, overlay: overlay, allowUnknown: true)
    }
    return 0
}

var argumentCount = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(LLVMFuzzerRunDriver(&argumentCount, &arguments, fuzz))
