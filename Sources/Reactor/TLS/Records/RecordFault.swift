// What can be wrong with a record, in OpenSSL's numbers, so that it reads as if OpenSSL had found it.
import COpenSSL

/// Why a session cannot go on.
struct RecordFault: Equatable {
    /// OpenSSL's reason, for the failure's words and counters.
    let reason: Int32
    /// What the peer is told (RFC 8446 §6.2); nil when it was the peer who ended the session by an alert.
    let alert: Int32?

    private init(_ reason: Int32, _ alert: Int32?) {
        self.reason = reason
        self.alert = alert
    }

    static let badMAC = RecordFault(SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, SSL_AD_BAD_RECORD_MAC)
    static let tooLong = RecordFault(SSL_R_DATA_LENGTH_TOO_LONG, SSL_AD_RECORD_OVERFLOW)
    static let tooShort = RecordFault(SSL_R_LENGTH_TOO_SHORT, SSL_AD_DECODE_ERROR)
    static let wrongVersion = RecordFault(SSL_R_WRONG_VERSION_NUMBER, SSL_AD_PROTOCOL_VERSION)
    static let unexpectedRecord = RecordFault(SSL_R_UNEXPECTED_RECORD, SSL_AD_UNEXPECTED_MESSAGE)
    static let unexpectedMessage = RecordFault(SSL_R_UNEXPECTED_MESSAGE, SSL_AD_UNEXPECTED_MESSAGE)
    static let notAtRecordEnd = RecordFault(SSL_R_NOT_ON_RECORD_BOUNDARY, SSL_AD_UNEXPECTED_MESSAGE)
    static let badKeyUpdate = RecordFault(SSL_R_BAD_KEY_UPDATE, SSL_AD_ILLEGAL_PARAMETER)
    static let invalidAlert = RecordFault(SSL_R_INVALID_ALERT, SSL_AD_UNEXPECTED_MESSAGE)
    /// More records without data, one behind the other, than anybody needs.
    static let tooManyWithoutData = RecordFault(SSL_R_RECORD_TOO_SMALL, SSL_AD_UNEXPECTED_MESSAGE)
    /// OpenSSL would not encrypt.
    static let cannotSeal = RecordFault(Int32(ERR_R_INTERNAL_ERROR), nil)

    /// The peer's alert.
    static func alerted(_ description: UInt8) -> RecordFault {
        RecordFault(SSL_AD_REASON_OFFSET + Int32(description), nil)
    }
}
