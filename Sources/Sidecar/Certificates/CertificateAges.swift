// What a log tells of certificates: which are in use, and which are getting old.
import Logging
import Reactor

/// Knows every certificate in use once, however many contexts have it. Main thread only.
///
/// Of our own certificates it warns when two thirds of their life are over (whoever renews them should have done so by
/// then), and of these and of CAs when they have expired or are not valid yet; once each.
final class CertificateAges {
    private enum Word: Int {
        case none
        case old
        case invalid
    }

    /// Where a certificate comes from, and what it says there.
    private struct Source: Hashable {
        let name: String
        let pem: [UInt8]
    }

    private struct Known {
        let details: CertificateDetails
        let isOurs: Bool
        var said = Word.none
    }

    private let log: Logger
    private var known: [Source: Known] = [:]

    init(log: Logger) { self.log = log }

    /// Takes note of what is in use now: says what is new, forgets what is gone, warns of what is old.
    ///
    /// - Parameter now: unix seconds.
    func follow(_ contexts: [TLSContextSpec], now: Int64) {
        var newer: [Source: Known] = [:]
        func add(_ source: Source, isOurs: Bool, _ details: () -> CertificateDetails?) {
            if newer[source] != nil { return }
            if let old = known[source] {
                newer[source] = old
            } else if let details = details() {
                newer[source] = Known(details: details, isOurs: isOurs)
                log.info("\(isOurs ? "certificate" : "CA") \(details.summary)")
            }
        }
        for context in contexts {
            for (index, one) in context.certificates.enumerated() {
                add(Source(name: one.chainName, pem: one.chainPEM), isOurs: true) {
                    let all = context.certificateDetails.certChain
                    return all.indices.contains(index) ? all[index] : nil
                }
            }
            if let pem = context.trustedCA {
                add(Source(name: context.trustedCAName, pem: pem), isOurs: false) {
                    context.certificateDetails.caCert.first
                }
            }
        }
        known = newer
        warn(now: now)
    }

    /// To be called now and then.
    func warn(now: Int64) {
        for (source, one) in known {
            let word: Word
            let text: String
            if let warning = one.details.warning(now: now) {
                (word, text) = (.invalid, warning)
            } else if one.isOurs, let warning = one.details.renewalWarning(now: now) {
                (word, text) = (.old, warning)
            } else {
                // A clock that was set: what was said is not so any more.
                known[source]?.said = .none
                continue
            }
            if word.rawValue > one.said.rawValue { log.warning("\(text)") }
            known[source]?.said = word
        }
    }
}
