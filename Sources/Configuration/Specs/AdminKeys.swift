// The runtime keys of the admin port: who may change things by it, and a port beside it for stats alone.
import DataPlane
import Reactor

/// A text, a list or an address of the admin port, under a key of its own.
enum AdminKey: String, CaseIterable {
    case statsAddress = "outrider.admin.stats_address"
    case tokenFile = "outrider.admin.token_file"
    case users = "outrider.admin.allowed_users"

    /// What is wrong with a value; nil: nothing.
    func problem(_ value: RuntimeSpec.Value) -> String? {
        switch self {
        case .statsAddress:
            AdminKey.address(value) == nil
                ? "must be an address with its port, as in \"127.0.0.1:9902\", or the path of a Unix socket" : nil
        case .tokenFile: AdminKey.path(value) == nil ? "must be the whole path of a file" : nil
        case .users: AdminKey.users(value) == nil ? "must be numbers of users, as in \"0, 1337\"" : nil
        }
    }

    static func address(_ value: RuntimeSpec.Value) -> SocketAddress? {
        guard case .text(let text) = value else { return nil }
        if text.hasPrefix("/") {
            return text.utf8.count <= SocketAddress.maxUnixPathLength ? .unix(path: text) : nil
        }
        return SocketAddress(text)
    }

    static func path(_ value: RuntimeSpec.Value) -> String? {
        guard case .text(let text) = value, text.hasPrefix("/"), !text.utf8.contains(0) else { return nil }
        return text
    }

    static func users(_ value: RuntimeSpec.Value) -> Set<UInt32>? {
        switch value {
        case .number(let number): return UInt32(exactly: number).map { [$0] }
        case .text(let text):
            let users = text.split(separator: ",", omittingEmptySubsequences: false).map { part -> UInt32? in
                let digits = part.filter { $0 != " " }
                return digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt32(digits) : nil
            }
            return users.contains(nil) ? nil : Set(users.compactMap(\.self))
        case .fraction: return nil
        }
    }
}

extension SpecContext {
    private func value(_ key: AdminKey) -> RuntimeSpec.Value? {
        use(runtimeKey: key.rawValue)
        return runtime.values[key.rawValue]
    }

    func adminChanges() -> AdminChangesSpec {
        var spec = AdminChangesSpec()
        spec.tokenFile = value(.tokenFile).flatMap(AdminKey.path)
        spec.users = value(.users).flatMap(AdminKey.users) ?? []
        return spec
    }

    func statsAddress() -> SocketAddress? { value(.statsAddress).flatMap(AdminKey.address) }
}
