// A claim on a connection that is not there yet, and the queue that such claims wait in.

/// Takes claims back.
protocol PoolTicketHolder: AnyObject {
    func cancel(serial: UInt64)
}

/// A request that waits for a connection. Loop thread only.
public struct PoolTicket {
    let holder: any PoolTicketHolder
    let serial: UInt64

    /// Takes the request back: the waiter hears nothing more. Does nothing when it was answered already.
    public func cancel() { holder.cancel(serial: serial) }
}

/// Waiters in the order in which they came. Removal from the middle leaves a hole that is skipped.
struct PendingQueue {
    private struct Entry {
        var waiter: (any PoolWaiter)?
        var fresh: Bool
    }

    private var entries: [Entry] = []
    /// Entries before this one are used up.
    private var head = 0
    private var firstSerial: UInt64 = 0
    /// Waiters in the queue.
    private(set) var count = 0

    /// Returns the waiter's serial. `fresh`: it must not get a connection that served a request before.
    mutating func append(_ waiter: any PoolWaiter, fresh: Bool) -> UInt64 {
        entries.append(Entry(waiter: waiter, fresh: fresh))
        count += 1
        return firstSerial &+ UInt64(entries.count - 1)
    }

    /// The first waiter for a connection. A new connection goes to the first that needs one, if any does.
    mutating func take(forNewConnection isNew: Bool) -> (any PoolWaiter)? {
        var chosen: Int?
        for index in head..<entries.count where entries[index].waiter != nil {
            if entries[index].fresh == isNew {
                chosen = index
                break
            }
            if isNew && chosen == nil { chosen = index }
        }
        return chosen.flatMap { remove(at: $0) }
    }

    mutating func remove(serial: UInt64) -> (any PoolWaiter)? {
        guard serial >= firstSerial, serial &- firstSerial < UInt64(entries.count) else { return nil }
        return remove(at: Int(serial &- firstSerial))
    }

    /// Empties the queue.
    mutating func takeAll() -> [any PoolWaiter] {
        let all = entries[head...].compactMap(\.waiter)
        firstSerial &+= UInt64(entries.count)
        entries.removeAll(keepingCapacity: true)
        head = 0
        count = 0
        return all
    }

    private mutating func remove(at index: Int) -> (any PoolWaiter)? {
        guard index >= head, let waiter = entries[index].waiter else { return nil }
        entries[index].waiter = nil
        count -= 1
        while head < entries.count, entries[head].waiter == nil { head += 1 }
        if head == entries.count {
            firstSerial &+= UInt64(entries.count)
            entries.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 64, head * 2 >= entries.count {
            firstSerial &+= UInt64(head)
            entries.removeFirst(head)
            head = 0
        }
        return waiter
    }
}
