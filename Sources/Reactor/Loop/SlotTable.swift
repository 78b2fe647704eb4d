// Who gets which epoll event: a table of handlers, each slot with a generation that tells stale events apart.
import CLinux

/// What epoll reported about a file descriptor.
struct IOEvents {
    let bits: UInt32

    var canRead: Bool { bits & UInt32(EPOLLIN.rawValue) != 0 }
    var canWrite: Bool { bits & UInt32(EPOLLOUT.rawValue) != 0 }
    /// The peer has sent its FIN.
    var peerFinished: Bool { bits & UInt32(EPOLLRDHUP.rawValue | EPOLLHUP.rawValue) != 0 }
    /// The socket is in error, or both directions are shut.
    var isBroken: Bool { bits & UInt32(EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 }

    /// For sockets that are read and written until they would block: registered once, for both directions.
    static let edgeTriggered = UInt32(EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue) | 1 << 31
    /// For descriptors that are looked at again as long as something is there.
    static let readable = UInt32(EPOLLIN.rawValue)
    static let writable = UInt32(EPOLLOUT.rawValue)
    /// For files of the kernel that announce changes.
    static let exceptional = UInt32(EPOLLPRI.rawValue)
    /// Wakes one of several loops that wait for the same descriptor.
    static let exclusive = UInt32(1) << 28
}

/// Gets the events of one file descriptor, on the loop's thread.
protocol IOHandler: AnyObject {
    func ioReady(_ events: IOEvents)
}

/// A registration: index of the slot and its generation.
struct SlotKey: Equatable {
    let bits: UInt64
    var index: Int { Int(truncatingIfNeeded: bits & 0xffff_ffff) }
    var generation: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) }

    init(bits: UInt64) { self.bits = bits }
    init(index: Int, generation: UInt32) {
        bits = UInt64(generation) << 32 | UInt64(UInt32(truncatingIfNeeded: index))
    }
}

/// Handlers by slot. Retains each handler while it is in the table.
struct SlotTable: ~Copyable {
    private struct Slot {
        var handler: (any IOHandler)?
        var generation: UInt32 = 1
        var nextFree: UInt32
    }

    private var slots: UnsafeMutablePointer<Slot>
    private var capacity: Int
    /// Slots from here on were never in use: their memory is not touched before they are.
    private var touched = 0
    private var firstFree: UInt32 = 0
    /// Slots in use.
    private(set) var count = 0

    init(capacity: Int = 64) {
        self.capacity = capacity
        slots = .allocate(capacity: capacity)
    }

    deinit {
        slots.deinitialize(count: touched)
        slots.deallocate()
    }

    mutating func insert(_ handler: any IOHandler) -> SlotKey {
        if firstFree == touched { touch() }
        let index = Int(firstFree)
        firstFree = slots[index].nextFree
        slots[index].handler = handler
        count &+= 1
        return SlotKey(index: index, generation: slots[index].generation)
    }

    /// The handler, or nil when the slot has been freed since the key was made.
    func handler(of key: SlotKey) -> (any IOHandler)? {
        let index = key.index
        guard index < touched, slots[index].generation == key.generation else { return nil }
        return slots[index].handler
    }

    mutating func remove(_ key: SlotKey) {
        let index = key.index
        guard index < touched, slots[index].generation == key.generation else { return }
        slots[index].handler = nil
        slots[index].generation &+= 1
        slots[index].nextFree = firstFree
        firstFree = UInt32(truncatingIfNeeded: index)
        count &-= 1
    }

    /// Brings one more slot into use.
    private mutating func touch() {
        if touched == capacity {
            let bigger = UnsafeMutablePointer<Slot>.allocate(capacity: capacity * 2)
            bigger.moveInitialize(from: slots, count: capacity)
            slots.deallocate()
            slots = bigger
            capacity *= 2
        }
        (slots + touched).initialize(to: Slot(nextFree: UInt32(truncatingIfNeeded: touched + 1)))
        touched += 1
    }
}
