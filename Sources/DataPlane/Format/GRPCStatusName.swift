// The names of gRPC's status codes, as access logs print them.

/// `%GRPC_STATUS%`.
enum GRPCStatusName {
    /// "DeadlineExceeded" or "DEADLINE_EXCEEDED"; nil for a code that has no name.
    static func name(_ status: Int, snake: Bool) -> StaticString? {
        guard names.indices.contains(status) else { return nil }
        return snake ? names[status].snake : names[status].camel
    }

    private static let names: [(camel: StaticString, snake: StaticString)] = [
        ("OK", "OK"), ("Canceled", "CANCELLED"), ("Unknown", "UNKNOWN"), ("InvalidArgument", "INVALID_ARGUMENT"),
        ("DeadlineExceeded", "DEADLINE_EXCEEDED"), ("NotFound", "NOT_FOUND"), ("AlreadyExists", "ALREADY_EXISTS"),
        ("PermissionDenied", "PERMISSION_DENIED"), ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
        ("FailedPrecondition", "FAILED_PRECONDITION"), ("Aborted", "ABORTED"), ("OutOfRange", "OUT_OF_RANGE"),
        ("Unimplemented", "UNIMPLEMENTED"), ("Internal", "INTERNAL"), ("Unavailable", "UNAVAILABLE"),
        ("DataLoss", "DATA_LOSS"), ("Unauthenticated", "UNAUTHENTICATED"),
    ]
}
