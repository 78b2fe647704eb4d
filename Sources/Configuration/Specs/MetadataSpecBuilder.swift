// Metadata: which of it somebody reads, and what is kept.
import DataPlane
import EnvoyAPI
import SwiftProtobuf

/// Who reads metadata of a configuration.
struct MetadataUse: Sendable {
    /// Listeners, routes or clusters come later, and may read anything.
    var isOpen = false
    private(set) var formats: Set<MetadataReference> = []

    mutating func add(_ references: Set<MetadataReference>) { formats.formUnion(references) }

    func reads(_ namespace: String, of place: MetadataPlace) -> Bool {
        isOpen || formats.contains(MetadataReference(place, namespace))
    }
}

extension API.Metadata {
    /// What metadata are to hold; nil: nothing.
    static func labels(_ labels: Google_Protobuf_Struct, in namespace: String) -> Metadata? {
        if labels.fields.isEmpty { return nil }
        var message = API.Metadata()
        message.filterMetadata = [namespace: labels]
        return message.kept { _ in true }
    }

    /// The namespaces that `isKept` says, in the form that is shared where it is equal; nil: none of them is there.
    func kept(_ isKept: (_ namespace: String) -> Bool) -> Metadata? {
        var message = API.Metadata()
        message.filterMetadata = filterMetadata.filter { isKept($0.key) }
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        // Cannot fail: it was read from the same form.
        guard let bytes: [UInt8] = try? message.serializedBytes(options: options) else { return nil }
        return Metadata.shared(bytes)
    }
}

extension SpecContext {
    /// What is kept of somebody's metadata.
    ///
    /// - Parameter others: namespaces that are read besides what formats do.
    func metadata(_ message: API.Metadata, of place: MetadataPlace, others: Set<String> = []) -> Metadata? {
        // Listeners and routes are read before all formats are known, and are few beside their hosts.
        let isKept = place != .cluster && place != .host
        return message.kept { isKept || others.contains($0) || metadataUse.reads($0, of: place) }
    }
}
