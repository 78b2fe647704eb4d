// The version, in the forms that the command line, the admin port and the stats show.

public enum Version {
    public static let text = "0.1.0"
    /// What control planes are told.
    static let parts = (major: UInt32(0), minor: UInt32(1), patch: UInt32(0))
    /// `server.version`: major, minor and patch as one number.
    static let number: Int64 = 100
    /// `--version`.
    public static let line = "outrider version: \(text) (Envoy API v3, OpenSSL 3)"
}
