// What becomes of the answers that the proxy makes itself.

/// `LocalReplyConfig` of a connection manager.
public struct LocalReplySpec: Sendable {
    /// The first that matches changes the answer.
    public var mappers: [Mapper] = []
    /// The body of every answer that no mapper has a format of its own for; nil: as it is.
    public var format: BodyFormat?

    public init() {}

    /// `ResponseMapper`: nil leaves a part of the answer as it is.
    public struct Mapper: Sendable {
        public var filter: AccessLogFilterSpec
        public var status: Int?
        public var body: [UInt8]?
        public var headersToAdd: [HeaderAddSpec] = []
        public var format: BodyFormat?

        public init(filter: AccessLogFilterSpec) { self.filter = filter }
    }

    /// A format with the content type of what it makes.
    public struct BodyFormat: Sendable {
        public var format: AccessLogFormatSpec
        public var contentType: String

        public init(_ format: AccessLogFormatSpec, contentType: String) {
            self.format = format
            self.contentType = contentType
        }
    }
}
