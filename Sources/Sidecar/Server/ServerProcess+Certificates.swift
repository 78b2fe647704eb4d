// What the process does about certificates while it runs: follows their files, and tells of their age.
import DataPlane
import Reactor

extension ServerProcess {
    /// How often the age of certificates is looked at.
    private static let ageInterval = TimeAmount.minutes(1)

    /// The workers were told to build their listeners: what is replaced reaches each after that.
    func followCertificates() throws(SystemError) {
        tellOfCertificates()
        ageCheck = Tick(loop: loop, every: ServerProcess.ageInterval) { [unowned self] in
            certificateAges.warn(now: loop.wallNow.unixSeconds)
        }
        guard !configuration.tlsSources.sources.isEmpty || dynamic != nil else { return }
        certificateReload = try CertificateReload(
            configuration.tlsSources, inUse: certificates, secretStats: SecretStats(cells),
            shown: dynamicConfiguration, workers: workers.count, loop: loop, log: secretLog,
            replaced: { [unowned self] in tellOfCertificates() },
            send: { [unowned self] replacements in
                for (worker, replacement) in zip(workers, replacements) {
                    worker.perform { $0.replaceTLS(replacement) }
                }
            })
        listenerManager.sourcesAdded = { [unowned self] sources in
            certificateReload?.add([sources])
            tellOfCertificates()
        }
        listenerManager.ownersGone = { [unowned self] in certificateReload?.remove($0) }
    }

    /// Follows the files of keys that listeners have, those that come later, too.
    func followKeySets() {
        listenerManager.keySetsAdded = { [unowned self] in addKeySets($0) }
        addKeySets(listenerManager.keySetFiles)
    }

    private func addKeySets(_ files: [KeySetFile]) {
        guard !files.isEmpty else { return }
        do throws(SystemError) {
            if keySetReload == nil {
                keySetReload = try KeySetReload(
                    pollInterval: configuration.tlsSources.pollInterval, loop: loop, log: secretLog)
            }
            keySetReload?.follow(files)
        } catch {
            log.warning("files of keys are not followed: \(error)")
        }
    }

    private func tellOfCertificates() {
        certificateAges.follow(certificates.all, now: loop.wallNow.unixSeconds)
    }
}
