// Users and groups by their names.
import Glibc

/// The accounts that this system knows. Blocks while it looks; main thread only.
public enum Accounts {
    /// The number of a user; nil when there is no such name.
    public static func userID(named name: String) -> UInt32? { getpwnam(name)?.pointee.pw_uid }

    /// The number of a group; nil when there is no such name.
    public static func groupID(named name: String) -> UInt32? { getgrnam(name)?.pointee.gr_gid }
}
