// Letting a thread sleep where nothing else can be done: at the end of a process.
import Glibc

/// Blocking waits. Never on a thread whose loop still has work.
public enum Pause {
    /// Sleeps; a signal may end it early.
    public static func blocking(for amount: TimeAmount) {
        let nanoseconds = max(0, amount.nanoseconds)
        var time = timespec(
            tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        nanosleep(&time, nil)
    }
}
