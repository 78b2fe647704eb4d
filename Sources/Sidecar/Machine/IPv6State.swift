// Whether this network namespace has IPv6.
import Reactor

/// How much of IPv6 there is here.
public enum IPv6State {
    /// The kernel was built or started without it: there is nothing to redirect.
    case absent
    /// It is switched off for now (`disable_ipv6`): routes cannot be set.
    case off
    case on

    public static var ofThisNamespace: IPv6State {
        guard let off = try? FileContents.read("/proc/sys/net/ipv6/conf/lo/disable_ipv6", limit: 16) else {
            return .absent
        }
        return off.first == UInt8(ascii: "1") ? .off : .on
    }
}
