// Which CPUs there are to run on.
import CLinux

/// The CPUs of this machine, as far as this process may use them.
public enum Processors {
    private static let maskSize = 1024 / 8

    /// The CPUs that the calling thread may run on, in ascending order; empty when the system does not say.
    public static var allowed: [Int] {
        var mask = [UInt8](repeating: 0, count: maskSize)
        let written = mask.withUnsafeMutableBytes { clinux_getaffinity($0.baseAddress, $0.count) }
        guard written > 0 else { return [] }
        return (0..<Swift.min(written, maskSize) * 8).filter { mask[$0 / 8] & (1 << UInt8($0 % 8)) != 0 }
    }

    /// Keeps the calling thread on one CPU. False when the system refuses.
    @discardableResult
    public static func pinThread(to cpu: Int) -> Bool {
        guard (0..<maskSize * 8).contains(cpu) else { return false }
        var mask = [UInt8](repeating: 0, count: maskSize)
        mask[cpu / 8] = 1 << UInt8(cpu % 8)
        return mask.withUnsafeBytes { clinux_setaffinity($0.baseAddress, $0.count) } == 0
    }
}
