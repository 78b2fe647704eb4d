// A descriptor of a request, as the actions of a rate limit put it together.
import Reactor

/// Keys and values, in order. Room that is used again for each descriptor: in the long run it allocates nothing. Loop
/// thread only.
final class RequestDescriptor {
    @exclusivity(unchecked) private var text = ByteArena()
    /// Where each key and each value ends.
    @exclusivity(unchecked) private var ends: [(key: Int, value: Int)] = []
    /// For what actions have to decode first.
    @exclusivity(unchecked) var scratch = ByteArena()

    var count: Int { ends.count }

    func removeAll() {
        text.removeAll()
        ends.removeAll(keepingCapacity: true)
    }

    func append(key: ByteView, value: ByteView) {
        append(key: key) { _ = $0.append(value) }
    }

    /// - Parameter write: appends the value.
    func append(key: ByteView, _ write: (inout ByteArena) -> Void) {
        text.append(key)
        let end = text.count
        write(&text)
        ends.append((end, text.count))
    }

    func key(_ index: Int) -> ByteView {
        let start = index == 0 ? 0 : ends[index - 1].value
        return text.view(start, ends[index].key - start)
    }

    func value(_ index: Int) -> ByteView { text.view(ends[index].key, ends[index].value - ends[index].key) }

    /// Equal for equal descriptors of this process, and nobody outside can tell it: Swift's hashing has a random seed.
    var digest: Int {
        var hasher = Hasher()
        for end in ends {
            hasher.combine(end.key)
            hasher.combine(end.value)
        }
        hasher.combine(bytes: text.view.unsafeBytes)
        return hasher.finalize()
    }
}
